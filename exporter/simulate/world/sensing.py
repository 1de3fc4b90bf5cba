"""What the sensors make of the people in a zone: a guess at first, which five computations bring to the truth.

Source: docs.butlr.io, zone occupancy: every minute the counts of the last five minutes are computed again.
"""

from collections import deque
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

COMPUTATIONS = 5
"""How often a reading is computed, once each interval; the last is the truth."""

_ERRORS = (0, 0, 0, 0, 0, 0, -1, -1, 1, 1, 1, -2, 2, 3)
"""How far first guesses are off, in people; most are not."""


class Sensed(NamedTuple):
    """One instant in one zone."""

    timestamp: int
    """Milliseconds since the epoch."""
    truth: int
    smoothed: float
    """The mean of this minute and the one before, which is what the 1-minute type tells."""
    error: int

    def computed(self, round_: int, smoothed: bool) -> float:
        """Return what computation `round_` says, 0 the first."""
        truth = self.smoothed if smoothed else self.truth
        return max(0, truth + round(self.error * (1 - round_ / (COMPUTATIONS - 1))))


class Sensor:
    """The readings of one zone that are still being computed."""

    def __init__(self) -> None:
        self._recent: deque[Sensed | None] = deque([None] * COMPUTATIONS, maxlen=COMPUTATIONS)
        self._last = 0

    def sense(self, timestamp: int, truth: int, random: Random) -> None:
        """Take the number of people at one instant, milliseconds since the epoch."""
        error = random.choice(_ERRORS) if truth or random.random() < 0.1 else 0
        self._recent.appendleft(Sensed(timestamp, truth, (self._last + truth) / 2, error))
        self._last = truth

    def rest(self) -> None:
        """Let an interval pass in which nothing is sensed."""
        self._recent.appendleft(None)

    def computations(self) -> Iterator[tuple[int, Sensed]]:
        """Return every reading that is computed now with how often it was before, the newest first."""
        return ((round_, sensed) for round_, sensed in enumerate(self._recent) if sensed is not None)
