"""The recorder: an event is applied and appended as one step."""

import threading
import time
from time import monotonic

import pytest

from exporter.events.measures import Measure
from exporter.journal import recorder as recorder_module
from exporter.journal.interface import Delivery, JournalError
from exporter.journal.recorder import NotWritten, Recorder
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, delivery
from tests.support.recordings import FakeJournal
from tests.support.running import PATIENCE, wait_for
from tests.support.stores import LIMITS, readings, spaces


class Recorded:
    """A store with a journal in memory."""

    def __init__(self) -> None:
        """Begin empty."""
        self.store = Store(LIMITS)
        self.recorder = Recorder(self.store, FakeJournal)
        assert isinstance(self.recorder._journal, FakeJournal)
        self.journal = self.recorder._journal


@pytest.fixture
def recorded() -> Recorded:
    """Return a store with a journal in memory."""
    return Recorded()


class TestApply:
    """Events that arrive together."""

    def test_accepted_events_are_appended(self, recorded: Recorded) -> None:
        """The journal gets every event that is not refused, also a late one and a duplicate."""
        events = [
            delivery(NOW),
            delivery(NOW),
            delivery(NOW + HOUR),
            delivery(NOW - HOUR),
            delivery(NOW - MINUTE, zone="zone_b"),
        ]
        outcomes = recorded.recorder.apply(events, NOW)
        assert outcomes == [Outcome.NEW, Outcome.DUPLICATE, Outcome.FUTURE, Outcome.LATE, Outcome.NEW]
        assert recorded.journal.deliveries == [Delivery(events[n], NOW) for n in (0, 1, 3, 4)]

    def test_nothing_accepted_is_no_entry(self, recorded: Recorded) -> None:
        """An event that is refused anyway is no matter of the journal, so an outage does not change its outcome."""
        recorded.journal.outage = "disk full"
        assert recorded.recorder.apply([delivery(NOW + HOUR)], NOW) == [Outcome.FUTURE]
        assert recorded.recorder.apply([], NOW) == []

    def test_detections_are_not_appended(self, recorded: Recorded) -> None:
        """The journal gets the events that arrive together except for detections, in their order."""
        seen = [delivery(NOW + n, measure=Measure.DETECTIONS) for n in range(3)]
        events = [seen[0], delivery(), seen[1], delivery(measure=Measure.MOTION), seen[2]]
        assert recorded.recorder.apply(events, NOW) == [Outcome.NEW] * 5
        assert recorded.journal.deliveries == [Delivery(events[n], NOW) for n in (1, 3)]

    def test_detections_during_an_outage(self, recorded: Recorded) -> None:
        """Detections are accepted while the journal cannot be written, and no entry is tried for them."""
        recorded.journal.outage = "disk full"
        assert recorded.recorder.apply([delivery(measure=Measure.DETECTIONS)], NOW) == [Outcome.NEW]
        with pytest.raises(NotWritten) as refused:
            recorded.recorder.apply([delivery(NOW + 1, measure=Measure.DETECTIONS), delivery()], NOW)
        assert refused.value.outcomes == [Outcome.NEW, Outcome.NEW]

    def test_the_error_has_the_outcomes(self, recorded: Recorded) -> None:
        """Events that could not be appended are applied, and the error has the outcome of each."""
        recorded.journal.outage = "disk full"
        with pytest.raises(NotWritten, match=r"^disk full$") as refused:
            recorded.recorder.apply([delivery(NOW, 7), delivery(NOW + HOUR)], NOW)
        assert refused.value.outcomes == [Outcome.NEW, Outcome.FUTURE]
        assert readings(recorded.store) == {NOW: 7}

    def test_it_refuses_during_an_outage(self, recorded: Recorded) -> None:
        """A sender can be refused before its events are parsed."""
        assert not recorded.recorder.refuses
        recorded.journal.outage = "disk full"
        assert recorded.recorder.refuses

    def test_a_repetition_waits_for_the_first(self, recorded: Recorded) -> None:
        """No thread learns that an event is a duplicate before the first one is written."""
        begun, go_on = threading.Event(), threading.Event()

        def slow() -> None:
            begun.set()
            go_on.wait(PATIENCE)

        recorded.journal.meanwhile = slow
        outcomes: list[Outcome] = []
        threads = [
            threading.Thread(target=lambda: outcomes.extend(recorded.recorder.apply([delivery()], NOW)))
            for _ in range(2)
        ]
        threads[0].start()
        begun.wait(PATIENCE)
        threads[1].start()
        threads[1].join(0.05)
        assert outcomes == []
        go_on.set()
        for thread in threads:
            thread.join(PATIENCE)
        assert outcomes == [Outcome.NEW, Outcome.DUPLICATE]
        assert recorded.journal.deliveries == [Delivery(delivery(), NOW)] * 2


class TestMaintain:
    """Regular work on the journal."""

    def test_a_delivery_does_it_after_a_while(self, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
        """Under a server that never calls `maintain`, a delivery has it called, and does not wait for it."""
        go_on = threading.Event()
        recorded.recorder.apply([delivery()], NOW)
        assert recorded.journal.maintained == 0
        monkeypatch.setattr(recorder_module, "_PATIENCE", 0)
        recorded.journal.maintenance = lambda: go_on.wait(PATIENCE)
        recorded.recorder.apply([delivery()], NOW)
        go_on.set()
        wait_for(lambda: recorded.journal.maintained == 1, "the maintenance")
        recorded.recorder.close()

    def test_a_long_maintenance_is_not_followed_by_another(
        self, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A delivery counts its patience from the end of a maintenance, however long that took."""
        now = monotonic()
        monkeypatch.setattr(recorder_module, "monotonic", lambda: now)

        def a_minute_passes() -> None:
            nonlocal now
            now += 60

        recorded.journal.meanwhile = a_minute_passes
        recorded.recorder.maintain()
        recorded.recorder.apply([delivery()], NOW)
        assert recorded.journal.maintained == 1

    def test_one_thread_at_a_time(self, recorded: Recorded) -> None:
        """A second call does nothing while the first is under way."""
        recorded.journal.meanwhile = recorded.recorder.maintain
        recorded.recorder.maintain()
        assert recorded.journal.maintained == 1

    def test_it_follows_other_processes(self, recorded: Recorded) -> None:
        """A delivery that another process appended to the same journal is applied with its arrival."""
        recorded.journal.others = [Delivery(delivery(NOW, 7), NOW + 5)]
        recorded.recorder.maintain()
        assert readings(recorded.store) == {NOW: 7}
        assert [state.arrival for state in recorded.store.states(["zone:zone_a"])] == [NOW + 5]
        assert recorded.journal.deliveries == []

    def test_the_journal_shares_the_lock(self, recorded: Recorded) -> None:
        """A journal that holds the lock of its source sees no space change, and deliveries go on afterwards."""
        with recorded.journal.source.lock:
            thread = threading.Thread(target=recorded.recorder.apply, args=([delivery()], NOW))
            thread.start()
            thread.join(0.05)
            assert recorded.journal.source.keys() == []
        thread.join(PATIENCE)
        assert recorded.journal.source.keys() == ["zone:zone_a"]
        assert recorded.journal.source.states(["zone:zone_a", "zone:zone_b"]) == recorded.store.states(["zone:zone_a"])

    def test_closing_waits_for_it(self, recorded: Recorded) -> None:
        """The journal is not closed under a thread that maintains it."""
        begun, closed_early = threading.Event(), threading.Event()

        def slow() -> None:
            begun.set()
            time.sleep(0.05)
            if recorded.journal.is_closed:
                closed_early.set()

        recorded.journal.meanwhile = slow
        thread = threading.Thread(target=recorded.recorder.maintain)
        thread.start()
        begun.wait(PATIENCE)
        recorded.recorder.close()
        thread.join(PATIENCE)
        assert recorded.journal.is_closed
        assert not closed_early.is_set()


class TestRestore:
    """The start of a process."""

    def test_it_begins_with_the_journal(self, recorded: Recorded) -> None:
        """Saved spaces and later deliveries give the same store."""
        recorded.recorder.apply([delivery(NOW - MINUTE, 3)], NOW)
        later = Recorded()
        later.journal.saved = recorded.store.states(["zone:zone_a"])
        recorded.journal.deliveries.clear()
        recorded.recorder.apply([delivery(NOW, 4)], NOW)
        later.journal.deliveries = recorded.journal.deliveries
        later.recorder.restore()
        assert spaces(later.store) == spaces(recorded.store)
        assert readings(later.store) == {NOW - MINUTE: 3, NOW: 4}

    def test_a_journal_that_cannot_be_read_is_closed(self, recorded: Recorded) -> None:
        """The error reaches the caller, and the file is free for a repair."""
        recorded.journal.outage = "corrupt"
        with pytest.raises(JournalError, match="corrupt"):
            recorded.recorder.restore()
        assert recorded.journal.is_closed
