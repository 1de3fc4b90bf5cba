"""Access to a group of views: credentials are checked before any of them is called."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from exporter.metrics.registry import Rejection
from exporter.server.service import ADMITTED
from exporter.web.auth import Guard
from exporter.web.problems import problem

Refuse = Callable[[Rejection, str], None]
"""Counts a request that is refused before any event is read; the text is the detail of the answer."""


def guarded(name: str, guard: Guard, refuse: Refuse) -> Blueprint:
    """Return a blueprint that answers 401 to every request that `guard` does not admit."""
    blueprint = Blueprint(name, __name__)

    @blueprint.before_request
    def admit() -> Response | None:
        if guard.admits(request.environ):
            if guard.challenges:  # without credentials, every stranger would be admitted
                request.environ[ADMITTED] = True
            return None
        detail = f"this needs {guard.wanted}; the request has none, or a wrong one"
        refuse(Rejection.UNAUTHORIZED, detail)
        response = problem(401, detail)
        for challenge in guard.challenges:
            response.headers.add("WWW-Authenticate", challenge)
        return response

    return blueprint
