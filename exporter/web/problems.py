"""Errors as RFC 9457 `application/problem+json`, whatever raised them.

It knows Flask and nothing of the exporter.
"""

import logging
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.http import HTTP_STATUS_CODES

log = logging.getLogger(__name__)


def unlogged(status: int, detail: str, **members: Any) -> Response:
    """Return one problem; `members` are what it has beyond `type`, `title`, `status` and `detail`."""
    title = HTTP_STATUS_CODES[status]  # the standard library's words change with its version
    response = jsonify(type="about:blank", title=title, status=status, detail=detail, **members)
    response.status_code = status
    response.content_type = "application/problem+json"
    return response


MOST_SHOWN = 100
"""Characters of a path that are shown: a long one must not make an answer or a log line as long."""


def problem(status: int, detail: str) -> Response:
    """Return one problem, and log it."""
    # Whoever looks around with a browser is no trouble; a webhook sent to the wrong place is.
    level = logging.DEBUG if status == 404 and request.method == "GET" else logging.WARNING
    fields = {"method": request.method, "path": _path(), "client": request.remote_addr}
    log.log(level, "request refused", {"status": status, "reason": detail, **fields})
    return unlogged(status, detail)


def _path() -> str:
    return request.path if len(request.path) <= MOST_SHOWN else f"{request.path[:MOST_SHOWN]}…"


def register(app: Flask) -> None:
    """Answer every error of an app as a problem: what Werkzeug refuses, and what nobody foresaw."""

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return problem(error.code or 500, error.description or "")

    @app.errorhandler(NotFound)
    def nothing_there(_: NotFound) -> Response:
        return problem(404, f"there is nothing at {_path()}")

    @app.errorhandler(MethodNotAllowed)
    def wrong_method(error: MethodNotAllowed) -> Response:
        response = problem(405, f"{_path()} does not take {request.method}")
        response.allow.update(error.valid_methods or ())
        return response

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        log.error("internal error", exc_info=error)
        return problem(500, "an error of the exporter itself; its log says more")
