"""The pages for people, their JSON twins, and the style and script of the pages.

A page is complete without its script. The script asks the API every few seconds whether anything has changed, and
takes over the new parts of the page.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from flask import Blueprint, Flask, Response, abort, jsonify, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.http import generate_etag
from werkzeug.routing import BaseConverter, ValidationError

from exporter import __version__
from exporter.events.measures import Kind, Measure
from exporter.metrics.families import CAPACITY, OCCUPANCY, SETTLED, TIMESTAMP
from exporter.web.pages import display
from exporter.web.pages.status import Query, Sort, State, Status
from exporter.web.problems import unlogged

MIMETYPES = {".css": "text/css", ".js": "text/javascript"}

ASSETS = {path.name: path.read_bytes() for path in (Path(__file__).parent / "assets").iterdir()}
"""Name to content of the style and the script."""

VERSIONS = {name: generate_etag(content)[:12] for name, content in ASSETS.items()}
"""Name to a digest that ends the address of each, so that a browser may keep it for ever."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Allows nothing but the page's own style and script, in case a name ever got through unescaped."""

NOT_KNOWN = "no {kind} has this id; a {kind} that was silent for long is forgotten"


class IdConverter(BaseConverter):
    """Any id in a path, also with slashes and line ends."""

    regex = "(?s:.+)"
    part_isolating = False


class KindConverter(BaseConverter):
    """A kind of space in a path."""

    def to_python(self, value: str) -> Kind:
        """Return the kind. Raises ValidationError, which makes the address unknown."""
        try:
            return Kind(value)
        except ValueError:
            raise ValidationError from None


class WebhookAddress(NamedTuple):
    """The address for events, as far as the address of a page does not show it."""

    port: int | None = None
    """None is the port of the page."""
    host: str = ""
    """Empty is the host of the page."""
    tls: bool = False
    """Whether that port speaks TLS."""
    credentials: str = ""
    """The credentials as options of curl, with a word in place of each secret; empty without any."""


def add_converters(app: Flask) -> None:
    """Let an app know the converters that the addresses of the pages need."""
    app.url_map.converters |= {"id": IdConverter, "kind": KindConverter}


def add(blueprint: Blueprint, status: Status, webhook: WebhookAddress) -> None:
    """Add the pages, the API, the style and the script to the blueprint of the readers."""

    @blueprint.get("/")
    def page() -> Response:
        query = query_of(page=1)
        content = status.spaces(query)
        by_floor = groupby(content["spaces"], key=floor if query.sort is Sort.PLACE else lambda _: ())
        return _page(
            "spaces.html",
            query=query,
            floors=[(place, list(spaces)) for place, spaces in by_floor],
            line=status.line,
            other=lambda **changed: url_for("reading.page", **parameters(query._replace(**changed))),
            choices={"state": State, "sort": Sort},
            webhook=_webhook_url(webhook),
            credentials=webhook.credentials,
            api=url_for("reading.spaces", **parameters(query)),
            **content,
        )

    @blueprint.get("/spaces/<kind:kind>/<id:space_id>")
    def space_page(kind: Kind, space_id: str) -> Response:
        space = status.space(kind, space_id)
        if space is None:
            return unlogged(404, NOT_KNOWN.format(kind=kind))
        return _page(
            "space.html",
            name=display.name(space["metadata"][f"{kind}_name"], space_id),
            line=status.line,
            queries={measure: promql(measure, space_id) for measure in space["measures"]},
            api=url_for("reading.space", kind=kind, space_id=space_id),
            **space,
        )

    @blueprint.get("/api/v1/spaces")
    def spaces() -> Response:
        query = query_of(page=None)
        return _unless_known(status.etag(query), lambda: status.spaces(query))

    @blueprint.get("/api/v1/spaces/<kind:kind>/<id:space_id>")
    def space(kind: Kind, space_id: str) -> Response:
        found = status.space(kind, space_id)
        if found is None:
            return unlogged(404, NOT_KNOWN.format(kind=kind))
        return _unless_known(status.space_etag(found), lambda: found)

    @blueprint.get("/assets/<name>")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            abort(404)
        response = Response(ASSETS[name], mimetype=MIMETYPES[Path(name).suffix])
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def query_of(page: int | None) -> Query:
    """Return the query in the request's parameters; `page` is the default. Raises BadRequest."""
    arguments = request.args
    return Query(
        words=arguments.get("q", "").strip(),
        # A form sends the choice of all states as an empty one.
        state=_one_of(State, arguments["state"]) if arguments.get("state") else None,
        sort=_one_of(Sort, arguments.get("sort", Sort.PLACE)),
        page=_number(arguments["page"]) if "page" in arguments else page,
    )


def _one_of(choices: Any, text: str) -> Any:
    try:
        return choices(text)
    except ValueError:
        raise BadRequest(f"{choices.__name__.lower()} must be one of {', '.join(choices)}") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) < 1:
        raise BadRequest("page must be a whole number from 1")
    return int(text)


def parameters(query: Query) -> Mapping[str, Any]:
    """Return a query as the parameters of an address, without those that have their default."""
    every = {
        "q": query.words,
        "state": query.state,
        "sort": None if query.sort is Sort.PLACE else query.sort,
        "page": None if query.page == 1 else query.page,
    }
    return {name: value for name, value in every.items() if value}


def floor(space: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names that the spaces of one floor have in common."""
    return tuple(space["metadata"][field] for field in ("site_name", "building_name", "floor_name"))


def promql(measure: Measure, space_id: str) -> Sequence[tuple[str, str]]:
    """Return queries on one space, each behind the words for its answer."""
    family = OCCUPANCY[measure]
    chosen = f"{{{measure.kind.id_field}={json.dumps(space_id, ensure_ascii=False)}}}"
    return [
        ("People now", f"{family}{chosen}"),
        ("How full it is", f"{family}{chosen} / {CAPACITY[measure.kind]}{chosen}"),
        ("The most people in a day", f"max_over_time({family}{chosen}[1d])"),
        ("Seconds since it was sensed", f"time() - {TIMESTAMP[measure]}{chosen}"),
        ("The newest final count", f"last_over_time({SETTLED[measure]}{chosen}[15m])"),
    ]


def _page(template: str, **values: Any) -> Response:
    text = render_template(template, version=__version__, versions=VERSIONS, display=display, **values)
    response = Response(text, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _unless_known(etag: str, content: Callable[[], Any]) -> Response:
    """Answer with JSON, or with 304 if the client has it; the ETag is weak, since ages and the time always differ."""
    if request.if_none_match.contains_weak(etag):
        response = Response(status=304)
    elif request.method == "HEAD":
        response = Response(mimetype="application/json")
    else:
        response = jsonify(content())
    response.set_etag(etag, weak=True)
    return response


def _webhook_url(webhook: WebhookAddress) -> str:
    """Return the address for events as the reader of the page can reach it."""
    host = request.host if re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", request.host) else "localhost"
    if webhook.port is None:
        return f"{request.scheme}://{host}/webhook"
    name = webhook.host or re.sub(r":[0-9]+$", "", host)
    return f"{'https' if webhook.tls else 'http'}://{name}:{webhook.port}/webhook"
