"""The settled readings of series that may have changed since they were read last. Pure, like the rest of the rule.

For each series stands in an array until when its settled readings stay as they were read last, so a reader finds the
others without a look at the series, of which most are in no cache of the processor. An event that may change settled
readings earlier sets this time to 0.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import NamedTuple

from exporter.events.measures import Cadence, Kind, Measure, measures_of
from exporter.events.model import AnyMetadata
from exporter.rule.limits import Limits
from exporter.rule.reading import NO_READING, Point, PointColumns, key, points_of, timestamps_of
from exporter.rule.series import FOREVER, Series
from exporter.rule.space import Space, SpaceSeries

_NEVER = key(FOREVER)


class Settled(NamedTuple):
    """The newest settled readings of one measure of a space."""

    metadata: AnyMetadata
    """The present metadata of the space."""
    measure: Measure
    points: list[Point]
    """At least one, oldest first."""


class SettledChanges(NamedTuple):
    """The newest settled readings of one measure of some spaces, where they may have changed since they were read last.

    All columns are of equal length.
    """

    measure: Measure
    positions: Sequence[int]
    """The position of each space among those of its kind."""
    columns: Sequence[PointColumns]
    """One for each point of a space, the newest last. A reading that is not settled, or not in the window, is none."""


class Settlement(NamedTuple):
    """The changes of settled readings since the last `Settlement`, to be read once and to the end."""

    by_kind: Mapping[Kind, list[Space]] | None
    """Every space at one instant; None if their positions, names and measures are those of the last `Settlement`."""
    points: int
    """Settled readings of each measure at most."""
    changes: Iterator[SettledChanges]


class SettledSpan(NamedTuple):
    """The readings that are settled at one time, and not out of the window by then; at most `points` of each series."""

    oldest: int
    """The oldest timestamp in the window."""
    unsettled: bytes
    """The key of the oldest timestamp that is not settled yet."""
    points: int
    window: int
    settle_after: int


def settled_span(now: int, points: int, limits: Limits) -> SettledSpan:
    """Return the span of the readings that are settled at `now`, milliseconds since the epoch."""
    window, settle_after = limits.window, limits.settle_after
    return SettledSpan(max(now - window, 0) + 1, key(max(now - settle_after, -1) + 1), points, window, settle_after)


class SettlingSeries:
    """All series of one measure whose readings settle, in columns."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self._positions = array("l")
        """The position of each space among those of its kind."""
        self._readings: list[list[bytes]] = []
        """The readings of each series, oldest first: to look at the series itself as well would cost a quarter more."""
        self._due = array("q")
        """The time (ms) until which the settled readings of each series stay as they were read last."""
        self._ends = array("l")
        """The number of settled readings of each series when they were read last."""

    def add(self, position: int, series: Series) -> None:
        """Add a series of the space at this position; no event must be applied meanwhile."""
        self._due.append(series.due[series.at])
        series.due, series.at = self._due, len(self._readings)
        self._positions.append(position)
        self._readings.append(series.readings)
        self._ends.append(0)

    def batches(self, now: int | None, number: int) -> Iterator[Sequence[int]]:
        """Return the places of the series that are due at `now` (ms), or of all; in batches of `number` at most."""
        every = range(len(self._readings))
        places = every if now is None else [at for at, due in enumerate(self._due) if due <= now]
        for first in range(0, len(places), number):
            yield places[first : first + number]

    def read(self, places: Sequence[int], span: SettledSpan) -> SettledChanges:
        """Read the newest settled readings of the series at these places, and note how long they stay so.

        Readings older than the window, counted from now, are left out: those of a silent space disappear. Each step
        takes all series, as a call for each would take as long as the reading. No event must be applied meanwhile.
        """
        readings = [self._readings[at] for at in places]
        ends = [_end(packed, span.unsettled, self._ends[at]) for packed, at in zip(readings, places, strict=True)]
        columns = [_points(readings, ends, back, span.oldest) for back in range(span.points, 0, -1)]
        unsettled = [packed[end] if end < len(packed) else _NEVER for packed, end in zip(readings, ends, strict=True)]
        due: Sequence[int] = [timestamp + span.settle_after for timestamp in timestamps_of(unsettled)]
        shown = filter(None, chain.from_iterable(column.timestamps for column in columns))
        if min(shown, default=FOREVER) + span.window < max(due, default=0):
            due = [*map(min, due, _leaving(columns, span.window))]
        for at, until, end in zip(places, due, ends, strict=True):
            self._due[at], self._ends[at] = until, end
        return SettledChanges(self.measure, [self._positions[at] for at in places], columns)


def settling_series(kind: Kind, spaces: Sequence[SpaceSeries], lock: Lock, number: int) -> list[SettlingSeries]:
    """Return all series of the spaces of a kind whose readings settle: those of measures that are sent every minute.

    They are taken in batches of `number` spaces, each while holding the lock.
    """
    every = {each: SettlingSeries(each) for each in measures_of(kind) if each.declared.cadence is Cadence.MINUTE}
    for first in range(0, len(spaces), number):
        with lock:
            for position, space in enumerate(spaces[first : first + number], first):
                for series in space.series:
                    if isinstance(series, Series) and series.measure in every:
                        every[series.measure].add(position, series)
    return [*every.values()]


def _end(readings: Sequence[bytes], unsettled: bytes, last: int) -> int:
    """Return the position behind the settled readings, which mostly is where it was last, or one further.

    The readings on both sides of the position are needed anyway; to look at others costs as much as all else here, as
    they are in no cache of the processor.
    """
    first = last - 1 if last else 0
    behind = last + 2 if last + 2 < len(readings) else len(readings)
    end = bisect_left(readings, unsettled, first, behind)
    return end if first < end < behind else bisect_left(readings, unsettled)


def _points(readings: Sequence[Sequence[bytes]], ends: Sequence[int], back: int, oldest: int) -> PointColumns:
    """Return the point of each series that is so many readings before its end, if it is not older than `oldest`."""
    timestamps, values = points_of(
        [packed[end - back] if end >= back else NO_READING for packed, end in zip(readings, ends, strict=True)]
    )
    if min(timestamps, default=oldest) < oldest:
        values = [v if t >= oldest else 0.0 for t, v in zip(timestamps, values, strict=True)]
        timestamps = [t if t >= oldest else 0 for t in timestamps]
    return PointColumns(timestamps, values)


def _leaving(columns: Sequence[PointColumns], window: int) -> list[int]:
    """Return the time (ms) at which the oldest point of each series leaves the window; after FOREVER without one."""
    oldest = [FOREVER] * len(columns[0].timestamps)
    for column in reversed(columns):
        oldest = [timestamp or newer for timestamp, newer in zip(column.timestamps, oldest, strict=True)]
    return [timestamp + window for timestamp in oldest]
