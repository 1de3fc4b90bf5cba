"""The families of zones as text: a zone's lines are kept until something in it changes, and joined at a scrape.

They are kept family by family, so that what did not change costs a scrape nothing but the joining.

They read as prometheus_client would write them, in the text format and in OpenMetrics alike, for both write gauges the
same way. No series outlives its zone or its name, for each scrape is built of the zones that there are. A scrape
reads, in part:

    # HELP butlr_zone_occupancy People in the zone now, deduplicated and corrected.
    # TYPE butlr_zone_occupancy gauge
    butlr_zone_occupancy{building_name="HQ",floor_name="1st Floor",...,zone_name="Desk 01"} 4.0
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from itertools import compress
from operator import attrgetter, is_
from threading import Lock
from typing import TypeVar

from exporter.capacity import Capacity
from exporter.events import Measure, Metadata
from exporter.exposition import head, labelled, number
from exporter.occupancy import Count, Snapshot, Space

OCCUPANCY = {
    Measure.ZONE_OCCUPANCY: "butlr_zone_occupancy",
    Measure.ZONE_OCCUPANCY_1MIN: "butlr_zone_occupancy_1min",
}
"""The family of each measure."""

TIMESTAMP = {measure: f"{family}_timestamp_seconds" for measure, family in OCCUPANCY.items()}
"""The family of the times at which these were sensed."""

_MEASURED = {
    **{family: (measure, False) for measure, family in OCCUPANCY.items()},
    **{family: (measure, True) for measure, family in TIMESTAMP.items()},
}
"""The measure of a family, and whether it is that of the times."""

INFO = "butlr_zone_info"

CAPACITY = "butlr_zone_capacity"

ZONES = "butlr_exporter_zones"

HELP = {
    OCCUPANCY[Measure.ZONE_OCCUPANCY]: "People in the zone now, deduplicated and corrected.",
    OCCUPANCY[Measure.ZONE_OCCUPANCY_1MIN]: "People in the zone now, smoothed by Butlr over a minute.",
    **{
        TIMESTAMP[measure]: f"When the reading of {family} was sensed, also while it is stale."
        for measure, family in OCCUPANCY.items()
    },
    INFO: "Every id and name Butlr gives for the zone; always 1.",
    CAPACITY: "People the zone is meant for, from the capacity file.",
    ZONES: "Zones known, by whether they are silent.",
}
"""Every family of zones, in the order in which they are written, with its help."""


_SMALL = {float(people): b" %d.0\n" % people for people in range(1000)}
"""How most counts are written."""

_PIECE = 1000
"""Lines that are joined at a time. All of a family would be new memory at each scrape, which costs more than joins."""

_NEVER = -1.0
"""When a measure was sensed of which a zone has nothing."""

_OWN = Metadata._fields.index("zone_id")
"""The names from here on are a zone's own; those before are of its place, and as labels they come before as well."""

_NOWHERE = Space("", Metadata(), ())

_Item = TypeVar("_Item")


class _Column:
    """How the lines of one measure end, zone by zone."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.times: list[bytes] = []
        self.sensed: list[float] = []
        """When, in milliseconds."""

    def reorder(self, order: Sequence[int]) -> None:
        """Take over what zones have that were elsewhere before; -1 for one that was not there."""
        self.values = _reordered(self.values, order, b"")
        self.times = _reordered(self.times, order, b"")
        self.sensed = _reordered(self.sensed, order, _NEVER)


class ZoneFamilies:
    """The families of zones. Thread-safe."""

    def __init__(self, labels: Sequence[str], capacity: Callable[[], Capacity]) -> None:
        """Take the metadata fields that label a zone, and what gives the capacity rules as they are."""
        self._labels = tuple(labels)
        self._values = label_values(labels)
        self._capacity = capacity
        self._rules = capacity()
        self._lock = Lock()
        self._begin()

    def _begin(self) -> None:
        """Begin with nothing that is written."""
        self._spaces: list[Space] = []
        """What is written, in the order of the last scrape; the same object is written already."""
        self._columns = {measure: _Column() for measure in Measure}
        self._labelled: list[bytes] = []
        """The labels of each zone."""
        self._capacities: list[bytes] = []
        """How their lines end; empty for a zone without one."""
        self._places: list[bytes] = []
        """How the lines with every name begin: the same object for all zones of a place."""
        self._infos: list[bytes] = []
        """And how they end."""
        self._known: dict[bytes, bytes] = {}
        """The former, each once."""
        self._newest: list[float] = []
        """When each was sensed last."""

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
            return _woven(self._places, self._infos)
        if family == ZONES:
            fresh = len(self._newest)
            if min(self._newest, default=oldest) < oldest:
                fresh = sum([newest >= oldest for newest in self._newest])
            states = (("fresh", fresh), ("stale", len(self._newest) - fresh))
            return _woven([f'{ZONES}{{state="{state}"}} {number(known)}\n'.encode() for state, known in states])
        if family == CAPACITY:
            return self._series(family, self._capacities, self._capacities)
        measure, is_time = _MEASURED[family]
        column = self._columns[measure]
        ends, least = (column.times, 0.0) if is_time else (column.values, oldest)
        all_shown = min(column.sensed, default=least) >= least
        return self._series(family, ends, None if all_shown else [sensed >= least for sensed in column.sensed])

    def _series(self, family: str, ends: list[bytes], shown: Sequence[object] | None) -> Iterator[bytes]:
        """Write the lines that have these ends, or those of them that are to be shown."""
        labels = self._labelled
        if not any(ends):
            return
        if shown is not None:
            labels, ends = list(compress(labels, shown)), list(compress(ends, shown))
        yield from _woven([family.encode()] * len(labels), labels, ends)

    def _write(self, spaces: list[Space]) -> None:
        """Write what is not written of the spaces as they are now."""
        if self._capacity() is not self._rules:
            self._rules = self._capacity()
            self._begin()
        if len(spaces) != len(self._spaces):
            self._reorder(spaces)
        for at in [at for at, same in enumerate(map(is_, spaces, self._spaces)) if not same]:
            space, before = spaces[at], self._spaces[at]
            if space[1] is not before[1] or [count[0] for count in space[2]] != [count[0] for count in before[2]]:
                self._name(at, space.metadata)
            self._count(at, space.counts)
        self._spaces = spaces

    def _reorder(self, spaces: list[Space]) -> None:
        """Take what is written to where it is now, as zones were forgotten or are new."""
        known = {space.id: at for at, space in enumerate(self._spaces)}
        order = [known.get(space.id, -1) for space in spaces]
        for column in self._columns.values():
            column.reorder(order)
        self._labelled = _reordered(self._labelled, order, b"")
        self._capacities = _reordered(self._capacities, order, b"")
        self._newest = _reordered(self._newest, order, _NEVER)
        self._places = _reordered(self._places, order, b"")
        self._infos = _reordered(self._infos, order, b"")
        self._spaces = _reordered(self._spaces, order, _NOWHERE)

    def _name(self, at: int, metadata: Metadata) -> None:
        """Write what is the same as long as a zone has these names."""
        self._labelled[at] = labelled(self._labels, self._values(metadata)).encode()
        self._places[at] = self._place(metadata[:_OWN])
        self._infos[at] = f",{labelled(Metadata._fields[_OWN:], metadata[_OWN:])[1:]} 1.0\n".encode()
        people = self._rules.of(metadata)
        self._capacities[at] = b"" if people is None else _end(people)
        for column in self._columns.values():
            column.values[at] = column.times[at] = b""
            column.sensed[at] = _NEVER

    def _place(self, names: Sequence[str]) -> bytes:
        """Return how the line with every name begins, one object for all zones of a place."""
        place = f"{INFO}{labelled(Metadata._fields[:_OWN], names)[:-1]}".encode()
        if len(self._known) > len(self._spaces):  # many are of zones that are gone
            self._known.clear()
        return self._known.setdefault(place, place)

    def _count(self, at: int, counts: Iterable[Count]) -> None:
        """Write the counts of a zone."""
        newest = _NEVER
        for measure, timestamp, value in counts:
            column = self._columns[measure]
            column.values[at] = _SMALL.get(value) or _end(value)
            column.times[at] = _seconds(timestamp)
            column.sensed[at] = timestamp
            if timestamp > newest:
                newest = timestamp
        self._newest[at] = newest


def _woven(*columns: list[bytes]) -> Iterator[bytes]:
    """Join columns, which are equally long, line by line."""
    for first in range(0, len(columns[0]), _PIECE):
        last = min(first + _PIECE, len(columns[0]))
        lines = [b""] * ((last - first) * len(columns))
        for at, column in enumerate(columns):
            lines[at :: len(columns)] = column[first:last]
        yield b"".join(lines)


def _reordered(kept: list[_Item], order: Sequence[int], nothing: _Item) -> list[_Item]:
    kept = [*kept, nothing]  # which is at -1
    return [kept[at] for at in order]


def _end(value: float) -> bytes:
    """Return how the line of a value ends."""
    return f" {number(value)}\n".encode()


def _seconds(milliseconds: int) -> bytes:
    """Return how the line of a time ends: in seconds as prometheus_client writes them, from the digits."""
    digits = b"%d" % milliseconds
    rest = digits[1:].rstrip(b"0")
    if len(digits) != 13 or not rest:  # before 2001 or after 2286, or a number that is round as can be
        return _end(milliseconds / 1000)
    return b" " + digits[:1] + b"." + rest + b"e+09\n"


def label_values(labels: Sequence[str]) -> Callable[[Metadata], tuple[str, ...]]:
    """Return what gives the values of these labels, each a field of the metadata."""
    if len(labels) > 1:
        return attrgetter(*labels)
    (label,) = labels
    return lambda metadata: (getattr(metadata, label),)
