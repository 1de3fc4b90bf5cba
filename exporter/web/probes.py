"""The views for probes."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response

_PATHS = ("/-/healthy", "/-/ready")


def views() -> Blueprint:
    """Return the views for probes, which need no credentials."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/-/healthy")
    def healthy() -> Response:
        return Response("butlr-exporter is healthy.\n", content_type="text/plain; charset=utf-8")

    @blueprint.get("/-/ready")
    def ready() -> Response:
        return Response("butlr-exporter is ready.\n", content_type="text/plain; charset=utf-8")

    return blueprint


def is_quick(environ: Mapping[str, Any], _: bytes | None) -> bool:
    """Return whether a request with this WSGI environment is a probe, which is answered quickly."""
    return environ["PATH_INFO"] in _PATHS
