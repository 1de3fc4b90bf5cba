"""The log has a line when a space appears, falls silent, returns or is forgotten."""

import logging

import pytest

from exporter.events.measures import Kind, Measure
from exporter.events.model import Metadata
from exporter.ingest.transitions import MAX_LINES, Transitions
from exporter.rule.reading import Count
from exporter.rule.space import Space
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, Clock, delivery
from tests.support.stores import LIMITS, snapshot_of

Lines = list[tuple[str, str, object]]


class TestTransitions:
    """Each call logs the transitions since the one before."""

    @pytest.fixture(autouse=True)
    def _store(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.caplog = caplog
        self.clock = Clock()
        self.store = Store(LIMITS)
        self.transitions = Transitions(lambda: self.store.snapshot(self.clock.now))

    def lines(self) -> Lines:
        """Log the transitions, and return level, message and fields of each line."""
        self.caplog.clear()
        self.transitions.log()
        return [(record.levelname, record.getMessage(), record.args) for record in self.caplog.records]

    def test_life_of_a_zone(self) -> None:
        """Each transition of a zone is logged once."""
        names = {"zone_id": "zone_a", "zone_name": "Desk 01", "floor_name": "1st Floor"}
        assert self.lines() == []
        self.store.apply(delivery(), self.clock.now)
        assert self.lines() == [("INFO", "zone appeared", names)]
        assert self.lines() == []
        self.clock.now += 10 * MINUTE + 1
        assert self.lines() == [("WARNING", "zone fell silent", names | {"last_reading": "2027-01-15T08:00:00Z"})]
        assert self.lines() == []
        self.store.apply(delivery(self.clock.now), self.clock.now)
        assert self.lines() == [("INFO", "zone returned", names)]
        self.clock.now += 24 * HOUR + 1
        assert self.lines() == [("INFO", "zone forgotten", {"zone_id": "zone_a"})]
        assert self.lines() == []

    def test_a_zone_that_appears_stale(self) -> None:
        """A zone that appears with an old reading is logged as appeared and as stale."""
        self.store.apply(delivery(NOW - HOUR), NOW)
        assert [message for _, message, _ in self.lines()] == ["zone appeared", "zone fell silent"]

    def test_a_sensor(self) -> None:
        """A sensor is logged when it appears and when it is forgotten, and not whenever it sees nobody."""
        names = {"sensor_id": "zone_a", "floor_name": "1st Floor", "room_name": "Desk 01"}
        self.store.apply(delivery(measure=Measure.DETECTIONS), NOW)
        assert self.lines() == [("INFO", "sensor appeared", names)]
        self.clock.now += MINUTE
        assert self.lines() == []
        self.store.apply(delivery(self.clock.now, measure=Measure.DETECTIONS), self.clock.now)
        assert self.lines() == []
        self.clock.now += 24 * HOUR + 1
        assert self.lines() == [("INFO", "sensor forgotten", {"sensor_id": "zone_a"})]

    def test_a_room_with_motion(self) -> None:
        """A room with motion never falls silent, also when its count of people does."""
        for measure in (Measure.MOTION, Measure.ROOM_OCCUPANCY):
            self.store.apply(delivery(measure=measure), NOW)
        assert [message for _, message, _ in self.lines()] == ["room appeared"]
        self.clock.now += 10 * MINUTE + 1
        assert self.lines() == []
        self.clock.now += 14 * 24 * HOUR
        assert [message for _, message, _ in self.lines()] == ["room forgotten"]

    def test_many_at_once(self) -> None:
        """Many zones that appear together are a few lines and a number."""
        for n in range(MAX_LINES + 30):
            self.store.apply(delivery(zone=f"zone_{n}"), NOW)
        lines = self.lines()
        assert len(lines) == MAX_LINES + 1
        assert lines[-1] == ("INFO", "zone appeared", {"more_zones": 30})


def test_two_kinds_with_one_id(caplog: pytest.LogCaptureFixture) -> None:
    """Two spaces of different kinds that share an id are logged each by its own kind."""
    caplog.set_level(logging.INFO)

    kinds = (Kind.ZONE, Kind.ROOM)
    count = Count(Measure.ZONE_OCCUPANCY, NOW, 1.0)
    known = {kind: [Space(kind, "x", Metadata(room_name="Birch"), (count,))] for kind in kinds}
    present: list[Kind] = []
    transitions = Transitions(lambda: snapshot_of(space for kind in present for space in known[kind]))

    def lines() -> Lines:
        caplog.clear()
        transitions.log()
        return [(record.levelname, record.getMessage(), record.args) for record in caplog.records]

    present[:] = kinds
    assert lines() == [
        ("INFO", "zone appeared", {"zone_id": "x", "room_name": "Birch"}),
        ("INFO", "room appeared", {"room_id": "x", "room_name": "Birch"}),
    ]
    present.remove(Kind.ZONE)
    assert lines() == [("INFO", "zone forgotten", {"zone_id": "x"})]
