"""A capacity file from the capacities that Butlr has: a rule for each floor, room and zone, by its id."""

import json
import re
from collections.abc import Sequence

from exporter.butlr.assets import Place
from exporter.capacity.parse import MAX_CHARACTERS
from exporter.cli.cloud.display import plain
from exporter.events.measures import Kind

MARK = "# Written by butlr-exporter assets"
"""The beginning of the first line: a file without it is not overwritten."""

_PLAIN_ID = re.compile("[a-z]+_[A-Za-z0-9]+")
"""Ids that YAML reads as they are."""


class TooManyRules(ValueError):  # noqa: N818 - the name reads as what happened
    """More rules than a capacity file may have; the text is for people."""


def lines(places: Sequence[Place]) -> list[str]:
    """Return the lines of a capacity file. Raises TooManyRules."""
    head = f"{MARK} from the capacities in Butlr; the next run writes it anew, so keep your own rules elsewhere.\n"
    rules = [(_rule(place, place.capacity), _comment(place)) for place in places if place.capacity is not None]
    found = [(rule, comment) for rule, comment in rules if rule]
    if not found:
        return [head, "capacity: []\n"]
    for with_names in (True, False):
        written = [f"  - {rule}  # {comment}\n" if with_names else f"  - {rule}\n" for rule, comment in found]
        if len(head) + sum(map(len, written)) < MAX_CHARACTERS - 100:
            return [head, "capacity:\n", *written]
    raise TooManyRules(
        f"{len(found):,} floors, rooms and zones have a capacity, more than a capacity file may hold "
        f"({MAX_CHARACTERS:,} characters); assets --json has all of them"
    )


def _rule(place: Place, people: float | None) -> str:
    """Return the rule of a place; empty if it is no space."""
    kind = place.level.kind
    if kind is None or people is None:
        return ""
    text = f"{int(people)}" if people.is_integer() else f"{people!r}"
    own_kind = "" if kind is Kind.ZONE else f"kind: {kind}, "
    return f"{{{own_kind}{kind.id_field}: {_pattern(place.id)}, max: {text}}}"


def _pattern(space_id: str) -> str:
    """Return a pattern that matches this id alone, as YAML."""
    if _PLAIN_ID.fullmatch(space_id):
        return space_id
    return json.dumps(re.sub(r"[*?\[]", r"[\g<0>]", space_id))


def _comment(place: Place) -> str:
    """Return the names of a place, from the narrowest to the widest."""
    metadata = place.metadata
    names = (metadata.zone_name, metadata.room_name, metadata.floor_name, metadata.building_name, metadata.site_name)
    return plain(", ".join(filter(None, names)))
