"""Zones, rooms, floors, crossings, motion and detections of a simulated building agree with each other."""

import json
from collections import defaultdict
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any, NamedTuple

import pytest

from exporter.events.ids import generation
from exporter.simulate.world import stream
from exporter.simulate.world.building import floors, zones
from exporter.simulate.world.delivery import EventType, Plan
from exporter.simulate.world.estate import Estate
from exporter.simulate.world.stream import deliveries
from tests.support.deliveries import MINUTE, NOW, SECOND

pytestmark = pytest.mark.xdist_group("agreement")  # they share the events of a building

PLAN = Plan(zones=24, types=tuple(EventType), interval_ms=SECOND, intervals=90, seed=2)

LAST = NOW + 85 * SECOND
"""The last time at which readings are sensed."""

Payloads = list[dict[str, Any]]


class Sensed(NamedTuple):
    """The final values of a stream."""

    counts: dict[str, dict[str, dict[int, float]]]
    """By event type, id of the space, and timestamp (ms)."""
    crossings: dict[str, dict[str, tuple[int, int, int]]]
    """Timestamp (ms), people in and people out, by id of the floor and of the event."""
    motion: dict[str, dict[int, bool]]
    """By id of the room and timestamp (ms)."""


@pytest.fixture(scope="module")
def payloads() -> Payloads:
    """Return the events of a building in fast motion, none of which is revised in the second of its computation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "_REVISED_AT_ONCE_SHARE", 0)
        events = [json.loads(delivery.body) for delivery in deliveries(PLAN, NOW)]
    for event in events:
        event["type"] = event["type"].upper().replace("_1MIN", "_1M").replace("_1M", "_1MIN")
    return events


@pytest.fixture(scope="module")
def sensed(payloads: Payloads) -> Sensed:
    """Return the final values of the same events, without those from before the building opened."""
    computed: dict[tuple[str, str, int], tuple[int, float]] = {}
    crossings: dict[str, dict[str, tuple[int, int, int]]] = defaultdict(dict)
    motion: dict[str, dict[int, bool]] = defaultdict(dict)
    for event in payloads:
        t, place = event["timestamp"], event["metadata"]
        if t < NOW - SECOND:
            continue
        if event["type"] == "TRAFFIC":
            _, entered, left = crossings[place["floor_id"]].get(event["id"], (t, 0, 0))
            data = event["data"]
            crossings[place["floor_id"]][event["id"]] = t, max(entered, data["in"]), max(left, data["out"])
        elif event["type"].startswith("PIR_"):
            motion[place["room_id"]][t] = event["type"] == "PIR_MOTION"
        elif event["type"] != "DETECTIONS":
            key = event["type"], place[f"{event['type'].partition('_')[0].lower()}_id"], t
            seconds = generation(event["id"])
            assert seconds is not None
            computed[key] = max(computed.get(key, (0, 0)), (seconds, event["data"]))
    counts: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for (event_type, space, t), (_, value) in computed.items():
        counts[event_type][space][t] = value
    return Sensed(counts, crossings, motion)


def places(payloads: Payloads, inner: str, outer: str) -> dict[str, str]:
    """Return the id of the outer space by that of each inner one, such as zones' rooms."""
    found = {event["metadata"].get(f"{inner}_id"): event["metadata"].get(f"{outer}_id") for event in payloads}
    return {inner_id: outer_id for inner_id, outer_id in found.items() if inner_id and outer_id}


@pytest.mark.parametrize(("inner", "outer"), [("zone", "room"), ("zone", "floor"), ("room", "floor")])
@pytest.mark.parametrize("smoothed", ["", "_1MIN"])
def test_inner_spaces_have_no_more_people_than_the_outer_one(
    payloads: Payloads, sensed: Sensed, inner: str, outer: str, smoothed: str
) -> None:
    """The people in the zones of a room are in the room too, and those in rooms and zones on the floor."""
    outer_of = places(payloads, inner, outer)
    together: defaultdict[tuple[str, int], float] = defaultdict(float)
    for space, readings in sensed.counts[f"{inner.upper()}_OCCUPANCY{smoothed}"].items():
        for t, value in readings.items():
            if space in outer_of and t >= NOW:
                together[outer_of[space], t] += value
    outer_counts = sensed.counts[f"{outer.upper()}_OCCUPANCY{smoothed}"]
    differences = [outer_counts[space][t] - value for (space, t), value in together.items()]
    assert min(differences) == 0
    assert max(differences) > 0


def test_a_floor_has_the_people_who_came_and_did_not_leave(sensed: Sensed) -> None:
    """At each time the people on a floor are those who crossed one of its doors inwards less those outwards."""
    for floor, readings in sensed.counts["FLOOR_OCCUPANCY"].items():
        for t in range(NOW, LAST + 1, SECOND):
            inside = sum(entered - left for crossed, entered, left in sensed.crossings[floor].values() if crossed <= t)
            assert readings[t] == inside
    assert sum(left for of_floor in sensed.crossings.values() for _, _, left in of_floor.values()) > 10


def test_motion_is_where_people_are(sensed: Sensed) -> None:
    """A room has motion when somebody is in it, and none when it is empty."""
    rooms = sensed.counts["ROOM_OCCUPANCY"]
    for room, readings in rooms.items():
        for t in range(NOW, LAST + 1, SECOND):
            changes = sorted((at, has) for at, has in sensed.motion[room].items() if at <= t)
            assert (changes[-1][1] if changes else False) == (readings[t] > 0)
    assert len({has for changes in sensed.motion.values() for has in changes.values()}) == 2


def test_detections_are_of_people_in_the_room(payloads: Payloads, sensed: Sensed) -> None:
    """A sensor sees at most the people in its room, most of them, and sends nothing while there is nobody."""
    seen = present = 0
    for event in payloads:
        if event["type"] == "DETECTIONS":
            t = event["timestamp"] // SECOND * SECOND
            room = sensed.counts["ROOM_OCCUPANCY"][event["metadata"]["room_id"]]
            if t in room and room[t] == room[t + SECOND]:
                people = max(len(event["data"]["local"]), len(event["data"]["world"]))
                seen += people
                present += int(room[t])
                if not room[t]:
                    assert people == 0
    assert 0.9 * present < seen < present


def test_every_type_comes_in_its_documented_shape(payloads: Payloads) -> None:
    """Each event has the metadata and `data` of its type, and points are pairs."""
    assert {event["type"] for event in payloads} == set(EventType)
    for event in payloads:
        kind = event["type"].partition("_")[0].lower()
        own = f"{kind}_id" if kind in ("zone", "room", "floor") else "room_id" if kind == "pir" else "sensor_id"
        assert event["metadata"][own]
        assert event["metadata"]["floor_id"].startswith("space_")
        assert ("mac_address" in event["metadata"]) == (own == "sensor_id")
        assert ("data" in event) == (kind != "pir")
        if kind == "traffic":
            assert set(event["data"]) == {"in", "out"}
            assert min(event["data"].values()) >= 0
        elif kind == "detections":
            assert {len(point) for points in event["data"].values() for point in points} <= {2}


def test_numbers_of_a_crossing_only_grow(payloads: Payloads) -> None:
    """Some crossings come again under the same id with more people, and none first with too many."""
    numbers: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for event in payloads:
        if event["type"] == "TRAFFIC":
            numbers[event["id"]].add((event["data"]["in"], event["data"]["out"]))
    assert 1 <= sum(len(different) == 2 for different in numbers.values()) < len(numbers) / 5
    assert all(sum(max(different)) - sum(min(different)) == len(different) - 1 for different in numbers.values())


def test_guesses_below_zero_are_of_rooms_and_floors(payloads: Payloads) -> None:
    """Rooms and floors now and then have a count below 0, as Butlr's can, and zones never."""
    below = {event["type"] for event in payloads if isinstance(event.get("data"), float | int) and event["data"] < 0}
    assert "ROOM_OCCUPANCY" in below
    assert not below & {EventType.ZONE_OCCUPANCY, EventType.ZONE_OCCUPANCY_1MIN}


def test_motion_and_crossings_from_long_ago_come_again(payloads: Payloads) -> None:
    """Some events are as old as the exporter's windows, or older."""
    ages: dict[str, set[int]] = defaultdict(set)
    for event in payloads:
        ages[event["type"]].add((NOW - event["timestamp"]) // MINUTE)
    assert max(ages["TRAFFIC"]) >= 24 * 60 - 2
    assert max(ages["PIR_MOTION"]) >= 13


def test_the_types_do_not_change_the_zones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The readings of zones are the same with other types beside them."""
    monkeypatch.setattr(stream, "_REVISED_AT_ONCE_SHARE", 0)
    alone = replace(PLAN, types=(EventType.ZONE_OCCUPANCY,), intervals=20)
    found = []
    for plan in (alone, replace(alone, types=tuple(EventType))):
        values: dict[tuple[str, int], set[float]] = defaultdict(set)
        for delivery in deliveries(plan, NOW):
            event = json.loads(delivery.body)
            if event["type"] == "ZONE_OCCUPANCY" and event["timestamp"] >= NOW:
                values[event["metadata"]["zone_id"], event["timestamp"]].add(event["data"])
        found.append(values)
    assert found[0] == found[1]


def test_crossings_alone_come_when_they_are_due() -> None:
    """An endless plan of crossings alone sends them in the order of their due times."""
    traffic = deliveries(Plan(zones=8, types=(EventType.TRAFFIC,), interval_ms=SECOND, intervals=None), NOW)
    due = [delivery.due_ms for delivery in islice(traffic, 50)]
    assert due == sorted(due)
    assert due[0] >= NOW


def test_nobody_appears_or_vanishes() -> None:
    """The people of a room or floor at the end of a minute are those before it, and those who came or left in it."""
    all_zones = list(zones(40, Random(1)))
    all_floors = list(floors(all_zones, Random(2)))
    estate = Estate(all_zones, all_floors, Random(3), Random(4))
    before = estate.step().people
    for _ in range(300):
        minute = estate.step()
        for room in minute.rooms:
            assert room.people == before[room.room.id]
            assert minute.people[room.room.id] == room.people + sum(move.people for move in room.moves)
        for floor in all_floors:
            of_floor = [passage for passage in minute.passages if passage.door in floor.doors]
            inside = before[floor.id] + sum(passage.entered - passage.left for passage in of_floor)
            assert minute.people[floor.id] == inside
        before = minute.people
