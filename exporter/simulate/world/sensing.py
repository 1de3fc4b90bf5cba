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

    def computed(self, computation: int, smoothed: bool, may_be_negative: bool = False) -> float:
        """Return the result of computation number `computation`, counted from 0."""
        truth = self.smoothed if smoothed else self.truth
        value = truth + round(self.first_error * (1 - computation / (COMPUTATIONS - 1)))
        return value if may_be_negative else max(0, value)


class Sensor:
    """The readings of one space that are still being computed."""

    def __init__(self) -> None:
        self._recent: deque[SensedReading | None] = deque([None] * COMPUTATIONS, maxlen=COMPUTATIONS)
        self._last_truth = 0

    def sense(self, timestamp_ms: int, truth: int, random: Random) -> None:
        """Begin a reading of `truth` people."""
        error = random.choice(_FIRST_ERRORS) if truth or random.random() < 0.1 else 0
        self._recent.appendleft(SensedReading(timestamp_ms, truth, (self._last_truth + truth) / 2, error))
        self._last_truth = truth

    def skip(self) -> None:
        """Let an interval pass without a new reading."""
        self._recent.appendleft(None)

    def computations(self) -> Iterator[tuple[int, SensedReading]]:
        """Return each reading that is computed in this interval, newest first, after its computation's number."""
        return ((number, reading) for number, reading in enumerate(self._recent) if reading is not None)
