"""The families of zones as text: a zone's lines are kept until something in it changes, and joined at a scrape.

They are kept family by family, so that what did not change costs a scrape nothing but the joining.

They read as prometheus_client would write them, in the text format and in OpenMetrics alike, for both write gauges the
same way. No series outlives its zone or its name, for each scrape is built of the zones that there are. A scrape
reads, in part:

    # HELP butlr_zone_occupancy People in the zone now, deduplicated and corrected.
    # TYPE butlr_zone_occupancy gauge
    butlr_zone_occupancy{building_name="HQ",floor_name="1st Floor",...,zone_name="Desk 01"} 4.0
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import compress
from operator import is_not
from threading import Lock
from typing import TypeVar

from exporter.capacity import Capacity
from exporter.events.model import Measure, Metadata
from exporter.metrics.families import CAPACITY, HELP, INFO, OCCUPANCY, TIMESTAMP, ZONES, label_values
from exporter.metrics.text import head, labelled_parts, number
from exporter.rule.space import Count, Space
from exporter.rule.store import Snapshot

_MEASURED = {
    **{family: (measure, False) for measure, family in OCCUPANCY.items()},
    **{family: (measure, True) for measure, family in TIMESTAMP.items()},
}
"""The measure of a family, and whether it is that of the times."""


_SMALL = {float(people): b" %d.0\n" % people for people in range(1000)}
"""How most counts are written."""

_PIECE = 48 << 10
"""Bytes of the lines that are joined at a time, about: less than what is new memory each time (`heap`)."""

_MOST_SHARED = 4
"""Parts of labels that are kept to be shared for each zone; when there are more, most are of zones that are gone."""

_BILLION = 10**12
"""Seconds, in milliseconds: until 2033 a time has one of them."""

_NEVER = -1.0
"""When a measure was sensed of which a zone has nothing."""

_CUTS = ("room", "zone_id")
"""Labels before the first are of a floor, those before the second mostly of a room, and the rest is the zone's own."""

_NOWHERE = Space("", Metadata(), ())

_Item = TypeVar("_Item")


class _Column:
    """How the lines of one measure end, zone by zone."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.times: list[bytes] = []
        self.sensed = array("d")
        """When, in milliseconds; -1 is never."""
        self.first = _NEVER
        """The first of these."""

    def reorder(self, order: Sequence[int]) -> None:
        """Take over what zones have that were elsewhere before; -1 for one that was not there."""
        self.values = _reordered(self.values, order, b"")
        self.times = _reordered(self.times, order, b"")
        self.sensed = array("d", _reordered(self.sensed, order, _NEVER))


class _Parts:
    """Labels in three parts, of which what zones share is one object for all of them."""

    def __init__(self, before: str, labels: Iterable[str]) -> None:
        """Take what stands before the labels of each zone, and the fields that they are."""
        self._before = before
        self._names = sorted(labels)
        self._values = label_values(self._names)
        self._cuts = [bisect_left(self._names, name) for name in _CUTS]
        self.floors: list[bytes] = []
        self.rooms: list[bytes] = []
        self.owns: list[bytes] = []

    def write(self, at: int, metadata: Metadata, share: Callable[[bytes, bytes], bytes]) -> None:
        """Write those of a zone; `share` returns the object for all."""
        parts = labelled_parts(self._names, self._values(metadata), self._cuts)
        floor, room, self.owns[at] = [part.encode() for part in parts]
        floor = self._before.encode() + floor
        self.floors[at], self.rooms[at] = share(floor, floor), share(room, room)

    def reorder(self, order: Sequence[int]) -> None:
        """Take over what zones have that were elsewhere before; -1 for one that was not there."""
        self.floors = _reordered(self.floors, order, b"")
        self.rooms = _reordered(self.rooms, order, b"")
        self.owns = _reordered(self.owns, order, b"")


class ZoneFamilies:
    """The families of zones. Thread-safe."""

    def __init__(self, labels: Sequence[str], capacity: Callable[[], Capacity]) -> None:
        """Take the metadata fields that label a zone, and what gives the capacity rules as they are."""
        self._names = tuple(labels)
        self._capacity = capacity
        self._rules = capacity()
        self._lock = Lock()
        self._begin()

    def _begin(self) -> None:
        """Begin with nothing that is written."""
        self._spaces: list[Space] = []
        """What is written, in the order of the last scrape; the same object is written already."""
        self._columns: dict[Measure, _Column] = {}
        """Of the measures that there are."""
        self._labels = _Parts("", self._names)
        self._all_names = _Parts(INFO, Metadata._fields)
        self._capacities: list[bytes] = []
        """How their lines end; empty for a zone without one."""
        self._shared: dict[bytes, bytes] = {}
        """The parts of labels that zones have in common."""
        self._named: list[Metadata] = []
        """What they are called as it is written."""

    def render(self, snapshot: Snapshot, names: Container[str] | None = None) -> Iterator[bytes]:
        """Write the families, or only those of some names that have samples, in pieces of some hundred KiB."""
        oldest = max(0.0, float(snapshot.now - snapshot.stale_after)) if snapshot.stale_after > 0 else 0.0
        with self._lock:  # one scrape at a time
            self._write(snapshot.spaces)
            for family, help_text in HELP.items():
                if names is not None and family not in names:
                    continue
                pieces = self._lines(family, oldest)
                first = next(pieces, b"")
                if names is None or first:
                    yield head(family, help_text).encode() + first
                    yield from pieces

    def _lines(self, family: str, oldest: float) -> Iterator[bytes]:
        if family == INFO:
            names = self._all_names
            return _woven(names.floors, names.rooms, names.owns, [b" 1.0\n"] * len(names.owns))
        if family == ZONES:
            fresh = self._fresh(oldest)
            states = (("fresh", fresh), ("stale", len(self._spaces) - fresh))
            return _woven([f'{ZONES}{{state="{state}"}} {number(zones)}\n'.encode() for state, zones in states])
        if family == CAPACITY:
            return self._series(family, self._capacities, self._capacities)
        measure, is_time = _MEASURED[family]
        column = self._columns.get(measure) or _Column()
        ends, least = (column.times, 0.0) if is_time else (column.values, oldest)
        all_shown = column.first >= least
        return self._series(family, ends, None if all_shown else [sensed >= least for sensed in column.sensed])

    def _fresh(self, oldest: float) -> int:
        """Return of how many zones any count was sensed so late."""
        columns = self._columns.values()
        if any(column.first >= oldest for column in columns):
            return len(self._spaces)
        return sum([max(sensed) >= oldest for sensed in zip(*[column.sensed for column in columns], strict=True)])

    def _series(self, family: str, ends: list[bytes], shown: Sequence[object] | None) -> Iterator[bytes]:
        """Write the lines that have these ends, or those of them that are to be shown."""
        if not any(ends):
            return
        columns = [[family.encode()] * len(ends), self._labels.floors, self._labels.rooms, self._labels.owns, ends]
        if shown is not None:
            columns = [list(compress(column, shown)) for column in columns]
        yield from _woven(*columns)

    def _write(self, spaces: list[Space]) -> None:
        """Write what is not written of the spaces as they are now."""
        if self._capacity() is not self._rules:
            self._rules = self._capacity()
            self._begin()
        if len(spaces) != len(self._spaces):
            self._reorder(spaces)
        named, columns = self._named, self._columns
        times: dict[int, bytes] = {}
        """How those are written of which many zones have the same."""
        for at in list(compress(range(len(spaces)), map(is_not, spaces, self._spaces))):
            space = spaces[at]
            counts = space.counts
            if space.metadata is not named[at]:
                self._name(at, space.metadata)
            if len(counts) < len(columns):
                self._uncount(at, counts)
            for count in counts:
                column = columns.get(count.measure)
                if column is None:
                    column = self._add(count.measure)
                    self._uncount(at, counts)
                timestamp = count.timestamp
                column.values[at] = _SMALL.get(count.value) or _end(count.value)
                column.times[at] = times.get(timestamp) or times.setdefault(timestamp, _seconds(timestamp))
                column.sensed[at] = timestamp
        for column in columns.values():
            column.first = min(column.sensed, default=_NEVER)
        self._spaces = spaces

    def _reorder(self, spaces: list[Space]) -> None:
        """Take what is written to where it is now, as zones were forgotten or are new."""
        known = {space.id: at for at, space in enumerate(self._spaces)}
        order = [known.get(space.id, -1) for space in spaces]
        for column in self._columns.values():
            column.reorder(order)
        self._labels.reorder(order)
        self._all_names.reorder(order)
        self._capacities = _reordered(self._capacities, order, b"")
        self._named = _reordered(self._named, order, _NOWHERE.metadata)
        self._spaces = _reordered(self._spaces, order, _NOWHERE)

    def _name(self, at: int, metadata: Metadata) -> None:
        """Write what is the same as long as a zone has these names."""
        if len(self._shared) > _MOST_SHARED * len(self._spaces):  # many are of zones that are gone
            self._shared.clear()
        self._labels.write(at, metadata, self._shared.setdefault)
        self._all_names.write(at, metadata, self._shared.setdefault)
        if self._labels.owns[at] == self._all_names.owns[at]:
            self._labels.owns[at] = self._all_names.owns[at]
        people = self._rules.of(metadata)
        self._capacities[at] = b"" if people is None else _end(people)
        self._named[at] = metadata

    def _uncount(self, at: int, counts: Iterable[Count]) -> None:
        """Write that a zone has nothing of any other measure."""
        measures = {count.measure for count in counts}
        for measure, column in self._columns.items():
            if measure not in measures:
                column.values[at] = column.times[at] = b""
                column.sensed[at] = _NEVER

    def _add(self, measure: Measure) -> _Column:
        column = self._columns[measure] = _Column()
        column.reorder([-1] * len(self._spaces))
        return column


def _woven(*columns: list[bytes]) -> Iterator[bytes]:
    """Join columns, which are equally long, line by line."""
    if not columns[0]:
        return
    together = max(1, _PIECE // sum(len(column[0]) for column in columns))  # no line is much longer
    for first in range(0, len(columns[0]), together):
        last = min(first + together, len(columns[0]))
        lines = [b""] * ((last - first) * len(columns))
        for at, column in enumerate(columns):
            lines[at :: len(columns)] = column[first:last]
        yield b"".join(lines)


def _reordered(kept: Iterable[_Item], order: Sequence[int], nothing: _Item) -> list[_Item]:
    kept = [*kept, nothing]  # which is at -1
    return [kept[at] for at in order]


def _end(value: float) -> bytes:
    """Return how the line of a value ends."""
    return f" {number(value)}\n".encode()


def _seconds(milliseconds: int) -> bytes:
    """Return how the line of a time ends: in seconds as prometheus_client writes them, most of them in one step."""
    if _BILLION <= milliseconds < 2 * _BILLION and milliseconds % 10:
        return b" 1.%012de+09\n" % (milliseconds - _BILLION)
    return _end(milliseconds / 1000)
