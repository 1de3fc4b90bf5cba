"""The number of people in a zone, minute by minute of a working day.

People come in groups, stay for a while, and leave one by one; at night nobody comes. This module knows no sensors.
"""

from random import Random
from typing import NamedTuple

OPENING_MINUTE = 8 * 60
"""The minute of the day at which a simulation begins and the building fills."""

_SHORT_DAY = range(7 * 60, 21 * 60)
"""The minutes of a day with a short night: the hours in which anybody arrives, and one more."""

_ACTIVITY_BY_HOUR = (0,) * 7 + (0.3, 0.8, 1, 1, 1, 0.9, 0.9, 1, 1, 0.9, 0.7, 0.4, 0.2) + (0,) * 4
"""Arrivals in each hour of the day, as a share of the busiest hour's."""

_CROWD_FACTOR = 4
"""Arrivals in a zone's crowded hour, as a multiple of the usual ones."""

_CLEARING_MINUTES = 15
"""Mean stay in hours in which nobody arrives."""


def minute_of_day(number: int, *, has_short_night: bool = False) -> int:
    """Return the minute of the day that is `number` minutes after the opening; of later days too, counted on."""
    minute = OPENING_MINUTE + number
    if not has_short_night:
        return minute
    return _SHORT_DAY[(minute - _SHORT_DAY.start) % len(_SHORT_DAY)]


class Use(NamedTuple):
    """How people use a kind of zone."""

    groups_per_hour: float
    """Groups that arrive in a busy hour."""
    max_group: int
    """People in the largest group."""
    mean_stay_minutes: float


DESK = Use(groups_per_hour=0.6, max_group=1, mean_stay_minutes=70)
MEETING = Use(groups_per_hour=1.2, max_group=6, mean_stay_minutes=35)
LOUNGE = Use(groups_per_hour=5, max_group=2, mean_stay_minutes=18)
TABLES = Use(groups_per_hour=12, max_group=3, mean_stay_minutes=15)
QUEUE = Use(groups_per_hour=30, max_group=1, mean_stay_minutes=4)


class People:
    """The people in one zone."""

    def __init__(self, use: Use, crowded_hour: int | None) -> None:
        self._use = use
        self._crowded_hour = crowded_hour
        self.present = 0
        self.came: list[int] = []
        """People in each group that came in the last minute."""
        self.left = 0
        """People who left in the last minute."""

    def step(self, minute: int, random: Random) -> int:
        """Simulate one minute, counted from midnight; return the number of people at its end."""
        hour = minute // 60 % 24
        activity = _ACTIVITY_BY_HOUR[hour] * (_CROWD_FACTOR if hour == self._crowded_hour else 1)
        stay_minutes = self._use.mean_stay_minutes
        if not activity:
            stay_minutes = min(stay_minutes, _CLEARING_MINUTES)
        staying = sum(random.random() >= 1 / stay_minutes for _ in range(self.present))
        groups = self._use.groups_per_hour / 60 * activity
        arriving = int(groups) + (random.random() < groups % 1)
        self.came = [random.randint(1, self._use.max_group) for _ in range(arriving)]
        self.left = self.present - staying
        self.present = staying + sum(self.came)
        return self.present
