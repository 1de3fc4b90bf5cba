"""The views that forget a space: for programs, and for the form on the page of a space."""

import logging
from collections.abc import Callable

from flask import Blueprint, Response, request

from exporter.events.measures import Kind
from exporter.journal.interface import JournalError
from exporter.rule.space import Forgotten
from exporter.web.answers import not_written
from exporter.web.links import relative_link
from exporter.web.problems import UNKNOWN_SPACE, unlogged

log = logging.getLogger(__name__)


def add(blueprint: Blueprint, forget: Callable[[Forgotten], bool]) -> None:
    """Add the views to the blueprint of the readers.

    `forget` returns whether the space was known. Raises JournalError where the journal cannot be written.
    """

    def answer(space: Forgotten, forgotten: Response) -> Response:
        try:
            is_known = forget(space)
        except JournalError:  # the journal logs the outage once
            refusal = not_written()
            return Response(refusal.body, refusal.status, refusal.headers)
        if not is_known:
            return unlogged(404, UNKNOWN_SPACE.format(kind=space.kind))
        log.info(
            f"{space.kind} forgotten on request", {space.kind.id_field: space.space_id, "client": request.remote_addr}
        )
        return forgotten

    @blueprint.delete("/api/v1/spaces/<kind:kind>/<id:space_id>")
    def forget_space(kind: Kind, space_id: str) -> Response:
        return answer(Forgotten(kind, space_id), _without_body(204))

    @blueprint.post("/spaces/<kind:kind>/<id:space_id>")
    def forget_from_page(kind: Kind, space_id: str) -> Response:
        forgotten = _without_body(303)
        forgotten.location = relative_link()("page", kind=kind)
        return answer(Forgotten(kind, space_id), forgotten)


def _without_body(status: int) -> Response:
    response = Response(status=status)
    del response.headers["Content-Type"]
    return response
