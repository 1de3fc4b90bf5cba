"""The view that accepts events: it reads the body of a request, and turns the answer to it into a response."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from exporter.metrics.registry import Rejection
from exporter.server.service import ADMITTED
from exporter.web.access import guarded, is_from_other_site
from exporter.web.answers import PATH, Answers, Refuse
from exporter.web.auth import Guard
from exporter.web.problems import problem

QUICK_BODY = 1 << 15
"""Bytes of the largest event that the event loop answers itself: far more than one with ordinary names has."""


def views(answers: Answers, refuse: Refuse, guard: Guard, max_body: int) -> Blueprint:
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
            body = read_body(max_body)
        except RequestEntityTooLarge:
            return refused(Rejection.TOO_LARGE, 413, f"the body is larger than max_body, {max_body} bytes")
        answer = answers.to(body, request.remote_addr or "")
        if answer.is_of_use:
            request.environ[ADMITTED] = True
        return Response(answer.body, answer.status, answer.headers)

    return blueprint


def wants_body(guard: Guard) -> Callable[[Mapping[str, Any]], bool]:
    """Return a function that returns, for the WSGI environment of a POST, whether the view reads its body."""

    def wants(environ: Mapping[str, Any]) -> bool:
        is_read = environ["PATH_INFO"] == PATH and guard.admits(environ)
        return is_read and not content_encoding(environ) and not is_from_other_site(environ)

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
