"""The events that sensors send at once: crossings of a door, motion in a room, detections of people.

Source: docs.butlr.io, human traffic, motion detection, human detections.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random

from exporter.simulate.world.building import Device, Floor, Room
from exporter.simulate.world.delivery import MINUTE_MS, EventType, Plan, Source, Way
from exporter.simulate.world.estate import Minute, RoomMinute

_COUNTED_TOGETHER = 60
"""Parts of an interval; people who cross a door in the same part are one event."""

_MISCOUNTED_SHARE = 0.05
"""Share of crossings that first come with a person too few, and later under the same id with all of them."""

_OLD_CROSSING_SHARE = 0.02
"""Share of crossings with which one comes that an exporter no longer counts."""

_OLD_CROSSING_AGES_MINUTES = (24 * 60, 25 * 60)
"""Ages of such crossings; the smallest is the exporter's window for them."""

_OLD_MOTION_SHARE = 0.3
"""Share of changes of motion with which one comes that is older than the exporter's window."""

_OLD_MOTION_AGES_MINUTES = (15, 18)

_FRAMES = 12
"""Detections in an interval of a sensor that sees somebody all the time: in real time, one every five seconds."""

_SEEN_SHARE = 0.95
"""Share of the people in its room whom a sensor sees."""

_INCOMPLETE_SHARE = 0.1
"""Share of detections in which a person lacks one of the two points."""

_EMPTY_SHARE = 0.5
"""Share of the times at which a room empties that its sensor says so, instead of sending nothing more."""


class Moments:
    """The sensors of some floors."""

    def __init__(self, plan: Plan, way: Way, floors: Sequence[Floor], random: Random) -> None:
        self._types = plan.types
        self._interval_ms = plan.interval_ms
        self._way = way
        self._random = random
        rooms = [room for floor in floors for room in floor.rooms]
        doors = [door for floor in floors for door in floor.doors]
        groups: tuple[Sequence[Room | Device], ...] = (rooms, doors, [room.sensor for room in rooms])
        self._sources = {
            each.id: Source(each.id, each.metadata, spells_otherwise=n % 2 == 1)
            for group in groups
            for n, each in enumerate(group)
        }
        """The rooms and sensors by their ids."""
        self._off_plan = {room.sensor.id for room in rooms[::2]}
        """Sensors whose place on the floor plan is not known, so that they send local points only."""

    def send(self, minute: Minute, begin_ms: int) -> None:
        """Send the events of a minute that begins at this time."""
        if EventType.TRAFFIC in self._types:
            self._send_crossings(minute, begin_ms)
        for room in minute.rooms:
            self._send_motion(room, begin_ms)
            if EventType.DETECTIONS in self._types:
                self._send_detections(room, begin_ms)

    def _at(self, begin_ms: int, share: float) -> int:
        """Return the time at which this share of an interval has passed: after its begin, and not after its end."""
        return begin_ms + 1 + int(share * (self._interval_ms - 1))

    def _send_crossings(self, minute: Minute, begin_ms: int) -> None:
        together: defaultdict[tuple[int, Device], Counter[str]] = defaultdict(Counter)
        for passage in minute.passages:
            together[int(passage.at * _COUNTED_TOGETHER), passage.door].update(
                {"in": passage.entered, "out": passage.left}
            )
        for (part, door), people in together.items():
            source = self._sources[door.id]
            at_ms = self._at(begin_ms, (part + 0.5) / _COUNTED_TOGETHER)
            event_id = self._way.event_id(at_ms)
            if self._random.random() < _MISCOUNTED_SHARE:
                direction = self._random.choice([each for each, number in people.items() if number])
                fewer = people | {direction: people[direction] - 1}
                self._way.send(source, EventType.TRAFFIC, at_ms, event_id, at_ms, json.dumps(fewer))
                later_ms = int(3 * self._random.random() * self._interval_ms)
            else:
                later_ms = 0
            self._way.send(source, EventType.TRAFFIC, at_ms, event_id, at_ms, json.dumps(people), later_ms)
            if self._random.random() < _OLD_CROSSING_SHARE:
                old_ms = at_ms - self._random.choice(_OLD_CROSSING_AGES_MINUTES) * MINUTE_MS
                old_id = self._way.event_id(old_ms)
                self._way.send(source, EventType.TRAFFIC, at_ms, old_id, old_ms, '{"in": 1, "out": 0}')

    def _send_motion(self, room: RoomMinute, begin_ms: int) -> None:
        source = self._sources[room.room.id]
        people, last_ms = room.people, 0
        for move in room.moves:
            was_empty = people == 0
            people += move.people
            if was_empty == (people == 0):
                continue
            event_type = EventType.PIR_MOTION if was_empty else EventType.PIR_NO_MOTION
            last_ms = at_ms = max(self._at(begin_ms, move.at), last_ms + 1)
            if event_type not in self._types:
                continue
            self._way.send(source, event_type, at_ms, self._way.event_id(at_ms), at_ms)
            if self._random.random() < _OLD_MOTION_SHARE:
                old_ms = at_ms - self._random.choice(_OLD_MOTION_AGES_MINUTES) * MINUTE_MS
                self._way.send(source, event_type, at_ms, self._way.event_id(old_ms), old_ms)

    def _send_detections(self, room: RoomMinute, begin_ms: int) -> None:
        source = self._sources[room.room.sensor.id]
        before = room.people
        for frame in range(_FRAMES):
            share = (frame + 0.5) / _FRAMES
            people = room.people + sum(move.people for move in room.moves if move.at <= share)
            seen = sum(self._random.random() < _SEEN_SHARE for _ in range(people))
            if seen or (before and not people and self._random.random() < _EMPTY_SHARE):
                at_ms = self._at(begin_ms, share)
                data = json.dumps(self._points(seen, source.id in self._off_plan))
                self._way.send(source, EventType.DETECTIONS, at_ms, self._way.event_id(at_ms), at_ms, data)
            before = people

    def _points(self, people: int, off_plan: bool) -> dict[str, list[list[float]]]:
        """Return the points of this many people: as shares of the sensor's view, and in meters on the floor plan."""
        local = [[round(self._random.random(), 2) for _ in "xy"] for _ in range(people)]
        world = [] if off_plan else [[round(10 + 4 * x, 2), round(20 + 4 * y, 2)] for x, y in local]
        if world and self._random.random() < _INCOMPLETE_SHARE:
            self._random.choice((local, world)).pop()
        return {"local": local, "world": world}
