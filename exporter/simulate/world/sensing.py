"""The sensors' view of the people in a space: a guess at first, which five computations bring to the truth.

Source: docs.butlr.io, zone occupancy: every minute the counts of the last five minutes are computed again.
"""

from collections import deque
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

COMPUTATIONS = 5
"""Computations of a reading, one each interval; the last gives the truth."""

_FIRST_ERRORS = (0, 0, 0, 0, 0, 0, -1, -1, 1, 1, 1, -2, 2, 3)
"""Errors of the first guess, in people, each equally likely."""


_MORE_OUT_SHARE = 0.03
"""Share of the first guesses of people counted in and out that have more people out than in."""


class SensedReading(NamedTuple):
    """One instant in one space."""

    timestamp_ms: int
    """Milliseconds since the epoch."""
    truth: int
    """People in the space."""
    smoothed: float
    """The mean of this minute and the one before, as the smoothed event type delivers it."""
    first_error: int
    """People by which the first computation is wrong."""
    counts_doors: bool = False
    """Whether people are counted in and out, so that a guess may be below 0."""

    def computed(self, computation: int, smoothed: bool) -> float:
        """Return the result of computation number `computation`, counted from 0."""
        truth = self.smoothed if smoothed else self.truth
        value = truth + round(self.first_error * (1 - computation / (COMPUTATIONS - 1)))
        return value if self.counts_doors else max(0, value)


class Sensor:
    """The readings of one space that are still being computed."""

    def __init__(self, *, counts_doors: bool = False) -> None:
        """Count the people of a space by seeing them, or with `counts_doors` by those who come in and go out."""
        self._counts_doors = counts_doors
        self._recent: deque[SensedReading | None] = deque([None] * COMPUTATIONS, maxlen=COMPUTATIONS)
        self._last_truth = 0

    def sense(self, timestamp_ms: int, truth: int, random: Random) -> SensedReading:
        """Begin a reading of `truth` people, and return it."""
        error = random.choice(_FIRST_ERRORS) if truth or random.random() < 0.1 else 0
        if self._counts_doors and random.random() < _MORE_OUT_SHARE:
            error = -truth - 1
        smoothed = (self._last_truth + truth) / 2
        reading = SensedReading(timestamp_ms, truth, smoothed, error, self._counts_doors)
        self._recent.appendleft(reading)
        self._last_truth = truth
        return reading

    def skip(self) -> None:
        """Let an interval pass without a new reading."""
        self._recent.appendleft(None)

    def computations(self) -> Iterator[tuple[int, SensedReading]]:
        """Return each reading that is computed in this interval, newest first, after its computation's number."""
        return ((number, reading) for number, reading in enumerate(self._recent) if reading is not None)
