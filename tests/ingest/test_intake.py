"""The intake applies the events of a body, counts them, logs them, and returns a receipt."""

import json
import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.capacity.file import CapacityFile
from exporter.events.measures import Kind, Measure
from exporter.events.parse import NotJson
from exporter.ingest.activity import Activity
from exporter.ingest.intake import Intake
from exporter.ingest.observer import Observer
from exporter.ingest.receipt import MAX_ERRORS, EventError, Receipt
from exporter.metrics.registry import Metrics
from exporter.rule.limits import Limits
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from exporter.web.pages.rows import Query
from exporter.web.pages.status import Status
from tests.support.crossings import crossing, sensor
from tests.support.crossings import event as crossing_event
from tests.support.crossings import payload as crossing_payload
from tests.support.deliveries import HOUR, MINUTE, NOW, Clock, body, delivery, payload
from tests.support.stores import LIMITS, value


class Setup:
    """An intake with its store, its clock and its counters."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        """Begin with an empty store."""
        self.clock = Clock()
        self.store = Store(limits)
        self.capacity = CapacityFile(None, self.clock)
        settle_after = limits.settle_after / 1000
        self.metrics = Metrics(
            lambda: self.store.snapshot(self.clock.now),
            lambda: self.store.settled(self.clock.now, 1),
            (),
            self.capacity,
            settle_after,
        )
        self.activity = Activity(self.clock)
        self.intake = Intake(self.store, Observer(self.metrics, self.activity), limits, self.clock)

    def status(self) -> Status:
        """Return the status that pages show."""
        now = lambda: self.clock.now  # noqa: E731
        return Status(self.store, self.activity, self.metrics, self.capacity, now)

    def counted(self, event_type: str, outcome: Outcome) -> float | None:
        """Return the number of events of a type with an outcome; None for a combination that cannot occur."""
        labels = {"event_type": event_type, "outcome": outcome.value}
        return self.metrics.registry.get_sample_value("butlr_exporter_events_total", labels)


class TestApply:
    """`apply` takes events that come with no request."""

    def test_events_are_applied_and_counted(self) -> None:
        """Events are applied and counted as if they had been received, and their outcomes are returned."""
        setup = Setup()
        now = NOW + MINUTE
        assert setup.intake.apply([delivery(NOW, 3), delivery(NOW, 3), delivery(NOW + HOUR)], now) == [
            Outcome.NEW,
            Outcome.DUPLICATE,
            Outcome.FUTURE,
        ]
        assert value(setup.store) == 3
        assert setup.counted("ZONE_OCCUPANCY", Outcome.DUPLICATE) == 1
        assert setup.counted("ZONE_OCCUPANCY", Outcome.FUTURE) == 1
        assert setup.metrics.last_event == now / 1000
        assert setup.activity.last_minute().outcomes == {}
        setup.clock.now = now
        assert setup.activity.last_minute().outcomes == {Outcome.NEW: 1, Outcome.DUPLICATE: 1, Outcome.FUTURE: 1}


class TestReceive:
    """`receive` returns one receipt for one body."""

    def test_one_event(self) -> None:
        """One event is applied and counted, and its delay is observed."""
        setup = Setup()
        assert setup.intake.receive(body(delivery(NOW - 1500, 3))) == Receipt(1, {Outcome.NEW: 1}, [])
        assert value(setup.store) == 3
        assert setup.counted("ZONE_OCCUPANCY", Outcome.NEW) == 1
        label = {"event_type": "ZONE_OCCUPANCY"}
        assert setup.metrics.registry.get_sample_value("butlr_exporter_event_delay_seconds_sum", label) == 1.5
        assert setup.metrics.last_event == NOW / 1000

    def test_array(self) -> None:
        """The good events of an array are applied although others are refused, and each is counted once."""
        setup = Setup()
        text = (
            b"["
            + b",".join([body(delivery()), b"{}", body(delivery(NOW + HOUR)), body(delivery()), b'{"id":"e"}'])
            + b"]"
        )
        receipt = setup.intake.receive(text)
        assert (receipt.received, receipt.refused) == (5, 3)
        assert receipt.outcomes == {Outcome.NEW: 1, Outcome.INVALID: 2, Outcome.FUTURE: 1, Outcome.DUPLICATE: 1}
        assert (
            EventError(
                2,
                "timestamp",
                "2027-01-15T09:00:00Z is more than 300 s ahead of this server's clock, 2027-01-15T08:00:00Z",
            )
            in receipt.errors
        )
        assert [error.index for error in receipt.errors] == [1, 1, 1, 2, 4, 4]
        assert setup.counted("other", Outcome.INVALID) == 2
        assert setup.counted("ZONE_OCCUPANCY", Outcome.FUTURE) == 1

    def test_a_wrong_unit(self) -> None:
        """A timestamp in microseconds is refused with the advice to send milliseconds."""
        receipt = Setup().intake.receive(body(delivery(NOW * 1000)))
        assert receipt.outcomes == {Outcome.FUTURE: 1}
        assert receipt.errors[0].message.endswith("; send milliseconds since the epoch")

    def test_an_empty_array(self) -> None:
        """An empty array has no outcomes and no errors."""
        assert Setup().intake.receive(b"[]") == Receipt(0, {}, [])

    def test_one_zone_too_many(self) -> None:
        """The error of a zone above the limit names the setting."""
        setup = Setup(Limits(15 * MINUTE, 0, 0, 0, 0, max_spaces=1))
        receipt = setup.intake.receive(body(delivery(), delivery(zone="zone_b")))
        assert receipt.errors == [EventError(1, "metadata.zone_id", "one space too many: max_spaces is 1")]
        receipt = setup.intake.receive(body(delivery(measure=Measure.ROOM_OCCUPANCY)))
        assert receipt.errors == [EventError(0, "metadata.room_id", "one space too many: max_spaces is 1")]

    def test_counts_below_zero(self) -> None:
        """A room's count below zero is taken as zero and counted, however it comes; that of a refused event is not."""
        setup = Setup()
        bodies = [
            json.dumps(payload(delivery(t, measure=Measure.ROOM_OCCUPANCY_1MIN, id=f"{t}")) | {"data": -2}).encode()
            for t in (NOW, NOW - 1, NOW + HOUR)
        ]
        assert setup.intake.receive(bodies[0]).outcomes == {Outcome.NEW: 1}
        assert setup.intake.receive_each([bodies[1]]) == [None]
        assert setup.intake.receive(b"[%s,%s]" % (bodies[1], bodies[2])).outcomes == {"backfilled": 1, "future": 1}
        readings = setup.store.readings(Measure.ROOM_OCCUPANCY_1MIN, "zone_a")
        assert [reading.value for reading in readings] == [0, 0]
        counted = setup.metrics.registry.get_sample_value
        labels = {"event_type": "ROOM_OCCUPANCY_1MIN"}
        assert counted("butlr_exporter_negative_values_total", labels) == 2
        assert counted("butlr_exporter_negative_values_total", {"event_type": "FLOOR_OCCUPANCY"}) == 0
        assert counted("butlr_exporter_negative_values_total", {"event_type": "ZONE_OCCUPANCY"}) is None

    def test_a_type_that_is_not_exported(self) -> None:
        """An event type that is not exported is counted, but is no error and makes no space."""
        setup = Setup()
        receipt = setup.intake.receive(b'{"id":"e","type":"ELEVATOR","timestamp":1800000000000,"data":3}')
        assert receipt == Receipt(1, {Outcome.UNSUPPORTED: 1}, [])
        assert setup.counted("other", Outcome.UNSUPPORTED) == 1
        assert setup.store.snapshot(NOW).spaces == []

    @pytest.mark.parametrize("name", ["SENSOR_HEALTH", "HIVE_HEALTH"])
    def test_a_type_of_undocumented_payload(self, name: str) -> None:
        """An event type that Butlr has without a documented payload is counted under its own name, in any case."""
        setup = Setup()
        assert setup.counted(name, Outcome.UNSUPPORTED) == 0
        good, bad = ({"id": "e", "type": each, "timestamp": t} for each, t in ((name.lower(), NOW), (name, 0)))
        assert setup.intake.receive(json.dumps([good, bad]).encode()).outcomes == {"unsupported": 1, "invalid": 1}
        assert setup.counted(name, Outcome.UNSUPPORTED) == setup.counted(name, Outcome.INVALID) == 1
        assert setup.counted("other", Outcome.UNSUPPORTED) == setup.counted("other", Outcome.INVALID) == 0

    def test_other_spelling(self) -> None:
        """A smoothed event is counted under the name of its measure, also if its type is spelled otherwise."""
        setup = Setup()
        event = body(delivery(measure=Measure.ZONE_OCCUPANCY_1MIN)).replace(b"_1MIN", b"_1m")
        assert setup.intake.receive(event).outcomes == {Outcome.NEW: 1}
        assert setup.counted("ZONE_OCCUPANCY_1MIN", Outcome.NEW) == 1

    def test_many_errors(self) -> None:
        """A receipt counts every refused event, but lists only the first errors."""
        receipt = Setup().intake.receive(b"[" + b",".join([b"0"] * 5000) + b"]")
        assert receipt.outcomes == {Outcome.INVALID: 5000}
        assert len(receipt.errors) == MAX_ERRORS

    def test_not_json(self) -> None:
        """A body that is not JSON raises an error and counts no event."""
        setup = Setup()
        with pytest.raises(NotJson):
            setup.intake.receive(b"{")
        assert setup.metrics.last_event is None


class TestCrossings:
    """Crossings take the same way as readings."""

    def test_every_outcome(self) -> None:
        """Each crossing has one outcome, which is counted under `TRAFFIC`; no other outcome can occur."""
        setup = Setup()
        each = {
            Outcome.NEW: crossing_payload(crossing(0, 2, 1)),
            Outcome.DUPLICATE: crossing_payload(crossing(0, 2, 1)),
            Outcome.CORRECTED: crossing_payload(crossing(0, 2, 4)),
            Outcome.SUPERSEDED: crossing_payload(crossing(0, 0, 4)),
            Outcome.LATE: crossing_payload(crossing(1, t=NOW - 25 * HOUR)),
            Outcome.FUTURE: crossing_payload(crossing(1, t=NOW + HOUR)),
            Outcome.INVALID: crossing_payload(crossing(1, -1, 0)),
        }
        for outcome, item in each.items():
            assert setup.intake.receive(json.dumps(item).encode()).outcomes == {outcome: 1}
            assert setup.counted("TRAFFIC", outcome) == 1
        assert setup.counted("TRAFFIC", Outcome.OVERFLOW) == 0
        for outcome in (Outcome.REPEATED, Outcome.BACKFILLED, Outcome.UNSUPPORTED):
            assert setup.counted("TRAFFIC", outcome) is None
        label = {"event_type": "TRAFFIC"}
        assert setup.metrics.registry.get_sample_value("butlr_exporter_event_delay_seconds_count", label) == 2
        assert setup.metrics.registry.get_sample_value("butlr_exporter_settled_corrections_total", label) is None

    def test_a_late_correction(self) -> None:
        """A correction that comes long after the crossing is counted by its outcome and no reading that had settled."""
        setup = Setup()
        old = crossing(3600)
        outcomes = setup.intake.apply([crossing_event(old), crossing_event(old._replace(entered=5))], NOW)
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED]
        assert setup.counted("TRAFFIC", Outcome.CORRECTED) == 1

    def test_alone_and_in_an_array(self) -> None:
        """A crossing is applied on the fast path and among other events, and refused with the same reason."""
        setup = Setup()
        items = [crossing_payload(crossing(n, 1, 2)) for n in range(3)]
        assert setup.intake.receive_each([json.dumps(items[0]).encode(), body(delivery())]) == [Outcome.NEW] * 2
        receipt = setup.intake.receive(json.dumps([*items, payload(delivery())]).encode())
        assert receipt.outcomes == {Outcome.DUPLICATE: 2, Outcome.NEW: 2}
        (door,) = setup.store.snapshot(NOW).by_kind[Kind.SENSOR]
        assert [count.value for count in door.counts] == [3]
        ahead = json.dumps(crossing_payload(crossing(9, t=NOW + HOUR))).encode()
        receipt = setup.intake.receive(ahead)
        assert setup.intake.receive_each([ahead]) == [receipt]
        assert receipt.errors[0].field == "timestamp"

    def test_one_sensor_too_many(self) -> None:
        """The error of a sensor above the limit names its field and the setting."""
        setup = Setup(Limits(15 * MINUTE, 0, 0, 0, 0, max_spaces=1))
        items = [crossing_payload(crossing(n), sensor(f"sensor_{n}")) for n in range(2)]
        receipt = setup.intake.receive(json.dumps(items).encode())
        assert receipt.errors == [EventError(1, "metadata.sensor_id", "one space too many: max_spaces is 1")]

    def test_in_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """A crossing is logged with both numbers."""
        caplog.set_level(logging.DEBUG)
        Setup().intake.apply([crossing_event(crossing(0, 2, 1))], NOW)
        assert [record.args for record in caplog.records] == [
            {"outcome": "new", "id": "event_0", "sensor_id": "sensor_a", "in": 2, "out": 1}
        ]


class TestFuzz:
    """Any event is applied or refused, and scrapes go on."""

    @given(
        t=st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1.797e308, -1.797e308]),
        v=st.integers() | st.floats(allow_nan=False, allow_infinity=False),
        now=st.sampled_from([NOW, 0]),
    )
    def test_any_numbers(self, t: float, v: float, now: int) -> None:
        """An event with any numbers, at any time of the clock, is answered and leaves all pages readable."""
        setup = Setup()
        setup.clock.now = now
        item = payload(delivery()) | {"timestamp": t, "data": v}
        receipt = setup.intake.receive(json.dumps([item, item]).encode())
        assert receipt.received == sum(receipt.outcomes.values()) == 2
        assert b"butlr_exporter_spaces" in b"".join(setup.metrics.exposition())
        assert setup.status().page(Query())["matched"] in (0, 1)


class TestLog:
    """Refused events are logged, and at level debug all others too."""

    def test_a_refused_event(self, caplog: pytest.LogCaptureFixture) -> None:
        """A refused event is a warning with its outcome, its reason, and its truncated id."""
        setup = Setup()
        setup.intake.receive(body(delivery(NOW + HOUR, id="i" * 900)))
        setup.intake.receive(b'{"id":5}')
        first, second = caplog.records
        assert isinstance(first.args, dict)
        assert isinstance(second.args, dict)
        assert first.levelno == logging.WARNING
        assert first.args["outcome"] == "future"
        assert first.args["reason"].startswith("timestamp: 2027-01-15T09:00:00Z is more than")
        assert first.args["id"] == "i" * 100
        assert second.args["reason"].startswith("id: must be a string; type: is required")
        assert second.args["id"] == ""

    def test_a_good_event(self, caplog: pytest.LogCaptureFixture) -> None:
        """A good event is logged at level debug only."""
        setup = Setup()
        caplog.set_level(logging.INFO)
        setup.intake.receive(body(delivery()))
        assert caplog.records == []
        caplog.set_level(logging.DEBUG)
        setup.intake.receive(body(delivery()))
        setup.intake.receive_each([body(delivery(NOW + HOUR))])  # a refused one is the observer's to log
        assert [record.args for record in caplog.records if record.levelno == logging.DEBUG] == [
            {"outcome": "duplicate", "id": "event_xxx", "zone_id": "zone_a", "value": 1.0}
        ]


class TestThreads:
    """Many senders deliver at once."""

    def test_every_event_is_counted_once(self) -> None:
        """When eight threads deliver the same events, the counters agree with the receipts."""
        setup = Setup()
        bodies = [body(delivery(NOW - n * 1000, n, id=f"e_{n}")) for n in range(100)]
        receipts: list[Receipt] = []
        threads = [
            threading.Thread(target=lambda: receipts.extend([setup.intake.receive(text) for text in bodies]))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        answered = {o: sum(r.outcomes.get(o, 0) for r in receipts) for o in Outcome}
        assert sum(answered.values()) == 800
        assert answered[Outcome.DUPLICATE] == 700
        for outcome in (Outcome.NEW, Outcome.BACKFILLED, Outcome.DUPLICATE):
            assert setup.counted("ZONE_OCCUPANCY", outcome) == answered[outcome]
        assert value(setup.store) == 0
