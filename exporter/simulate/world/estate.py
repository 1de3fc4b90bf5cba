"""The people of the estate, minute by minute: their number in each space, and their ways from one to another."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

from exporter.simulate.world.building import Device, Floor, Room, Zone
from exporter.simulate.world.people import People, minute_of_day
from exporter.simulate.world.walking import Change, Move, Walkers


class Passage(NamedTuple):
    """People crossing a door together."""

    at: float
    """Share of the minute that had passed."""
    door: Device
    entered: int
    left: int


class RoomMinute(NamedTuple):
    """A room in the course of a minute."""

    room: Room
    people: int
    """At the beginning of the minute."""
    moves: list[Move]
    """By time; at the end of the minute the people are those at its beginning and these."""


class Minute(NamedTuple):
    """The estate in the course of one minute."""

    people: dict[str, int]
    """People in each space at the end, by its id."""
    passages: list[Passage]
    rooms: list[RoomMinute]


class Estate:
    """The people in all zones, and with `floors` also those between zones and doors."""

    def __init__(
        self,
        zones: Sequence[Zone],
        floors: Sequence[Floor],
        people: Random,
        walking: Random,
        *,
        has_short_nights: bool = False,
    ) -> None:
        """Take the zones, the floors to be simulated (all or none), and two sources of chance."""
        self._has_short_nights = has_short_nights
        self._zones = [(zone, People(zone.use, zone.crowded_hour)) for zone in zones]
        self._floors = [(floor, Walkers(len(floor.doors))) for floor in floors]
        self._people_random, self._walking_random = people, walking
        self._number = 0
        self._present: dict[str, int] = {}

    def step(self) -> Minute:
        """Simulate the next minute; the first ends when the building opens."""
        minute = minute_of_day(self._number, has_short_night=self._has_short_nights)
        self._number += 1
        before = self._present
        self._present = {zone.id: people.step(minute, self._people_random) for zone, people in self._zones}
        passages: list[Passage] = []
        rooms: list[RoomMinute] = []
        changes: defaultdict[int, list[Change]] = defaultdict(list)
        if self._floors:
            for zone, people in self._zones:
                changes[zone.floor].append(Change(zone.room, people.came, people.left))
        for number, (floor, walkers) in enumerate(self._floors):
            walkers.step(changes[number], self._walking_random)
            self._present |= _counts(floor, walkers, self._present)
            passages += [
                Passage(at, floor.doors[door], entered, left) for at, door, entered, left in sorted(walkers.crossings)
            ]
            for room in floor.rooms:
                moves = sorted(move for move in walkers.moves if move.room == room.id)
                rooms.append(RoomMinute(room, before.get(room.id, 0), moves))
        return Minute(self._present, passages, rooms)


def _counts(floor: Floor, walkers: Walkers, in_zones: dict[str, int]) -> Iterator[tuple[str, int]]:
    """Return the ids of a floor and of its rooms, each with its people."""
    yield floor.id, walkers.number + sum(in_zones[zone.id] for zone in floor.zones)
    for room in floor.rooms:
        yield room.id, walkers.beside(room.id) + sum(in_zones[zone.id] for zone in floor.zones if zone.room == room.id)
