"""The pages for people, their JSON twins, and the style and script of the pages.

A page is complete without its script. The script asks the API every few seconds whether anything has changed, and then
updates the live parts of the page. Links are relative, so that a proxy may serve the pages under a path of its own.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from flask import Blueprint, Flask, Response, abort, jsonify, request
from jinja2 import Environment, FileSystemLoader
from werkzeug.exceptions import BadRequest
from werkzeug.http import generate_etag
from werkzeug.routing import BaseConverter

from exporter import __version__
from exporter.events.measures import WITH_PEOPLE, Kind
from exporter.pieces import paced
from exporter.spelling import did_you_mean
from exporter.web.answers import PROBLEM
from exporter.web.links import relative_link
from exporter.web.pages import chart, display
from exporter.web.pages.content import PLACES, Listed
from exporter.web.pages.day import draw
from exporter.web.pages.floors import KindTotals
from exporter.web.pages.queries import queries_of
from exporter.web.pages.rows import Query, Sort, State
from exporter.web.pages.status import Status
from exporter.web.problems import MAX_SHOWN, UNKNOWN_SPACE, unlogged

MIMETYPES = {".css": "text/css", ".js": "text/javascript"}

ASSETS = {path.name: path.read_bytes() for path in (Path(__file__).parent / "assets").iterdir()}
"""Content of the style and the script, by file name."""

_TEMPLATES = Environment(loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True)
"""Compiled once in a process, not for each app."""

VERSIONS = {name: generate_etag(content)[:12] for name, content in ASSETS.items()}
"""Digest of each asset, by file name; as part of its address it lets a browser cache the asset for ever."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""The content security policy: only the exporter's own style and script, should a name ever stay unescaped."""

MAX_WORDS = 200
"""Characters of the words to search for: each space may be compared with each word."""

_FOR_PROGRAMS = ("/api/", "/metrics", "/webhook", "/-/")
"""The beginnings of the paths whose errors are never pages."""

_WRITTEN = 16
"""Pieces of a page that are rendered without a pause: at most a line of a table each, so a millisecond in all."""


class IdConverter(BaseConverter):
    """Any id in a path, even one with slashes or line ends."""

    regex = "(?s:.+)"
    part_isolating = False


class KindConverter(BaseConverter):
    """A kind of space in a path; a path with another word is not found, whatever the method."""

    regex = "|".join(Kind)

    def to_python(self, value: str) -> Kind:
        """Return the kind."""
        return Kind(value)


class WebhookAddress(NamedTuple):
    """The address of the webhook, where it differs from the address of the pages."""

    port: int | None = None
    """None if the webhook is on the port of the pages."""
    host: str = ""
    """Empty if the webhook is on the host of the pages."""
    tls: bool = False
    """Whether `port` speaks TLS; without a port, the webhook has the scheme of the pages."""
    credentials: str = ""
    """The credentials as options of curl, with a placeholder for each secret; empty if none are needed."""


def add_converters(app: Flask) -> None:
    """Add the converters `id` and `kind`, which the addresses of the pages need, to an app."""
    app.url_map.converters |= {"id": IdConverter, "kind": KindConverter}


def add(blueprint: Blueprint, status: Status, webhook: WebhookAddress) -> None:
    """Add the pages, the API, the style and the script to the blueprint of the readers."""

    @blueprint.get("/")
    def page() -> Response:
        query = query_of(page=1)
        if request.method == "HEAD":
            return _html("")
        content = status.page(query)
        kind, totals, listing = content["kind"], content["totals"], content["listing"]
        link = relative_link()
        rows = [row for _, inside in content["sections"] for row in inside]
        return _page(
            "spaces.html",
            query=query,
            number=totals[kind].number if kind in totals else 0,
            over={each: counted.over for each, counted in totals.items() if counted.over},
            silent={each: counted.silent for each, counted in totals.items() if counted.silent and each in WITH_PEOPLE},
            columns=columns_of(kind, rows),
            placeholder=", ".join([*PLACES[kind], "id"]),
            line=status.line,
            other=lambda **changed: link("page", **parameters(query._replace(**changed))),
            choices=choices_of(kind, has_missing=query.state is State.MISSING or bool(content["missing"].numbers)),
            is_all_silent=_is_all_silent(totals),
            absent={each: missing for each, missing in content["missing"].numbers.items() if each in totals},
            max_words=MAX_WORDS,
            webhook=_webhook_url(webhook),
            credentials=webhook.credentials,
            api=link("spaces", **parameters(query._replace(kind=kind) if len(totals) > 1 else query)),
            chosen=next((group for group, _ in content["sections"]), None) if query.floor else None,
            is_index=bool(listing.floors and not rows),
            has_buildings=len({group.place[1:] for group in listing.floors}) > 1,
            **content,
        )

    @blueprint.get("/spaces/<kind:kind>/<id:space_id>")
    def space_page(kind: Kind, space_id: str) -> Response:
        space = status.space_page(kind, space_id)
        if space is None:
            return unlogged(404, UNKNOWN_SPACE.format(kind=kind))
        return _page(
            "space.html",
            drawing=draw(space["day"]["hours"]) if space["day"] else None,
            chart_of=status.chart,
            columns_of=columns_inside,
            queries={measure: queries_of(measure, space_id) for measure in space["measures"]},
            api=relative_link()("space", kind=kind, space_id=space_id),
            **space,
        )

    @blueprint.get("/api/v1/spaces")
    def spaces() -> Response:
        query = query_of(page=None)
        return _conditional(
            status.etag(query), lambda: Response(status.spaces_as_json(query), mimetype="application/json")
        )

    @blueprint.get("/api/v1/spaces/<kind:kind>/<id:space_id>")
    def space(kind: Kind, space_id: str) -> Response:
        found = status.space(kind, space_id)
        if found is None:
            return unlogged(404, UNKNOWN_SPACE.format(kind=kind))
        return _conditional(status.space_etag(found), lambda: jsonify(found))

    @blueprint.after_app_request
    def for_people(response: Response) -> Response:
        if response.mimetype != PROBLEM or not _is_for_people():
            return response
        if "text/html" in request.accept_mimetypes.values():
            page = _page("problem.html", **response.get_json())
            response.set_data(page.get_data())
            response.headers.update(page.headers)
        response.vary.add("Accept")
        return response

    @blueprint.get("/assets/<name>")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            abort(404)
        response = Response(ASSETS[name], mimetype=MIMETYPES[Path(name).suffix])
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def query_of(page: int | None) -> Query:
    """Return the query in the request's parameters, with `page` as the default page. Raises BadRequest."""
    arguments = request.args
    words = arguments.get("q", "").strip()
    if len(words) > MAX_WORDS:
        raise BadRequest(f"q must have at most {MAX_WORDS} characters")
    return Query(
        kind=_one_of(Kind, arguments["kind"]) if arguments.get("kind") else None,
        words=words,
        floor=arguments.get("floor", ""),
        # A form sends "all states" as an empty parameter.
        state=_one_of(State, arguments["state"]) if arguments.get("state") else None,
        sort=_one_of(Sort, arguments.get("sort", Sort.PLACE)),
        page=_number(arguments["page"]) if "page" in arguments else page,
    )


def _one_of(choices: Any, text: str) -> Any:
    try:
        return choices(text)
    except ValueError:
        allowed = f"{choices.__name__.lower()} must be one of {', '.join(choices)}"
        raise BadRequest(f"{allowed}{did_you_mean(text[:MAX_SHOWN], choices)}") from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) < 1:
        raise BadRequest("page must be a whole number from 1")
    return int(text)


def parameters(query: Query) -> Mapping[str, Any]:
    """Return a query as the parameters of an address, without defaults."""
    values = {
        "kind": query.kind,
        "floor": query.floor,
        "q": query.words,
        "state": query.state,
        "sort": None if query.sort == Sort.PLACE else query.sort,
        "page": None if query.page == 1 else query.page,
    }
    return {name: value for name, value in values.items() if value}


def choices_of(kind: Kind, *, has_missing: bool) -> dict[str, Sequence[str]]:
    """Return the states and orders on offer for spaces of a kind, of which some may be missing."""
    if kind not in WITH_PEOPLE:
        return {"state": [State.FRESH, State.STALE], "sort": [Sort.PLACE, Sort.AGE, Sort.NAME]}
    return {"state": [state for state in State if has_missing or state is not State.MISSING], "sort": [*Sort]}


def columns_of(kind: Kind, rows: Sequence[Listed]) -> dict[str, str]:
    """Return the columns of a table of spaces, each with its CSS classes; rooms with a motion sensor have one more."""
    if kind is Kind.SENSOR:
        return {"Sees": "number", "In": "number", "Out": "number", "Sensed": "number"}
    motion = {"Motion": "motion"} if any(row.motion for row in rows) else {}
    return {"People": "number", "State": "status", **motion, "Last readings": "wide", "Sensed": "number wide"}


def columns_inside(kind: Kind, rows: Sequence[Listed]) -> dict[str, str]:
    """Return the columns of a table of spaces inside another one, which has no room for the last readings."""
    columns = columns_of(kind, rows)
    return columns if kind is Kind.SENSOR else {name: columns[name] for name in columns if name != "Last readings"}


def _is_all_silent(totals: Mapping[Kind, KindTotals]) -> bool:
    """Return whether there are spaces whose people are counted, and all are silent."""
    counted = [each for kind, each in totals.items() if kind in WITH_PEOPLE]
    return bool(counted) and all(each.silent == each.number for each in counted)


def _page(template: str, **values: Any) -> Response:
    page = _TEMPLATES.get_template(template)
    pieces = page.generate(
        version=__version__, versions=VERSIONS, display=display, chart=chart, link=relative_link(), **values
    )
    return _html("".join(paced(pieces, _WRITTEN)))


def _is_for_people() -> bool:
    """Return whether an error of the request may be a page.

    Programs rarely accept HTML; where they do, as those in Java, they still get a problem from their own paths.
    """
    if request.method == "GET":
        return not request.path.startswith(_FOR_PROGRAMS)
    return request.path.startswith("/spaces/")  # the form on the page of a space


def _html(text: str) -> Response:
    response = Response(text, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    # With `no-referrer` a browser hides the origin of a form too, as if another site had sent the form.
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _conditional(etag: str, content: Callable[[], Response]) -> Response:
    """Answer with JSON, or with 304 if the client has it; the ETag is weak, as times and ages always differ."""
    if request.if_none_match.contains_weak(etag):
        response = Response(status=304)
    elif request.method == "HEAD":
        response = Response(mimetype="application/json")
    else:
        response = content()
    response.set_etag(etag, weak=True)
    return response


def _webhook_url(webhook: WebhookAddress) -> str:
    """Return the address of the webhook as the browser of the page can reach it."""
    host = request.host if re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", request.host) else "localhost"
    if webhook.port is None:
        return f"{request.scheme}://{host}/webhook"
    name = webhook.host or re.sub(r":[0-9]+$", "", host)
    return f"{'https' if webhook.tls else 'http'}://{name}:{webhook.port}/webhook"
