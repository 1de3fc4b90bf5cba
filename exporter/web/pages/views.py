"""The pages for people, the same as JSON, and the style and script they come with.

A page is whole without its script. With it, it asks every few seconds whether anything has changed, and takes
what is new.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from flask import Blueprint, Response, abort, jsonify, render_template, request, url_for
from werkzeug.exceptions import BadRequest
from werkzeug.http import generate_etag
from werkzeug.routing import BaseConverter

from exporter import __version__
from exporter.events.model import Measure
from exporter.metrics.families import OCCUPANCY, SETTLED
from exporter.web.pages import display
from exporter.web.pages.status import Query, Sort, State, Status
from exporter.web.problems import unlogged

MIMETYPES = {".css": "text/css", ".js": "text/javascript"}

ASSETS = {path.name: path.read_bytes() for path in (Path(__file__).parent / "assets").iterdir()}
"""Name to content of what pages come with."""

VERSIONS = {name: generate_etag(content)[:12] for name, content in ASSETS.items()}
"""What stands behind the address of each, so that a browser keeps it for ever."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing but the page's own, were a name ever to get through unescaped."""

NO_ZONE = "no zone has this id; zones that were silent for long are forgotten"


class Id(BaseConverter):
    """Any id in a path, also with slashes and line ends."""

    regex = "(?s:.+)"
    part_isolating = False


class WebhookAddress(NamedTuple):
    """Where events are to be sent, as far as the address of a page does not tell."""

    port: int | None = None
    """None is the port of the page."""
    host: str = ""
    """Empty is the host of the page."""
    tls: bool = False
    """Of that port."""
    credentials: str = ""
    """What curl needs for them, with a word in place of each secret; empty if nothing."""


def add(blueprint: Blueprint, status: Status, door: WebhookAddress) -> None:
    """Add the pages, the API and what they come with to the blueprint of what reads."""

    @blueprint.get("/")
    def page() -> Response:
        query = asked(page=1)
        told = status.zones(query)
        by_floor = groupby(told["zones"], key=floor if query.sort is Sort.PLACE else lambda _: ())
        return _page(
            "zones.html",
            query=query,
            floors=[(place, list(zones)) for place, zones in by_floor],
            line=status.line,
            other=lambda **changed: url_for("reading.page", **given(query._replace(**changed))),
            choices={"state": State, "sort": Sort},
            webhook=_webhook(door),
            credentials=door.credentials,
            api=url_for("reading.zones", **given(query)),
            **told,
        )

    @blueprint.get("/zones/<id:zone_id>")
    def zone_page(zone_id: str) -> Response:
        zone = status.zone(zone_id)
        if zone is None:
            return unlogged(404, NO_ZONE)
        return _page(
            "zone.html",
            name=display.name(zone["metadata"]["zone_name"], zone_id),
            line=status.line,
            queries={measure: promql(Measure(measure), zone_id) for measure in zone["measures"]},
            api=url_for("reading.zone", zone_id=zone_id),
            **zone,
        )

    @blueprint.get("/api/v1/zones")
    def zones() -> Response:
        query = asked(page=None)
        return _unless_known(status.tag(query), lambda: status.zones(query))

    @blueprint.get("/api/v1/zones/<id:zone_id>")
    def zone(zone_id: str) -> Response:
        found = status.zone(zone_id)
        return unlogged(404, NO_ZONE) if found is None else _unless_known(status.zone_tag(found), lambda: found)

    @blueprint.get("/assets/<name>")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            abort(404)
        response = Response(ASSETS[name], mimetype=MIMETYPES[Path(name).suffix])
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def asked(page: int | None) -> Query:
    """Return what the request's parameters ask for; `page` is the one if none is asked for. Raises BadRequest."""
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


def given(query: Query) -> Mapping[str, Any]:
    """Return a query as the parameters of an address, without those that need not be there."""
    parameters = {
        "q": query.words,
        "state": query.state,
        "sort": None if query.sort is Sort.PLACE else query.sort,
        "page": None if query.page == 1 else query.page,
    }
    return {name: value for name, value in parameters.items() if value}


def floor(zone: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what zones of one floor have in common."""
    return tuple(zone["metadata"][field] for field in ("site_name", "building_name", "floor_name"))


def promql(measure: Measure, zone_id: str) -> Sequence[tuple[str, str]]:
    """Return queries on one zone, each with what it answers."""
    family = OCCUPANCY[measure]
    chosen = f"{{zone_id={json.dumps(zone_id, ensure_ascii=False)}}}"
    return [
        ("People now", f"{family}{chosen}"),
        ("How full it is", f"{family}{chosen} / butlr_zone_capacity{chosen}"),
        ("The most people in a day", f"max_over_time({family}{chosen}[1d])"),
        ("Seconds since it was sensed", f"time() - {family}_timestamp_seconds{chosen}"),
        ("The newest final count", f"last_over_time({SETTLED[measure]}{chosen}[15m])"),
    ]


def _page(template: str, **values: Any) -> Response:
    text = render_template(template, version=__version__, versions=VERSIONS, display=display, **values)
    response = Response(text, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _unless_known(tag: str, told: Callable[[], Any]) -> Response:
    """Answer with JSON, or with 304 to who has it; a weak tag, for ages and the time are always others."""
    if request.if_none_match.contains_weak(tag):
        response = Response(status=304)
    elif request.method == "HEAD":
        response = Response(mimetype="application/json")
    else:
        response = jsonify(told())
    response.set_etag(tag, weak=True)
    return response


def _webhook(door: WebhookAddress) -> str:
    """Return the address that events are sent to, as whoever looks at the page may know it."""
    host = request.host if re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", request.host) else "localhost"
    if door.port is None:
        return f"{request.scheme}://{host}/webhook"
    name = door.host or re.sub(r":[0-9]+$", "", host)
    return f"{'https' if door.tls else 'http'}://{name}:{door.port}/webhook"
