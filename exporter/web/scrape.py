"""The views for Prometheus."""

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Blueprint, Response, request
from isal import isal_zlib
from werkzeug.datastructures import MIMEAccept

from exporter.capacity.file import CapacityFile
from exporter.capacity.parse import CapacityError
from exporter.metrics.registry import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE, Metrics
from exporter.web.access import guarded
from exporter.web.answers import Refuse
from exporter.web.auth import Guard
from exporter.web.problems import unlogged

_SLOW = ("/spaces/", "/api/", "/-/reload")
"""The beginnings of the paths that may take a second, beside `/`."""

GZIP_LEVEL = 1
"""The output is a tenth larger than at zlib's default level, in a tenth of the time."""

_AS_GZIP = isal_zlib.MAX_WBITS + 16


def views(metrics: Metrics, capacity: CapacityFile, refuse: Refuse, guard: Guard) -> Blueprint:
    """Return the views for Prometheus, and the reload."""
    blueprint = guarded("reading", guard, refuse)

    @blueprint.after_request
    def finish(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.status_code == 200:
            response.vary.add("Accept-Encoding")
            if request.method == "HEAD":  # its length would be that of a body that is not rendered
                response.headers.pop("Content-Length", None)
                response.automatically_set_content_length = False
                return response
            if request.accept_encodings.quality("gzip"):
                response.response = compressed(response.iter_encoded())
                response.content_encoding = "gzip"
            response.make_sequence()  # so that its length is known
            response.content_length = sum(map(len, response.iter_encoded()))
        return response

    @blueprint.get("/metrics")
    def scrape() -> Response:
        openmetrics = wants_openmetrics(request.accept_mimetypes)
        body = metrics.exposition(openmetrics=openmetrics, names=request.args.getlist("name[]"))
        response = Response(body, content_type=OPENMETRICS_CONTENT_TYPE if openmetrics else TEXT_CONTENT_TYPE)
        response.vary.add("Accept")
        return response

    @blueprint.get("/metrics/settled")
    def scrape_settled() -> Response:
        return Response(metrics.settled_exposition(), content_type=OPENMETRICS_CONTENT_TYPE)

    @blueprint.post("/-/reload")
    def reload() -> Response:
        try:
            capacity.reload()
        except CapacityError as error:  # the capacity file logs it
            return unlogged(422, f"the capacity file was rejected, the previous one stays in use: {error}")
        text = "The capacity file was read again.\n" if capacity.path else "There is no capacity file.\n"
        return Response(text, content_type="text/plain; charset=utf-8")

    return blueprint


def is_slow(environ: Mapping[str, Any]) -> bool:
    """Return whether a request with this WSGI environment lists spaces or reloads, for which no scrape waits."""
    path: str = environ["PATH_INFO"]
    return path == "/" or path.startswith(_SLOW)


def compressed(pieces: Iterable[bytes]) -> list[bytes]:
    """Return the pieces as one gzip stream, itself in pieces; no piece is kept, so that memory never holds them all."""
    stream = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, _AS_GZIP)
    return [*map(stream.compress, pieces), stream.flush()]


def wants_openmetrics(accept: MIMEAccept) -> bool:
    """Return whether a client prefers OpenMetrics over the text format; without a preference it gets text.

    Parameters such as `version` or `escaping` do not matter: names here are valid in every version.
    """
    for media_range in accept.values():
        media_type = media_range.partition(";")[0].strip().lower()
        if media_type in ("text/plain", "text/*", "*/*"):
            return False
        if media_type in ("application/openmetrics-text", "application/*"):
            return accept[media_range] > 0
    return False
