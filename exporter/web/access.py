"""Access to a group of views: credentials are checked before any of them is called; other sites change nothing."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, request

from exporter.metrics.registry import Rejection
from exporter.server.service import ADMITTED
from exporter.web.answers import Refuse, no_credentials
from exporter.web.auth import Guard
from exporter.web.problems import problem

_SAFE = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing (RFC 9110, 9.2.1)."""

OTHER_SITE = (
    "a page of another site may change nothing here; a proxy in front of the exporter must pass on the header Host"
)
"""The detail of the answer to such a page."""


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


def refuse_other_sites(app: Flask) -> None:
    """Answer 403 to every request of a page of another origin that may change something, on any path."""

    @app.before_request
    def one_site() -> Response | None:
        if request.method in _SAFE or not is_from_other_site(request.environ):
            return None
        return problem(403, OTHER_SITE)


def is_from_other_site(environ: Mapping[str, Any]) -> bool:
    """Return whether a browser says that a page of another origin sends the request.

    Browsers send `Sec-Fetch-Site` only over HTTPS and to this machine, and `Origin` with every request that may change
    something. Programs send neither. The order is that of `http.CrossOriginProtection` (pkg.go.dev/net/http) and of
    OWASP's cheat sheet on cross-site request forgery. `X-Forwarded-Host` does not count, as nothing says that a proxy
    wrote it.
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
