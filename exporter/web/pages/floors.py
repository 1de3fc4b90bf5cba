"""Floors: the spaces on each of them, and its people. Without Flask.

The number of a floor is Butlr's own count of it; without one, the sum of its zones, and without those of its rooms. It
never adds up several kinds, as a person in a zone is also in its room and on its floor.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

from exporter.events.measures import Kind, Payload
from exporter.events.model import AnyMetadata
from exporter.pieces import in_pieces
from exporter.rule.traffic import Crossed
from exporter.web.pages import display
from exporter.web.pages.rows import NOWHERE, Row, finite, floor_names

_PIECE = 1000
"""Rows that are counted without a pause."""

_COUNTED = (Kind.FLOOR, Kind.ZONE, Kind.ROOM)
"""The kinds of spaces whose people are those of a floor: the first one that has a present count."""


class Tally:
    """The spaces of one kind in one place, counted."""

    __slots__ = ("counted", "entered", "first", "in_use", "left", "newest", "number", "over", "people", "silent")

    def __init__(self, first: Row) -> None:
        """Begin with no space; `first` will be the first."""
        self.first = first
        self.number = 0
        self.silent = 0
        """Spaces without present data."""
        self.over = 0
        """Spaces over capacity."""
        self.in_use = 0
        """Spaces with somebody in them."""
        self.counted = 0
        """Spaces with a present count of people."""
        self.people = 0.0
        self.entered = 0.0
        """People who came in through entryways, counted in all."""
        self.left = 0.0
        """People who went out."""
        self.newest = 0
        """Time (ms) of the newest reading of the silent spaces."""

    def add(self, row: Row) -> None:
        """Count one space more."""
        self.number += 1
        shown, people = row.shown, row.people
        if row.stale:
            self.silent += 1
            self.newest = max(self.newest, shown.timestamp)
        elif people is None:
            self.in_use += shown.value > 0 and shown.measure.declared.payload is not Payload.CROSSINGS
            for count in row.space.counts:
                if isinstance(count, Crossed):
                    self.entered += count.value
                    self.left += count.left
        else:
            self.counted += 1
            if people:
                self.in_use += 1
                self.people += people
                self.over += row.crowded


class People(NamedTuple):
    """The people of a floor or building."""

    number: float
    source: Kind
    """The kind of the spaces that were counted."""


class Floor(NamedTuple):
    """One floor, or the spaces of which no floor is known."""

    key: str
    metadata: AnyMetadata
    """The metadata of the floor itself, or else of the first space on it."""
    tallies: Mapping[Kind, Tally]
    """Each kind that has a space there."""

    @property
    def people(self) -> People | None:
        """The people on the floor; None without a present count."""
        for kind in _COUNTED:
            if (tally := self.tallies.get(kind)) and tally.counted:
                return People(finite(tally.people), kind)
        return None

    @property
    def itself(self) -> Row | None:
        """The floor as a space, if Butlr counts its people."""
        tally = self.tallies.get(Kind.FLOOR)
        return tally.first if tally else None

    @property
    def building(self) -> str:
        """The key of the building: its id, or else its names."""
        return self.metadata.building_id or display.place(floor_names(self.metadata)[1:]) or NOWHERE


class Building(NamedTuple):
    """The floors of one building."""

    tally: Tally
    people: People | None


class KindTotals(NamedTuple):
    """The spaces of one kind, counted."""

    number: int
    over: int
    """Over capacity."""
    silent: int
    entered: float
    left: float


class Floors:
    """All floors at one instant."""

    def __init__(self, rows: Mapping[Kind, Sequence[Row]]) -> None:
        """Count the rows of each kind, each floor by itself."""
        # A space may lack the id of its floor; the names around it are then enough.
        self._ids = {display.place(floor_names(row.space.metadata)): row.floor for row in rows.get(Kind.FLOOR, ())}
        tallies = {kind: self._tallies(rows[kind]) for kind in (*_COUNTED, Kind.SENSOR) if kind in rows}
        keys = [*dict.fromkeys(key for each in tallies.values() for key in each)]
        self._by_key: dict[str, Floor] = {}
        for piece in in_pieces(keys, _PIECE):
            for key in piece:
                self._by_key[key] = _floor(key, {kind: each[key] for kind, each in tallies.items() if key in each})

    def __getitem__(self, key: str) -> Floor:
        """Return a floor."""
        return self._by_key[key]

    def of(self, row: Row) -> Floor:
        """Return the floor on which a space lies."""
        return self._by_key[self._key_of(row)]

    def on(self, rows: Sequence[Row], key: str) -> list[Row]:
        """Return those of some rows that lie on a floor."""
        return [row for piece in in_pieces(rows, _PIECE) for row in piece if self._key_of(row) == key]

    def keys(self, rows: Sequence[Row]) -> list[str]:
        """Return the keys of the floors of some rows, in their order."""
        keys: dict[str, None] = {}
        for piece in in_pieces(rows, _PIECE):
            keys |= dict.fromkeys([row.floor for row in piece])
        return [*dict.fromkeys(self._ids.get(key, key) for key in keys)]

    def grouped(self, rows: Sequence[Row]) -> dict[str, list[Row]]:
        """Return the rows of a page by the key of their floor."""
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(self._key_of(row), []).append(row)
        return groups

    def buildings(self) -> dict[str, Building]:
        """Return each building with a floor that Butlr counts."""
        tallies: dict[str, Tally] = {}
        numbers: defaultdict[str, float] = defaultdict(float)
        for floor in self._each():
            key = floor.building
            if people := floor.people:
                numbers[key] += people.number
            if floor.itself:
                tallies.setdefault(key, Tally(floor.itself)).add(floor.itself)
        return {
            key: Building(tally, People(finite(numbers[key]), Kind.FLOOR) if tally.counted else None)
            for key, tally in tallies.items()
        }

    def people(self) -> float:
        """Return the people on all floors."""
        return finite(sum(people.number for floor in self._each() if (people := floor.people)))

    def totals(self, kind: Kind) -> KindTotals:
        """Return the spaces of a kind, counted."""
        tallies = [floor.tallies[kind] for floor in self._each() if kind in floor.tallies]
        return KindTotals(
            number=sum(tally.number for tally in tallies),
            over=sum(tally.over for tally in tallies),
            silent=sum(tally.silent for tally in tallies),
            entered=sum(tally.entered for tally in tallies),
            left=sum(tally.left for tally in tallies),
        )

    def sources(self) -> Counter[Kind]:
        """Return the number of floors with people by the kind of the spaces that were counted."""
        return Counter(people.source for floor in self._each() if (people := floor.people))

    def _each(self) -> Iterator[Floor]:
        """Return each floor, in pieces between which other threads run."""
        return chain.from_iterable(in_pieces([*self._by_key.values()], _PIECE))

    def _key_of(self, row: Row) -> str:
        return self._ids.get(row.floor, row.floor)

    def _tallies(self, rows: Sequence[Row]) -> dict[str, Tally]:
        tallies: dict[str, Tally] = {}
        for piece in in_pieces(rows, _PIECE):
            for row in piece:
                key = self._key_of(row)
                if (tally := tallies.get(key)) is None:
                    tally = tallies[key] = Tally(row)
                tally.add(row)
        return tallies


def _floor(key: str, tallies: Mapping[Kind, Tally]) -> Floor:
    return Floor(key, next(iter(tallies.values())).first.space.metadata, tallies)
