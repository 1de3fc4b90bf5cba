"""Access to a group of views: credentials are checked before any of them is called; other sites change nothing."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

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


def is_from_other_site(environ: Mapping[str, Any]) -> bool:
    """Return whether a browser says that a page of another origin sends the request.

    Browsers send `Sec-Fetch-Site` only over HTTPS and to this machine, and `Origin` with every POST of another site.
    """
    if site := environ.get("HTTP_SEC_FETCH_SITE"):
        return str(site).lower() not in ("same-origin", "none")
    origin = environ.get("HTTP_ORIGIN")
    return origin is not None and _host(origin) != environ.get("HTTP_HOST", "").lower()


def _host(origin: str) -> str | None:
    """Return the host and port of an origin, as the header Host has them; None if the browser hides the origin."""
    try:
        return urlsplit(origin.lower()).netloc or None
    except ValueError:
        return None
