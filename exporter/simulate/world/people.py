"""How many people are in a zone, minute by minute of a working day.

They come in groups, stay for a while each, and go one by one; at night nobody comes. Knows no sensors.
"""

from random import Random
from typing import NamedTuple

OPENING = 8 * 60
"""The minute of the day at which a simulation begins: the building fills."""

_ACTIVITY = (0,) * 7 + (0.3, 0.8, 1, 1, 1, 0.9, 0.9, 1, 1, 0.9, 0.7, 0.4, 0.2) + (0,) * 4
"""How busy each hour of the day is, against the busiest."""

_CROWD = 4
"""How many times as many come in a zone's crowded hour."""

_CLEARING = 15
"""Minutes that people stay on average once nobody comes any more."""


class Use(NamedTuple):
    """What people do in a zone, as numbers."""

    arrivals: float
    """Groups that come in a busy hour."""
    group: int
    """Most people in one."""
    stay: float
    """Minutes that one stays on average."""


DESK = Use(arrivals=0.6, group=1, stay=70)
MEETING = Use(arrivals=1.2, group=6, stay=35)
LOUNGE = Use(arrivals=5, group=2, stay=18)
TABLES = Use(arrivals=12, group=3, stay=15)
QUEUE = Use(arrivals=30, group=1, stay=4)


class People:
    """The people in one zone."""

    def __init__(self, use: Use, crowded_hour: int | None) -> None:
        self._use = use
        self._crowded_hour = crowded_hour
        self.number = 0

    def step(self, minute: int, random: Random) -> int:
        """Let one minute pass, the one of this number since midnight; return how many are there then."""
        hour = minute // 60 % 24
        activity = _ACTIVITY[hour] * (_CROWD if hour == self._crowded_hour else 1)
        stay = self._use.stay if activity else min(self._use.stay, _CLEARING)
        staying = sum(random.random() >= 1 / stay for _ in range(self.number))
        groups = self._use.arrivals / 60 * activity
        coming = int(groups) + (random.random() < groups % 1)
        self.number = staying + sum(random.randint(1, self._use.group) for _ in range(coming))
        return self.number
