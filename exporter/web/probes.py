"""The views for probes."""

from flask import Blueprint, Response

PATHS = frozenset({"/-/healthy", "/-/ready"})


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
