"""The simulated stream: people, sensors, and rough delivery."""

import json
from collections import Counter
from dataclasses import replace
from itertools import islice
from random import Random
from typing import Any

import pytest

from exporter.events.ids import generation, ksuid
from exporter.events.measures import Measure
from exporter.events.model import ReadingEvent
from exporter.events.parse import parse_body, parse_event
from exporter.simulate.world.building import zones
from exporter.simulate.world.delivery import Delivery, EventType, Plan
from exporter.simulate.world.people import DESK, QUEUE, People, minute_of_day
from exporter.simulate.world.sensing import COMPUTATIONS, SensedReading, Sensor
from exporter.simulate.world.stream import deliveries
from tests.support.deliveries import MINUTE, NOW, SECOND, G, place

pytestmark = pytest.mark.xdist_group("delivery")  # they share the events of a building

FAST = Plan(zones=20, interval_ms=SECOND, intervals=60)

BOTH = (EventType.ZONE_OCCUPANCY, EventType.ZONE_OCCUPANCY_1MIN)


def events(stream: list[Delivery]) -> list[ReadingEvent]:
    """Return the events of a stream."""
    parsed = [parse_event(item) for delivery in stream for item in parse_body(delivery.body)]
    return [event for event in parsed if isinstance(event, ReadingEvent)]


@pytest.fixture(scope="module")
def stream() -> list[Delivery]:
    """Return a minute of a building in fast motion."""
    return list(deliveries(FAST, NOW))


class TestStream:
    """The stream of deliveries."""

    def test_equal_plans_are_equal_streams(self, stream: list[Delivery]) -> None:
        """Equal plans give equal bytes, and other seeds give other zones."""
        assert list(deliveries(FAST, NOW)) == stream
        other = list(deliveries(replace(FAST, seed=2), NOW))
        assert {event.space_id for event in events(other)}.isdisjoint(event.space_id for event in events(stream))

    def test_one_without_an_end_is_the_same_for_as_long(self, stream: list[Delivery]) -> None:
        """An endless stream begins like a finite one, and is computed only as far as it is read."""
        endless = deliveries(replace(FAST, intervals=None), NOW)
        assert list(islice(endless, 2000)) == stream[:2000]

    def test_every_event_is_valid_and_tells_when_it_was_computed(self, stream: list[Delivery]) -> None:
        """Each event is valid, and its id holds a second between sensing and delivery."""
        found = events(stream)
        assert len(found) == len(stream)
        for delivery, event in zip(stream, found, strict=True):
            assert event.generation is not None
            assert event.timestamp // 1000 <= event.generation <= delivery.due_ms // 1000

    def test_they_come_when_they_are_due(self, stream: list[Delivery]) -> None:
        """Deliveries come in the order of their due times, from the start to the end of the last interval."""
        due = [delivery.due_ms for delivery in stream]
        assert due == sorted(due)
        assert due[0] >= NOW
        assert FAST.length_ms is not None
        assert due[-1] <= NOW + FAST.length_ms

    def test_each_reading_is_computed_five_times(self, stream: list[Delivery]) -> None:
        """Each reading is computed in five different seconds, as the last four intervals sense nothing new."""
        computed: dict[tuple[str, int], set[int]] = {}
        for event in events(stream):
            if event.timestamp >= NOW:
                assert event.generation is not None
                computed.setdefault((event.space_id, event.timestamp), set()).add(event.generation)
        assert {len(generations) for generations in computed.values()} == {COMPUTATIONS}
        assert {timestamp for _, timestamp in computed} == {NOW + n * SECOND for n in range(56)}

    def test_ten_thousand_are_as_rough_as_promised(self) -> None:
        """Repeats, revisions, disorder and lateness are as frequent as docs/simulator.md says."""
        stream = list(islice(deliveries(Plan(zones=40, interval_ms=SECOND, intervals=60), NOW), 10_000))
        found = Counter[str]()
        seen: set[bytes] = set()
        values: dict[tuple[str, int], float] = {}
        newest: dict[str, int] = {}
        latest: dict[str, int] = {}
        for delivery, event in zip(stream, events(stream), strict=True):
            zone, reading = event.space_id, (event.space_id, event.timestamp)
            assert event.generation is not None
            found["repeated"] += delivery.body in seen
            found["revised"] += values.setdefault(reading, event.value) != event.value
            found["late"] += event.timestamp <= newest.get(zone, 0) - 15 * MINUTE
            found["just late"] += event.timestamp == newest.get(zone, 0) - 15 * MINUTE
            if delivery.body not in seen:
                found["overtaken"] += event.generation < latest.get(zone, 0)
            seen.add(delivery.body)
            values[reading] = event.value
            newest[zone] = max(newest.get(zone, 0), event.timestamp)
            latest[zone] = max(latest.get(zone, 0), event.generation)
        assert 300 < found["repeated"] < 600
        assert 400 < found["revised"] < 1200
        assert 400 < found["overtaken"] < 1500
        assert 60 < found["late"] < 200
        assert found["just late"] > 10

    def test_what_is_computed_together_does_not_come_together(self, stream: list[Delivery]) -> None:
        """Readings that are computed together are delayed independently."""
        together: dict[tuple[str, int | None], list[int]] = {}
        for event in events(stream):
            if event.timestamp >= NOW:
                together.setdefault((event.space_id, event.generation), []).append(event.timestamp)
        disordered = [timestamps for timestamps in together.values() if timestamps != sorted(timestamps, reverse=True)]
        assert len(disordered) > len(together) / 2

    def test_both_measures(self) -> None:
        """A plan may have both measures, and the smoothed one has fractions."""
        both = events(list(deliveries(Plan(zones=8, types=BOTH, intervals=20), NOW)))
        assert {event.measure for event in both} == {Measure.ZONE_OCCUPANCY, Measure.ZONE_OCCUPANCY_1MIN}
        assert {event.value % 1 for event in both if event.measure is Measure.ZONE_OCCUPANCY} == {0}
        assert {event.value % 1 for event in both if event.measure is Measure.ZONE_OCCUPANCY_1MIN} == {0, 0.5}

    def test_what_is_lost_changes_nothing_else(self, stream: list[Delivery]) -> None:
        """Losses mark about the given share of deliveries and change nothing else."""
        dropping = list(deliveries(replace(FAST, drop=0.1), NOW))
        assert [delivery._replace(lost=False) for delivery in dropping] == stream
        assert 0.08 < sum(delivery.lost for delivery in dropping) / len(dropping) < 0.12

    def test_burst(self, stream: list[Delivery]) -> None:
        """A burst delivers nothing in the middle third, all of it in the interval after, and loses nothing."""
        burst = list(deliveries(replace(FAST, burst=True), NOW))
        assert not [delivery for delivery in burst if 20 <= (delivery.due_ms - NOW) / SECOND < 40]
        backlog = [delivery for delivery in burst if 40 <= (delivery.due_ms - NOW) / SECOND < 41]
        assert len(backlog) > len(stream) / 3
        assert len(burst) > len(stream) * 0.95

    def test_some_zones_have_one_name_after_the_other(self, stream: list[Delivery]) -> None:
        """A renamed zone has three names in turn, and some deliveries under the second come last of all."""
        names: dict[str, dict[str, list[int]]] = {}
        last: dict[str, str] = {}
        for event in events(stream):
            last[event.space_id] = place(event).zone_name
            if event.timestamp >= NOW:
                assert event.generation is not None
                names.setdefault(event.space_id, {}).setdefault(place(event).zone_name, []).append(event.generation)
        renamed = {zone: of_zone for zone, of_zone in names.items() if len(of_zone) > 1}
        assert len(renamed) == 2
        for zone, of_zone in renamed.items():
            first, second, third = sorted(of_zone, key=lambda name: max(of_zone[name]))
            assert max(of_zone[first]) < min(of_zone[second])
            assert max(of_zone[second]) < min(of_zone[third])
            assert last[zone] == second == f"Quiet {first}"

    def test_some_are_revised_in_the_same_second(self, stream: list[Delivery]) -> None:
        """Some readings are revised in the same second, under the same id or another, but never the newest."""
        values: dict[tuple[str, int, int | None], dict[str, set[float]]] = {}
        newest: dict[tuple[str, int | None], int] = {}
        for event in events(stream):
            key = (event.space_id, event.timestamp, event.generation)
            values.setdefault(key, {}).setdefault(event.id, set()).add(event.value)
            of_second = (event.space_id, event.generation)
            newest[of_second] = max(newest.get(of_second, 0), event.timestamp)
        twice = {key: ids for key, ids in values.items() if len(set().union(*ids.values())) > 1}
        assert {len(ids) for ids in twice.values()} == {1, 2}
        assert all(timestamp < newest[zone, generation] for zone, timestamp, generation in twice)


class TestBuilding:
    """The zones of the estate."""

    def test_ids_are_ksuids_and_differ(self) -> None:
        """Ids are distinct KSUIDs with a prefix for their kind, like Butlr's."""
        found = list(zones(200, Random(1)))
        assert len({zone.id for zone in found}) == 200
        assert all(zone.id.startswith("zone_") and generation(zone.id) for zone in found)

    def test_the_plan_of_an_estate(self) -> None:
        """Zones share floors, floors buildings, and buildings sites; each id has one name."""
        metadata = [json.loads(zone.metadata[0]) for zone in zones(200, Random(1))]
        for level, number in (("site", 7), ("building", 13), ("floor", 25)):
            assert len({place[f"{level}_id"] for place in metadata}) == number
            assert len({(place[f"{level}_id"], place[f"{level}_name"]) for place in metadata}) == number
        full_names = {
            (p["site_name"], p["building_name"], p["floor_name"], p.get("room_name"), p["zone_name"]) for p in metadata
        }
        assert len(full_names) == 200

    def test_optional_fields(self) -> None:
        """All ways to say that a zone is in no room occur, and some zones have custom ids."""
        metadata: list[dict[str, Any]] = [json.loads(zone.metadata[0]) for zone in zones(100, Random(1))]
        rooms = [place.get("room_id", "absent") for place in metadata]
        assert {"absent", None, ""} < set(rooms)
        assert 20 < sum("zone_custom_id" in place for place in metadata) < 50


class TestPeople:
    """The number of people in a zone."""

    @staticmethod
    def day(use: Any, crowded_hour: int | None = None) -> list[float]:
        """Return the mean number of people in each hour of a day."""
        people, random = People(use, crowded_hour), Random(1)
        numbers = [people.step(minute, random) for minute in range(24 * 60)]
        return [sum(numbers[60 * hour : 60 * hour + 60]) / 60 for hour in range(24)]

    def test_nights_are_empty_and_days_are_not(self) -> None:
        """A zone fills in the morning and is empty at night."""
        for use in (DESK, QUEUE):
            hours = self.day(use)
            assert not any(hours[23:] + hours[:7])
            assert sum(hours[9:17]) > 2

    def test_short_nights(self) -> None:
        """With short nights the building closes, and opens again an hour later, each day as the one before."""
        minutes = [minute_of_day(number, has_short_night=True) for number in range(3 * 14 * 60)]
        assert minutes[: 13 * 60] == list(range(8 * 60, 21 * 60))
        assert minutes[13 * 60 : 14 * 60] == list(range(7 * 60, 8 * 60))
        assert minutes[14 * 60 :] == 2 * minutes[: 14 * 60]
        assert [minute_of_day(number) for number in range(3)] == [480, 481, 482]

    def test_a_crowded_hour(self) -> None:
        """The crowded hour has more than twice the people of the hours around it."""
        hours = self.day(QUEUE, crowded_hour=11)
        assert hours[11] > 2 * max(hours[9], hours[14])

    def test_a_desk_is_mostly_one_persons(self) -> None:
        """A desk mostly has one person, as people stay for long."""
        assert 0.3 < sum(self.day(DESK)[9:17]) / 8 < 1.5


class TestSensing:
    """Readings on their way from guess to truth."""

    def test_every_computation_is_as_near_as_the_one_before(self) -> None:
        """Each computation is at least as near to the truth as the one before, and none is below 0."""
        for truth in range(5):
            for error in range(-3, 4):
                sensed = SensedReading(NOW, truth, truth, error)
                off = [abs(sensed.computed(n, smoothed=False) - truth) for n in range(COMPUTATIONS)]
                assert off == sorted(off, reverse=True)
                assert off[0] == abs(max(0, truth + error) - truth)
                assert off[-1] == 0

    def test_the_smoothed_value_is_the_mean_of_two_minutes(self) -> None:
        """The last computation of the smoothed value is the mean of two minutes."""
        sensor = Sensor()
        sensor.sense(NOW, 2, Random(1))
        sensor.sense(NOW + MINUTE, 5, Random(1))
        newest = next(sensed for _, sensed in sensor.computations())
        assert newest.computed(COMPUTATIONS - 1, smoothed=True) == 3.5


class TestIds:
    """KSUIDs."""

    def test_it_tells_its_second(self) -> None:
        """The second of Butlr's own example, of the smallest and of the largest KSUID is read and written."""
        example = "2oUBiSXgx48RtbZKXHm5ekpAzFe"
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        number = sum(digits.index(digit) * 62**n for n, digit in enumerate(reversed(example)))
        assert ksuid(1_400_000_000 + (number >> 128), number & (1 << 128) - 1) == example
        assert ksuid(1_400_000_000, 0) == "0" * 27
        assert ksuid(1_400_000_000 + (1 << 32) - 1, (1 << 128) - 1) == "aWgEPTl1tmebfsQzFP4bxwgy80V"
        assert generation(ksuid(G, 12345)) == G
