"""The HTTP interface: what each request means, in views of a few lines.

It turns requests into calls and results into responses. Of events, zones and families it knows only the
modules that do.
"""

import gzip
from collections.abc import Callable
from dataclasses import asdict

from flask import Blueprint, Response, abort, jsonify, render_template, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import RequestEntityTooLarge

from exporter import __version__
from exporter.events import NotJson
from exporter.ingest import MAX_ERRORS, Ingest
from exporter.journal import JournalError
from exporter.metrics import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE, Metrics, Rejection
from exporter.occupancy import Snapshot
from exporter.problems import problem, unlogged
from exporter.status import status

GZIP_LEVEL = 6

RETRY_AFTER = 5
"""Seconds after which the journal may be written again."""


def routes(ingest: Ingest, metrics: Metrics, snapshot: Callable[[], Snapshot], max_body: int) -> Blueprint:
    """Return the views over what takes events, what counts, and what gives the zones as they are now.

    A body of more than `max_body` bytes is refused.
    """
    web = Blueprint("web", __name__)

    @web.before_request
    def one_process() -> None:
        if request.environ.get("wsgi.multiprocess"):
            abort(503, "the zones live in one process; this server runs several, which would split them")

    @web.post("/webhook")
    def webhook() -> Response:
        try:
            body = read_body(max_body)
        except RequestEntityTooLarge:
            metrics.count_rejection(Rejection.TOO_LARGE)
            return problem(413, f"the body is larger than max_body, {max_body} bytes")
        try:
            receipt = ingest.receive(body)
        except NotJson as error:
            metrics.count_rejection(Rejection.MALFORMED)
            return problem(400, f"the body is not JSON: {error}")
        except JournalError:  # the outage is logged, not each request
            response = unlogged(503, "the journal cannot be written now; please send this again")
            response.headers["Retry-After"] = str(RETRY_AFTER)
            return response
        told = {"received": receipt.received, "outcomes": receipt.outcomes}
        if not receipt.refused:
            return jsonify(told)
        detail = f"{receipt.refused} of {receipt.received} events refused"
        if len(receipt.errors) == MAX_ERRORS:
            detail += f"; at most {MAX_ERRORS} errors are listed"
        return unlogged(422, detail, errors=[asdict(error) for error in receipt.errors], **told)

    @web.get("/metrics")
    def scrape() -> Response:
        openmetrics = wants_openmetrics(request.accept_mimetypes)
        body = metrics.exposition(openmetrics=openmetrics, names=request.args.getlist("name[]"))
        response = Response(body, content_type=OPENMETRICS_CONTENT_TYPE if openmetrics else TEXT_CONTENT_TYPE)
        response.vary.update(["Accept", "Accept-Encoding"])
        if request.accept_encodings.quality("gzip"):
            response.set_data(gzip.compress(body, GZIP_LEVEL))
            response.content_encoding = "gzip"
        return response

    @web.get("/api/v1/zones")
    def zones() -> Response:
        return jsonify(status(snapshot()))

    @web.get("/")
    def page() -> str:
        return render_template("status.html", version=__version__, **status(snapshot()))

    @web.get("/-/healthy")
    def healthy() -> Response:
        return Response("butlr-exporter is healthy.\n", content_type="text/plain; charset=utf-8")

    @web.get("/-/ready")
    def ready() -> Response:
        return Response("butlr-exporter is ready.\n", content_type="text/plain; charset=utf-8")

    return web


def read_body(limit: int) -> bytes:
    """Return the request's body. Raises RequestEntityTooLarge if it has more than `limit` bytes."""
    # Werkzeug cuts a body without a length off at its limit and says nothing, hence one byte more.
    request.max_content_length = limit + 1
    if (request.content_length or 0) > limit or len(body := request.get_data(cache=False)) > limit:
        raise RequestEntityTooLarge
    return body


def wants_openmetrics(accept: MIMEAccept) -> bool:
    """Tell whether a client prefers OpenMetrics over the text format; who says nothing gets text.

    Parameters such as `version` or `escaping` do not matter: names here are valid in every version.
    """
    for media_range in accept.values():
        media_type = media_range.partition(";")[0].strip().lower()
        if media_type in ("text/plain", "text/*", "*/*"):
            return False
        if media_type in ("application/openmetrics-text", "application/*"):
            return accept[media_range] > 0
    return False
