"""The families of zones as text: a zone's lines are kept until something in it changes, and joined at a scrape.

They read as prometheus_client would write them, in the text format and in OpenMetrics alike, for both write gauges the
same way. No series outlives its zone or its name, for each scrape is built of the zones that there are. A scrape
reads, in part:

    # HELP butlr_zone_occupancy People in the zone now, deduplicated and corrected.
    # TYPE butlr_zone_occupancy gauge
    butlr_zone_occupancy{building_name="HQ",floor_name="1st Floor",...,zone_name="Desk 01"} 4.0
"""

import math
from collections.abc import Callable, Container, Sequence
from operator import attrgetter
from threading import Lock
from typing import Any, NamedTuple

from exporter.capacity import Capacity
from exporter.events import Measure, Metadata
from exporter.exposition import head, labelled, number
from exporter.occupancy import Snapshot, Space

OCCUPANCY = {
    Measure.ZONE_OCCUPANCY: "butlr_zone_occupancy",
    Measure.ZONE_OCCUPANCY_1MIN: "butlr_zone_occupancy_1min",
}
"""The family of each measure."""

TIMESTAMP = {measure: f"{family}_timestamp_seconds" for measure, family in OCCUPANCY.items()}
"""The family of the times at which these were sensed."""

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


_SMALL = {float(people): b"%d.0\n" % people for people in range(1000)}
"""How most counts are written."""

_TOGETHER = 64
"""Zones whose names are written, and kept, in one piece."""


class _Lines(NamedTuple):
    """What is written of one measure of a zone."""

    timestamp: float
    value: bytes
    time: bytes


_NO_LINES = _Lines(-math.inf, b"", b"")


class _Row(NamedTuple):
    """What is written of a zone as long as it is the same object; an empty line is none."""

    space: Space
    newest: float
    """When its newest count was sensed."""
    capacity: bytes
    plain: _Lines
    smoothed: _Lines


_NO_ROW = _Row(Space("", Metadata(), ()), -math.inf, b"", _NO_LINES, _NO_LINES)

_new: Any = tuple.__new__
"""Makes a row or lines in a third of the time that their own constructors take."""


class ZoneFamilies:
    """The families of zones. Thread-safe."""

    def __init__(self, labels: Sequence[str], capacity: Callable[[], Capacity]) -> None:
        """Take the metadata fields that label a zone, and what gives the capacity rules as they are."""
        self._labels = tuple(labels)
        self._values = label_values(labels)
        self._capacity = capacity
        self._rules = capacity()
        self._kept: dict[str, _Row] = {}
        self._infos: list[tuple[list[Metadata], bytes]] = []
        self._lock = Lock()

    def render(self, snapshot: Snapshot, names: Container[str] | None = None) -> bytes:
        """Write the families, or only those of some names that have samples."""
        with self._lock:  # one scrape at a time
            rows = self._rows(snapshot)
            infos = self._info(snapshot)
        oldest = snapshot.now - snapshot.stale_after if snapshot.stale_after > 0 else -math.inf
        fresh = sum([row.newest >= oldest for row in rows])
        plain, smoothed = [row.plain for row in rows], [row.smoothed for row in rows]
        # Column by column, as a loop over a hundred thousand zones is too slow for anything more.
        lines: dict[str, list[bytes]] = {
            OCCUPANCY[Measure.ZONE_OCCUPANCY]: [each[1] for each in plain if each[0] >= oldest],
            OCCUPANCY[Measure.ZONE_OCCUPANCY_1MIN]: [each[1] for each in smoothed if each[0] >= oldest],
            TIMESTAMP[Measure.ZONE_OCCUPANCY]: [each[2] for each in plain],
            TIMESTAMP[Measure.ZONE_OCCUPANCY_1MIN]: [each[2] for each in smoothed if each is not _NO_LINES],
            INFO: infos,
            CAPACITY: [row.capacity for row in rows if row.capacity],
            ZONES: [
                f'{ZONES}{{state="{state}"}} {number(known)}\n'.encode()
                for state, known in (("fresh", fresh), ("stale", len(rows) - fresh))
            ],
        }
        written: list[bytes] = []
        for family, help_text in HELP.items():
            if names is None or (family in names and any(lines[family])):
                written.append(head(family, help_text).encode())
                written += lines[family]
        return b"".join(written)

    def _info(self, snapshot: Snapshot) -> list[bytes]:
        """Return the lines with every id and name: they are long, change hardly ever, and are kept in few pieces."""
        every = [space.metadata for space in snapshot.spaces]
        known = iter(self._infos)
        self._infos = []
        for first in range(0, len(every), _TOGETHER):
            metadata = every[first : first + _TOGETHER]
            before, text = next(known, (None, b""))
            if metadata != before:
                text = "".join(f"{INFO}{labelled(Metadata._fields, each)} 1.0\n" for each in metadata).encode()
            self._infos.append((metadata, text))
        return [text for _, text in self._infos]

    def _rows(self, snapshot: Snapshot) -> list[_Row]:
        if self._capacity() is not self._rules:
            self._rules = self._capacity()
            self._kept = {}
        kept, make = self._kept, self._row
        known = kept.get
        rows = [
            row if (row := known(space.id, _NO_ROW)).space is space else make(space, row) for space in snapshot.spaces
        ]
        if len(kept) > len(rows):  # some are forgotten
            self._kept = {row.space.id: row for row in rows}
        return rows

    def _row(self, space: Space, before: _Row) -> _Row:
        """Write a zone; it was written so before, and where its names are the same, its lines begin in the same way."""
        space_id, metadata, counts = space
        labels = ""
        if metadata is before[0].metadata:
            capacity = before[2]
        else:
            before = _NO_ROW
            labels = labelled(self._labels, self._values(metadata))
            people = self._rules.of(metadata)
            capacity = b"" if people is None else f"{CAPACITY}{labels} {number(people)}\n".encode()
        newest = -math.inf
        plain = smoothed = _NO_LINES
        for measure, timestamp, value in counts:
            is_plain = measure is Measure.ZONE_OCCUPANCY
            _, value_line, time_line = before[3] if is_plain else before[4]
            if value_line:
                value_begins, time_begins = value_line.rpartition(b" ")[0], time_line.rpartition(b" ")[0]
            else:
                labels = labels or labelled(self._labels, self._values(metadata))
                value_begins = f"{OCCUPANCY[measure]}{labels}".encode()
                time_begins = f"{TIMESTAMP[measure]}{labels}".encode()
            lines = _new(
                _Lines,
                (
                    timestamp,
                    b"%b %b" % (value_begins, _SMALL.get(value) or number(value).encode() + b"\n"),
                    b"%b %b\n" % (time_begins, _seconds(timestamp)),
                ),
            )
            if is_plain:
                plain = lines
            else:
                smoothed = lines
            if timestamp > newest:
                newest = timestamp
        row: _Row = _new(_Row, (space, newest, capacity, plain, smoothed))
        self._kept[space_id] = row
        return row


def _seconds(milliseconds: int) -> bytes:
    """Return a time in seconds as prometheus_client writes it, from the digits of the milliseconds."""
    digits = b"%d" % milliseconds
    if len(digits) != 13:  # before 2001 or after 2286
        return number(milliseconds / 1000).encode()
    return b"%b.%be+09" % (digits[:1], digits[1:].rstrip(b"0")) if digits[1:].strip(b"0") else digits[:1] + b"e+09"


def label_values(labels: Sequence[str]) -> Callable[[Metadata], tuple[str, ...]]:
    """Return what gives the values of these labels, each a field of the metadata."""
    if len(labels) > 1:
        return attrgetter(*labels)
    (label,) = labels
    return lambda metadata: (getattr(metadata, label),)
