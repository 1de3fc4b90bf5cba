"""The log lines of a zone that appears, goes stale, returns or is forgotten."""

import logging

import pytest

from exporter.ingest.transitions import MAX_LINES, Transitions
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, Clock, delivery
from tests.support.stores import LIMITS


class TestTransitions:
    """Changes between two snapshots."""

    @pytest.fixture(autouse=True)
    def _store(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        self.caplog = caplog
        self.clock = Clock()
        self.store = Store(LIMITS)
        self.transitions = Transitions(lambda: self.store.snapshot(self.clock.now))

    def lines(self) -> list[tuple[str, str, object]]:
        """Log the changes; return level, message and fields of each line."""
        self.caplog.clear()
        self.transitions.log()
        return [(record.levelname, record.getMessage(), record.args) for record in self.caplog.records]

    def test_a_zones_life(self) -> None:
        """Each change of a zone is logged once."""
        names = {"zone_id": "zone_a", "zone_name": "Desk 01", "floor_name": "1st Floor"}
        assert self.lines() == []
        self.store.apply(delivery(), self.clock.now)
        assert self.lines() == [("INFO", "zone appeared", names)]
        assert self.lines() == []
        self.clock.now += 10 * MINUTE + 1
        assert self.lines() == [("WARNING", "zone went stale", names | {"last_reading": "2027-01-15T08:00:00Z"})]
        assert self.lines() == []
        self.store.apply(delivery(self.clock.now), self.clock.now)
        assert self.lines() == [("INFO", "zone returned", names)]
        self.clock.now += 24 * HOUR + 1
        assert self.lines() == [("INFO", "zone forgotten", {"zone_id": "zone_a"})]
        assert self.lines() == []

    def test_a_zone_that_appears_stale(self) -> None:
        """A zone that appears stale is logged as appeared and as stale."""
        self.store.apply(delivery(NOW - HOUR), NOW)
        assert [message for _, message, _ in self.lines()] == ["zone appeared", "zone went stale"]

    def test_many_at_once_are_a_few_lines_and_a_number(self) -> None:
        """When many zones change together, the log names some of them and the number of the others."""
        for n in range(MAX_LINES + 30):
            self.store.apply(delivery(zone=f"zone_{n}"), NOW)
        lines = self.lines()
        assert len(lines) == MAX_LINES + 1
        assert lines[-1] == ("INFO", "zone appeared", {"more_zones": 30})
