"""The readings of the simulated building, as far as they were computed at a time; times are milliseconds."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from exporter.simulate.world.sensing import COMPUTATIONS, SensedReading

_MAX_KEPT = 4000
"""Readings of one space that are at least kept: those of the last two and a half days, in real time."""


class _Kept(NamedTuple):
    """The readings of one space, by time."""

    timestamps_ms: list[int]
    readings: list[tuple[int, SensedReading]]
    """Each with the time of its first computation."""


class Readings:
    """All readings, to which Butlr's Reporting API has the values."""

    def __init__(self, interval_ms: int) -> None:
        """Take the time from one computation of a reading to the next."""
        self.interval_ms = interval_ms
        self._by_space: defaultdict[str, _Kept] = defaultdict(lambda: _Kept([], []))

    def add(self, space_id: str, computed_ms: int, reading: SensedReading) -> None:
        """Keep a reading that is computed for the first time."""
        kept = self._by_space[space_id]
        kept.timestamps_ms.append(reading.timestamp_ms)
        kept.readings.append((computed_ms, reading))
        if len(kept.timestamps_ms) > 2 * _MAX_KEPT:
            for each in kept:
                del each[:_MAX_KEPT]

    def values(self, space_id: str, start_ms: int, stop_ms: int, now_ms: float) -> Iterator[tuple[int, float]]:
        """Return the timestamps from start to before stop, each with its value as it was last computed by now."""
        if space_id not in self._by_space:
            return
        timestamps_ms, readings = self._by_space[space_id]
        for computed_ms, reading in readings[
            bisect_left(timestamps_ms, start_ms) : bisect_left(timestamps_ms, stop_ms)
        ]:
            computation = int((now_ms - computed_ms) // self.interval_ms)
            if computation >= 0:
                yield reading.timestamp_ms, reading.computed(min(computation, COMPUTATIONS - 1), smoothed=False)
