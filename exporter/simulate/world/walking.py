"""The people of a floor between its doors and its zones, so that doors, zones, rooms and the floor agree.

People who come to a zone crossed a door before, or stood beside another zone. People who leave a zone stand beside it
for some minutes, in its room if it is in one, and then go on: to another zone, or out by a door.
"""

from collections import Counter
from collections.abc import Iterable
from random import Random
from typing import NamedTuple

_GOES_OUT = 0.5
"""Share of the people beside zones who leave the floor in a minute."""

_STAYS_ON_FLOOR = 0.3
"""Share of the people who come to a zone from beside another, where somebody stands."""


class Change(NamedTuple):
    """Arrivals at a zone and departures from it in one minute."""

    room: str
    """Id of the zone's room; empty if it is in none."""
    groups: list[int]
    """People in each group that came."""
    left: int


class Crossing(NamedTuple):
    """People crossing a door together."""

    at: float
    """Share of the minute that had passed."""
    door: int
    """Number of the door on its floor."""
    entered: int
    left: int


class Move(NamedTuple):
    """People entering or leaving a room."""

    at: float
    """Share of the minute that had passed."""
    room: str
    """Id of the room."""
    people: int
    """Below 0 if they left."""


class Walkers:
    """The people of one floor outside its zones."""

    def __init__(self, doors: int) -> None:
        self._doors = doors
        self._beside: Counter[str] = Counter()
        self.crossings: list[Crossing] = []
        """Of the last minute, in no order."""
        self.moves: list[Move] = []
        """Of the last minute, in no order."""

    @property
    def number(self) -> int:
        """The number of people outside the zones."""
        return self._beside.total()

    def beside(self, room: str) -> int:
        """Return the number of people in a room, but in none of its zones."""
        return self._beside[room]

    def step(self, changes: Iterable[Change], random: Random) -> None:
        """Simulate a minute in which the zones changed like this."""
        self.crossings, self.moves = [], []
        left: Counter[str] = Counter()
        for room, number in list(self._beside.items()):
            for _ in range(number):
                if random.random() < _GOES_OUT:
                    self._go_out(room, random)
        for change in changes:
            left[change.room] += change.left
            for people in change.groups:
                self._come(change.room, people, random)
        self._beside += left

    def _go_out(self, room: str, random: Random) -> None:
        """Let one person outside the zones, in a room or beside the rooms, leave the floor."""
        self._beside[room] -= 1
        leaves_room, crosses = sorted((random.random(), random.random()))
        self._move(leaves_room, room, -1)
        self.crossings.append(Crossing(crosses, random.randrange(self._doors), 0, 1))

    def _come(self, room: str, people: int, random: Random) -> None:
        """Let a group come to a zone in this room, or outside of rooms."""
        begins, arrives = sorted((random.random(), random.random()))
        entering = people
        for _ in range(people):
            standing = [room for room, number in self._beside.items() if number > 0]
            if standing and random.random() < _STAYS_ON_FLOOR:
                last_room = random.choice(standing)
                self._beside[last_room] -= 1
                entering -= 1
                if last_room != room:
                    self._move(begins, last_room, -1)
                    self._move(arrives, room, 1)
        if entering:
            self.crossings.append(Crossing(begins, random.randrange(self._doors), entering, 0))
            self._move(arrives, room, entering)

    def _move(self, at: float, room: str, people: int) -> None:
        if room:
            self.moves.append(Move(at, room, people))
