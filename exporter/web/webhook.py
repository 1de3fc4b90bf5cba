"""The HTTP interface: what each request means, in views of a few lines.

It turns requests into calls and results into responses. Of events, zones and families it knows only the
modules that do. One blueprint for each kind of caller, so that each can have a port of its own.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from exporter.events.parse import NotJson
from exporter.ingest.intake import Ingest, TooManyEvents
from exporter.ingest.receipt import MAX_ERRORS
from exporter.journal.interface import JournalError
from exporter.metrics.registry import Rejection
from exporter.web.access import Refuse, _guarded
from exporter.web.auth import Guard
from exporter.web.problems import problem, unlogged

WEBHOOK = "/webhook"

QUICK_BODY = 1 << 15
"""Bytes of the largest event that is answered at once: far more than one with ordinary names has."""

RETRY_AFTER = 5
"""Seconds after which the journal may be written again."""


def webhook(ingest: Ingest, refuse: Refuse, guard: Guard, max_body: int) -> Blueprint:
    """Return the view that takes events; a body of more than `max_body` bytes is refused."""
    blueprint = _guarded("webhook", guard, refuse)

    def refused(reason: Rejection, status: int, detail: str) -> Response:
        refuse(reason, detail)
        return problem(status, detail)

    @blueprint.post(WEBHOOK)
    def receive() -> Response:
        if encoding := content_encoding(request.environ):
            response = refused(Rejection.MALFORMED, 415, f"the body is encoded as {encoding[:100]}; send it as it is")
            response.headers["Accept-Encoding"] = "identity"
            return response
        try:
            receipt = ingest.receive(read_body(max_body))
        except RequestEntityTooLarge:
            return refused(Rejection.TOO_LARGE, 413, f"the body is larger than max_body, {max_body} bytes")
        except TooManyEvents as error:
            return refused(Rejection.TOO_LARGE, 413, str(error))
        except NotJson as error:
            return refused(Rejection.MALFORMED, 400, f"the body is not JSON: {error}")
        except JournalError:  # the outage is logged, not each request
            response = unlogged(503, "the journal cannot be written now; please send this again")
            response.headers["Retry-After"] = str(RETRY_AFTER)
            return response
        told = {"received": receipt.received, "outcomes": receipt.outcomes}
        if not receipt.refused:
            return jsonify(told)
        detail = f"{receipt.refused} of {receipt.received} events refused"
        if len(receipt.errors) == MAX_ERRORS:
            detail += f"; at most {MAX_ERRORS} errors are listed"
        return unlogged(422, detail, errors=[asdict(error) for error in receipt.errors], **told)

    return blueprint


def wants_body(guard: Guard) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells by a POST's head whether its body matters; if not, it is answered without being read."""

    def wants(environ: Mapping[str, Any]) -> bool:
        return environ["PATH_INFO"] == WEBHOOK and guard.admits(environ) and not content_encoding(environ)

    return wants


def is_quick(body: bytes) -> bool:
    """Tell whether a body is answered in no time: one event, but not an array, which may be of thousands."""
    return len(body) <= QUICK_BODY and body[:1] == b"{"


def content_encoding(environ: Mapping[str, Any]) -> str:
    """Return how a request's body is encoded; empty if it is not."""
    encoding: str = environ.get("HTTP_CONTENT_ENCODING", "").strip()
    return "" if encoding.lower() == "identity" else encoding


def read_body(limit: int) -> bytes:
    """Return the request's body. Raises RequestEntityTooLarge if it has more than `limit` bytes."""
    # Werkzeug cuts a body without a length off at its limit and says nothing, hence one byte more.
    request.max_content_length = limit + 1
    if (request.content_length or 0) > limit or len(body := request.get_data(cache=False)) > limit:
        raise RequestEntityTooLarge
    return body
