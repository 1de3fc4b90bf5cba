"""Access to a group of views."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from exporter.metrics.registry import Rejection
from exporter.web.auth import Guard
from exporter.web.problems import problem

Refuse = Callable[[Rejection, str], None]
"""Takes note of a request that was refused before any event was read, and of what it was told."""


def _guarded(name: str, guard: Guard, refuse: Refuse) -> Blueprint:
    blueprint = Blueprint(name, __name__)

    @blueprint.before_request
    def admit() -> Response | None:
        if guard.admits(request.environ):
            return None
        detail = f"this takes {guard.wanted}; what came with the request is missing or wrong"
        refuse(Rejection.UNAUTHORIZED, detail)
        response = problem(401, detail)
        for challenge in guard.challenges:
            response.headers.add("WWW-Authenticate", challenge)
        return response

    return blueprint
