"""The spaces as they are listed: filtered, sorted, counted. Without Flask.

A hundred thousand spaces are listed in pieces, so that events are answered in between, and a row is kept until its
space changes.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import compress
from operator import is_not, itemgetter
from threading import Lock
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from exporter.capacity.file import CapacityFile
from exporter.capacity.rules import Capacity
from exporter.events.measures import PEOPLE, Kind, Measure
from exporter.events.model import FIELDS, AnyMetadata
from exporter.events.text import composed
from exporter.pieces import in_pieces, sorted_in_pieces
from exporter.rule.reading import Count
from exporter.rule.space import Space
from exporter.rule.store import Snapshot
from exporter.web.pages import display
from exporter.web.pages.order import by_level, natural

_Item = TypeVar("_Item")

_PIECE = 2000
"""Rows that are passed without a pause."""

_SEARCHED = 300
"""Rows that are searched for words without a pause."""

_NAMES = ("site_name", "building_name", "floor_name", "room_name", "zone_name")
"""The metadata fields that order spaces by their place in a building."""

_PLACE_NAMES: dict[Kind, Callable[[AnyMetadata], tuple[str, ...]]] = {
    kind: itemgetter(*[fields.index(name) for name in _NAMES if name in fields]) for kind, fields in FIELDS.items()
}
"""Return those of these fields that a kind of space can have."""

NOWHERE = display.NONE
"""The key of the spaces of which neither floor, building nor site is known."""


class State(StrEnum):
    """The states by which spaces may be filtered."""

    FRESH = "fresh"
    STALE = "stale"
    CROWDED = "crowded"
    MISSING = "missing"


class Sort(StrEnum):
    """The orders in which spaces may be sorted."""

    PLACE = "place"
    PEOPLE = "people"
    FULL = "full"
    AGE = "age"
    NAME = "name"


class Query(NamedTuple):
    """A search for spaces; by default it finds all of them."""

    words: str = ""
    """Words that the names and ids of a space must contain, in any case."""
    state: State | None = None
    sort: Sort = Sort.PLACE
    page: int | None = None
    """The page, from 1; None returns all pages at once."""
    kind: Kind | None = None
    """The kind of the spaces; None is every kind."""
    floor: str = ""
    """The key of the floor on which the spaces lie; empty is every floor."""


class Row(Struct, frozen=True, gc=False):
    """One space as it is filtered, sorted and listed."""

    space: Space
    shown: Count
    """The first fresh count of the space, plain before smoothed; its first count if none is fresh."""
    stale: bool
    capacity: float | None
    people: float | None
    """The people in the space now; None if the count is stale, or if the space is shown by something else."""
    floor: str
    """The key of the floor on which the space lies: its id, or else its names."""

    @property
    def crowded(self) -> bool:
        """Whether the space has more people than it is meant for."""
        return self.people is not None and self.capacity is not None and self.people > self.capacity


class Totals(NamedTuple):
    """The spaces of all rows, counted."""

    spaces: int
    fresh: int
    stale: int
    crowded: int
    people: float


class Rows:
    """The rows of all spaces of one kind, kept from one listing to the next. Thread-safe."""

    def __init__(self, kind: Kind, capacity: CapacityFile) -> None:
        """Take the capacity of each space from this file."""
        self._kind = kind
        self._capacity = capacity
        self._rules = capacity.current
        """The rules by which the rows have their capacity."""
        self._fresh_since: Mapping[Measure, int] = {}
        """The least time (ms) of sensing of a count of each measure that was fresh at the last listing."""
        self._rows: Sequence[Row | None] = []
        """In the order of the spaces of a snapshot."""
        self._named: list[AnyMetadata] = []
        """The metadata by which the spaces were sorted."""
        self._order: list[int] = []
        """The positions of the rows, sorted by place."""
        self._lock = Lock()

    def by_place(self, snapshot: Snapshot) -> list[Row]:
        """Return the rows of all spaces of the kind in a snapshot, sorted by place."""
        spaces = snapshot.by_kind.get(self._kind, [])
        with self._lock:
            rows = self._update(spaces, snapshot.fresh_since)
            named = [space.metadata for space in spaces]
            if len(named) != len(self._named) or any(map(is_not, named, self._named)):
                self._order = list(sorted_in_pieces(range(len(spaces)), lambda at: _place(spaces[at])))
                self._named = named
            return [rows[at] for at in self._order]

    def _update(self, spaces: Sequence[Space], fresh_since: Mapping[Measure, int]) -> list[Row]:
        """Return the rows of these spaces; a row whose space, capacity and staleness are the same is kept."""
        rules, before = self._capacity.current, self._rows
        # The clock may have been set back.
        if rules is not self._rules or any(fresh_since[each] < since for each, since in self._fresh_since.items()):
            before = [None] * len(spaces)
        elif len(before) != len(spaces):
            known = {row.space.id: row for row in before if row is not None}
            before = [known.get(space.id) for space in spaces]
        rows: list[Row] = []
        for piece in in_pieces(range(len(spaces)), _PIECE):
            span = slice(piece[0], piece[-1] + 1)
            rows += [
                row
                if row is not None and row.space is space and row.stale is is_stale(row.shown, fresh_since)
                else make_row(space, rules, fresh_since)
                for space, row in zip(spaces[span], before[span], strict=True)
            ]
        self._rows, self._rules, self._fresh_since = rows, rules, fresh_since
        return rows


def make_row(space: Space, rules: Capacity, fresh_since: Mapping[Measure, int]) -> Row:
    """Return the row of a space, whose counts are fresh if they were sensed at `fresh_since` (ms) or later."""
    counts = space.counts
    shown = next((count for count in counts if not is_stale(count, fresh_since)), counts[0])
    stale = is_stale(shown, fresh_since)
    people = None if stale or shown.measure.declared.payload not in PEOPLE else shown.value
    return Row(space, shown, stale, rules.of(space.metadata, space.kind), people, _floor_key(space.metadata))


def floor_names(metadata: AnyMetadata) -> tuple[str, str, str]:
    """Return the names of the floor, building and site around a space."""
    return metadata.floor_name, metadata.building_name, metadata.site_name


def _floor_key(metadata: AnyMetadata) -> str:
    return metadata.floor_id or display.place(floor_names(metadata)) or NOWHERE


def is_stale(count: Count, fresh_since: Mapping[Measure, int]) -> bool:
    """Return whether a count is too old to be shown as the present one."""
    return count.timestamp < fresh_since[count.measure]


def totals(rows: Sequence[Row]) -> Totals:
    """Count the spaces of some rows of one kind, and the people in the fresh ones."""
    fresh = crowded = 0
    people = 0.0
    for piece in in_pieces(rows, _PIECE):
        fresh += sum([not row.stale for row in piece])
        crowded += sum([row.crowded for row in piece])
        people += sum([row.people for row in piece if row.people is not None])
    return Totals(len(rows), fresh, len(rows) - fresh, crowded, finite(people))


def all_totals(each: Sequence[Totals], people: float) -> Totals:
    """Return the totals of several kinds, with the people of the building: the kinds are not added up.

    A person in a zone is also in its room and on its floor.
    """
    return Totals(
        spaces=sum(totals.spaces for totals in each),
        fresh=sum(totals.fresh for totals in each),
        stale=sum(totals.stale for totals in each),
        crowded=sum(totals.crowded for totals in each),
        people=people,
    )


def finite(people: float) -> float:
    """Return a sum of people; absurd counts may add up to infinity, which JSON does not have."""
    return min(people, sys.float_info.max)


def rows_inside(rows: Sequence[Row], field: str, value: str) -> list[Row]:
    """Return the rows whose metadata has this value in a field, in their order."""
    return [
        row for piece in in_pieces(rows, _PIECE) for row in piece if getattr(row.space.metadata, field, None) == value
    ]


def stale_counts(rows: Sequence[Row], fresh_since: Mapping[Measure, int]) -> int:
    """Return the number of counts, of all measures, that are too old to be shown."""
    return sum(
        sum([is_stale(count, fresh_since) for row in piece for count in row.space.counts])
        for piece in in_pieces(rows, _PIECE)
    )


def found(rows: Sequence[Row], query: Query) -> Sequence[Row]:
    """Return the rows that a query finds, in their order."""
    if query.state is not None:
        has_state = _HAS_STATE[query.state]
        rows = [row for piece in in_pieces(rows, _PIECE) for row in piece if has_state(row)]
    return with_words(rows, query.words, lambda row: row.space.metadata)


def with_words(items: Sequence[_Item], words: str, metadata_of: Callable[[_Item], AnyMetadata]) -> Sequence[_Item]:
    """Return the items in whose metadata each of some words is found, in their order."""
    # The longest word is the one that most spaces lack.
    wanted = sorted({_searchable(word) for word in words.split()}, key=len, reverse=True)
    if not wanted:
        return items
    kept: list[_Item] = []
    for piece in in_pieces(items, _SEARCHED):
        texts = [_searchable("\n".join(metadata_of(item))) for item in piece]
        kept += compress(piece, [_contains(text, wanted) for text in texts])
    return kept


def in_order(rows: Sequence[Row], sort: Sort) -> Iterable[Row]:
    """Return rows that are sorted by place in another order, equal ones by place."""
    return rows if sort is Sort.PLACE else sorted_in_pieces(rows, _KEYS[sort])


_HAS_STATE: dict[State, Callable[[Row], bool]] = {
    State.FRESH: lambda row: not row.stale,
    State.STALE: lambda row: row.stale,
    State.CROWDED: lambda row: row.crowded,
    State.MISSING: lambda _: False,
}

_KEYS: dict[Sort, Callable[[Row], Any]] = {
    Sort.PEOPLE: lambda row: 1 if row.people is None else -row.people,
    Sort.FULL: lambda row: 1 if row.people is None or not row.capacity else -row.people / row.capacity,
    Sort.AGE: lambda row: row.shown.timestamp,
    Sort.NAME: lambda row: natural(getattr(row.space.metadata, f"{row.space.kind}_name", "")),
}


def _contains(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _searchable(text: str) -> str:
    return composed(text.casefold())


def _place(space: Space) -> tuple[object, ...]:
    return (*place_key(space.kind, space.metadata), space.id)


def place_key(kind: Kind, metadata: AnyMetadata) -> tuple[object, ...]:
    """Return the sort key of a space by where it lies: site, building, floor, room and own name.

    Spaces of unknown places come last.
    """
    site, building, floor, *inner = _PLACE_NAMES[kind](metadata)
    is_nowhere = not (site or building or floor)
    return (is_nowhere, natural(site), natural(building), by_level(floor), *map(natural, inner))
