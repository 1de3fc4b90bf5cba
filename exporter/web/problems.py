"""Errors as RFC 9457 `application/problem+json`. This module knows Flask."""

import logging
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.http import HTTP_STATUS_CODES

from exporter.web.answers import log_refused

log = logging.getLogger(__name__)


def unlogged(status: int, detail: str, **members: Any) -> Response:
    """Return a problem without logging it; `members` come after `type`, `title`, `status` and `detail`."""
    title = HTTP_STATUS_CODES[status]  # the standard library's titles differ between versions
    response = jsonify(type="about:blank", title=title, status=status, detail=detail, **members)
    response.status_code = status
    response.content_type = "application/problem+json"
    return response


UNKNOWN_SPACE = "no {kind} has this id; it may have been forgotten, by a person or after forget_after"
"""The detail of 404 for a space, by its kind."""

MAX_SHOWN = 100
"""Characters of a path that are shown: a long path must not make an answer or a log line as long."""


def problem(status: int, detail: str) -> Response:
    """Return a problem and log it."""
    log_refused(status, detail, request.method, _path(), request.remote_addr)
    return unlogged(status, detail)


def _path() -> str:
    """Return the path as it was sent: decoded, a blank at its end or a doubled slash would be invisible."""
    raw: str = request.environ.get("RAW_URI") or quote(request.environ["PATH_INFO"], encoding="latin-1")
    path = raw.partition("?")[0]
    return path if len(path) <= MAX_SHOWN else f"{path[:MAX_SHOWN]}…"


def register(app: Flask) -> None:
    """Answer every error of an app as a problem: refusals by Werkzeug and unexpected exceptions."""

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return problem(error.code or 500, error.description or "")

    @app.errorhandler(NotFound)
    def not_found(_: NotFound) -> Response:
        return problem(404, f"there is nothing at {_path()}")

    @app.errorhandler(MethodNotAllowed)
    def method_not_allowed(error: MethodNotAllowed) -> Response:
        response = problem(405, f"{_path()} does not accept {request.method}")
        response.allow.update(error.valid_methods or ())
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        fields = {"method": request.method, "path": _path(), "client": request.remote_addr}
        log.error("internal error", fields, exc_info=error)
        return unlogged(500, "the exporter failed; its log says more")
