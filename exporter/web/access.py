"""Access to a group of views: credentials are checked before any of them is called."""

from flask import Blueprint, Response, request

from exporter.metrics.registry import Rejection
from exporter.server.service import ADMITTED
from exporter.web.answers import Refuse, no_credentials
from exporter.web.auth import Guard
from exporter.web.problems import problem


def guarded(name: str, guard: Guard, refuse: Refuse) -> Blueprint:
    """Return a blueprint that answers 401 to every request that `guard` does not admit."""
    blueprint = Blueprint(name, __name__)

    @blueprint.before_request
    def admit() -> Response | None:
        if guard.admits(request.environ):
            if guard.challenges:  # without credentials, every stranger would be admitted
                request.environ[ADMITTED] = True
            return None
        detail = no_credentials(guard.wanted)
        refuse(Rejection.UNAUTHORIZED, detail)
        response = problem(401, detail)
        for challenge in guard.challenges:
            response.headers.add("WWW-Authenticate", challenge)
        return response

    return blueprint
