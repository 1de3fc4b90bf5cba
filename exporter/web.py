"""The HTTP interface: what each request means, in views of a few lines.

It turns requests into calls and results into responses. Of events, zones and families it knows only the
modules that do. One blueprint for each kind of caller, so that each can have a port of its own.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, request
from isal import isal_zlib
from werkzeug.datastructures import MIMEAccept
from werkzeug.exceptions import RequestEntityTooLarge

from exporter.auth import Guard
from exporter.capacity import CapacityError, CapacityFile
from exporter.events import NotJson
from exporter.ingest import MAX_ERRORS, Ingest, TooManyEvents
from exporter.journal import JournalError
from exporter.metrics import OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE, Metrics, Rejection
from exporter.problems import problem, unlogged

WEBHOOK = "/webhook"

GZIP_LEVEL = 1
"""As small as zlib's default makes it, but for a tenth, in a tenth of the time."""

_AS_GZIP = isal_zlib.MAX_WBITS + 16

QUICK_BODY = 1 << 15
"""Bytes of the largest event that is answered at once: far more than one with ordinary names has."""

RETRY_AFTER = 5
"""Seconds after which the journal may be written again."""


Refuse = Callable[[Rejection, str], None]
"""Takes note of a request that was refused before any event was read, and of what it was told."""


def webhook(ingest: Ingest, refuse: Refuse, guard: Guard, max_body: int) -> Blueprint:
    """Return the view that takes events; a body of more than `max_body` bytes is refused."""
    blueprint = _guarded("webhook", guard, refuse)

    def refused(reason: Rejection, status: int, detail: str) -> Response:
        refuse(reason, detail)
        return problem(status, detail)

    @blueprint.post(WEBHOOK)
    def receive() -> Response:
        if encoding := content_encoding(request.environ):
            response = refused(Rejection.MALFORMED, 415, f"the body is encoded as {encoding[:100]}; send it as it is")
            response.headers["Accept-Encoding"] = "identity"
            return response
        try:
            receipt = ingest.receive(read_body(max_body))
        except RequestEntityTooLarge:
            return refused(Rejection.TOO_LARGE, 413, f"the body is larger than max_body, {max_body} bytes")
        except TooManyEvents as error:
            return refused(Rejection.TOO_LARGE, 413, str(error))
        except NotJson as error:
            return refused(Rejection.MALFORMED, 400, f"the body is not JSON: {error}")
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

    return blueprint


def takes_body(guard: Guard) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells by a POST's head whether its body matters; if not, it is answered without being read."""

    def takes(environ: Mapping[str, Any]) -> bool:
        return environ["PATH_INFO"] == WEBHOOK and guard.admits(environ) and not content_encoding(environ)

    return takes


def quick_body(body: bytes) -> bool:
    """Tell whether a body is answered in no time: one event, but not an array, which may be of thousands."""
    return len(body) <= QUICK_BODY and body[:1] == b"{"


def reading(
    metrics: Metrics, capacity: CapacityFile, history: Callable[[], str], refuse: Refuse, guard: Guard
) -> Blueprint:
    """Return the views for Prometheus, over what counts and what gives the settled readings, and the reload."""
    blueprint = _guarded("reading", guard, refuse)

    @blueprint.after_request
    def for_this_client_now(response: Response) -> Response:
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.status_code == 200:
            response.vary.add("Accept-Encoding")
            if request.method == "HEAD":  # the length would be that of an answer to GET, which is not made
                response.headers.pop("Content-Length", None)
                response.automatically_set_content_length = False
                return response
            if request.accept_encodings.quality("gzip"):
                response.response = compressed(response.iter_encoded())
                response.content_encoding = "gzip"
            response.make_sequence()  # so that it has a length
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
    def settled() -> Response:
        return Response(history().encode(), content_type=OPENMETRICS_CONTENT_TYPE)

    @blueprint.post("/-/reload")
    def reload() -> Response:
        try:
            capacity.reload()
        except CapacityError as error:  # it is logged where it happens
            return unlogged(422, f"the capacity file was not taken, the old one stays: {error}")
        return Response("Read again.\n", content_type="text/plain; charset=utf-8")

    return blueprint


def health() -> Blueprint:
    """Return the views for probes, which need no credentials."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/-/healthy")
    def healthy() -> Response:
        return Response("butlr-exporter is healthy.\n", content_type="text/plain; charset=utf-8")

    @blueprint.get("/-/ready")
    def ready() -> Response:
        return Response("butlr-exporter is ready.\n", content_type="text/plain; charset=utf-8")

    return blueprint


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


def content_encoding(environ: Mapping[str, Any]) -> str:
    """Return how a request's body is encoded; empty if it is not."""
    encoding: str = environ.get("HTTP_CONTENT_ENCODING", "").strip()
    return "" if encoding.lower() == "identity" else encoding


def compressed(pieces: Iterable[bytes]) -> list[bytes]:
    """Return them as one gzip stream, in pieces; none of them is kept, so that all together need not be in memory."""
    stream = isal_zlib.compressobj(GZIP_LEVEL, isal_zlib.DEFLATED, _AS_GZIP)
    return [*map(stream.compress, pieces), stream.flush()]


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
