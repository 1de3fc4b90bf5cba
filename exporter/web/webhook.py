"""The view that accepts events: it turns a request into one call of `Intake`, and its receipt into a response."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from exporter.events.parse import NotJson
from exporter.ingest.intake import Intake, TooManyEvents
from exporter.ingest.receipt import MAX_ERRORS
from exporter.journal.interface import JournalError
from exporter.metrics.registry import Rejection
from exporter.server.service import ADMITTED
from exporter.web.access import Refuse, guarded
from exporter.web.auth import Guard
from exporter.web.fast import NOT_WRITTEN, RETRY_AFTER
from exporter.web.problems import problem, unlogged

PATH = "/webhook"

QUICK_BODY = 1 << 15
"""Bytes of the largest event that the event loop answers itself: far more than one with ordinary names has."""


def views(intake: Intake, refuse: Refuse, guard: Guard, max_body: int) -> Blueprint:
    """Return the view that accepts events; it refuses a body of more than `max_body` bytes."""
    blueprint = guarded("webhook", guard, refuse)

    def refused(reason: Rejection, status: int, detail: str) -> Response:
        refuse(reason, detail)
        return problem(status, detail)

    @blueprint.post(PATH)
    def receive() -> Response:
        if encoding := content_encoding(request.environ):
            response = refused(Rejection.MALFORMED, 415, f"the body is encoded as {encoding[:100]}; send it unencoded")
            response.headers["Accept-Encoding"] = "identity"
            return response
        try:
            receipt = intake.receive(read_body(max_body))
        except RequestEntityTooLarge:
            return refused(Rejection.TOO_LARGE, 413, f"the body is larger than max_body, {max_body} bytes")
        except TooManyEvents as error:
            return refused(Rejection.TOO_LARGE, 413, str(error))
        except NotJson as error:
            return refused(Rejection.MALFORMED, 400, f"the body is not JSON: {error}")
        except JournalError:  # the journal logs the outage once
            response = unlogged(503, NOT_WRITTEN)
            response.headers["Retry-After"] = str(RETRY_AFTER)
            return response
        if receipt.refused < receipt.received:
            request.environ[ADMITTED] = True
        counts = {"received": receipt.received, "outcomes": receipt.outcomes}
        if not receipt.refused:
            return jsonify(counts)
        detail = f"{receipt.refused} of {receipt.received} events refused"
        if len(receipt.errors) == MAX_ERRORS:
            detail += f"; at most {MAX_ERRORS} errors are listed"
        return unlogged(422, detail, errors=[asdict(error) for error in receipt.errors], **counts)

    return blueprint


def wants_body(guard: Guard) -> Callable[[Mapping[str, Any]], bool]:
    """Return a function that returns, for the WSGI environment of a POST, whether the view reads its body."""

    def wants(environ: Mapping[str, Any]) -> bool:
        return environ["PATH_INFO"] == PATH and guard.admits(environ) and not content_encoding(environ)

    return wants


def is_quick(environ: Mapping[str, Any], body: bytes | None) -> bool:
    """Return whether a request with this WSGI environment and body (None: it was not read) is answered quickly.

    One event is, and so is a request that is refused by its head; an array may hold thousands of events.
    """
    if environ["PATH_INFO"] != PATH:
        return False
    return body is None or (len(body) <= QUICK_BODY and body[:1] == b"{")


def content_encoding(environ: Mapping[str, Any]) -> str:
    """Return the `Content-Encoding` of a request; empty if the body is not encoded."""
    encoding: str = environ.get("HTTP_CONTENT_ENCODING", "").strip()
    return "" if encoding.lower() == "identity" else encoding


def read_body(limit: int) -> bytes:
    """Return the body of the request. Raises RequestEntityTooLarge if it has more than `limit` bytes."""
    # Werkzeug silently truncates a body without a length at its limit, hence one byte more.
    request.max_content_length = limit + 1
    if (request.content_length or 0) > limit or len(body := request.get_data(cache=False)) > limit:
        raise RequestEntityTooLarge
    return body
