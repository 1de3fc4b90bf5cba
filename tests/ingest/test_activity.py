"""The activity: outcomes and delays of the last minute, and the last refusals."""

from exporter.events.parse import FieldError
from exporter.ingest.activity import MAX_REFUSALS, MAX_TEXT, SPAN, Activity
from exporter.metrics.counters import OTHER, Result
from exporter.rule.outcome import Outcome
from tests.support.deliveries import NOW, SECOND, Clock


class TestLastMinute:
    """Outcomes and delays are those of the last sixty seconds."""

    def test_outcomes(self) -> None:
        """Outcomes have the most frequent first, and events older than a minute do not count."""
        clock = Clock()
        activity = Activity(clock)
        activity.count([Result(OTHER, Outcome.NEW, 0.0)], clock())
        clock.now += 59 * SECOND
        activity.count([Result(OTHER, Outcome.REPEATED, 0.0)], clock())
        activity.count([Result(OTHER, Outcome.REPEATED, 0.0)], clock())
        assert list(activity.last_minute().outcomes.items()) == [(Outcome.REPEATED, 2), (Outcome.NEW, 1)]
        clock.now += SECOND
        assert activity.last_minute().outcomes == {Outcome.REPEATED: 2}
        clock.now += 3600 * SECOND
        assert activity.last_minute().outcomes == {}

    def test_delays(self) -> None:
        """The median and the 95th percentile are of the delays of new readings alone, to 5 %."""
        clock = Clock()
        activity = Activity(clock)
        assert activity.last_minute() == ({}, None, None)
        for delay in range(1, 101):
            activity.count([Result(OTHER, Outcome.NEW, delay)], clock())
            activity.count([Result(OTHER, Outcome.REPEATED, 1000)], clock())
        _, median, p95 = activity.last_minute()
        assert median is not None
        assert p95 is not None
        assert abs(median / 50 - 1) < 0.05
        assert abs(p95 / 95 - 1) < 0.05

    def test_threads_between_two_seconds(self) -> None:
        """An event counts in the second of its arrival, even when a later arrival is counted first."""
        clock = Clock()
        activity = Activity(clock)
        for second in range(59):
            activity.count([Result(OTHER, Outcome.NEW, 0.0)], clock() - second)
        for _ in range(200):
            activity.count([Result(OTHER, Outcome.REPEATED, 0.0)], clock() - 1)
            activity.count([Result(OTHER, Outcome.REPEATED, 0.0)], clock())
        assert activity.last_minute().outcomes == {Outcome.REPEATED: 400, Outcome.NEW: 59}

    def test_old_seconds_are_removed(self) -> None:
        """After hours of events, memory has little more than the last minute."""
        activity = Activity(Clock())
        for second in range(7200):
            activity.count([Result(OTHER, Outcome.NEW, 0.0)], second)
        assert len(activity._seconds) <= 2 * SPAN

    def test_a_clock_that_is_set_back(self) -> None:
        """Events that were counted before the clock was set back do not count as the last minute."""
        clock = Clock()
        activity = Activity(clock)
        activity.count([Result(OTHER, Outcome.NEW, 0.0)], clock())
        clock.now -= 3600 * SECOND
        activity.count([Result(OTHER, Outcome.LATE, 0.0)], clock())
        assert activity.last_minute().outcomes == {Outcome.LATE: 1}


class TestRefusals:
    """The last refusals have their reasons."""

    def test_equal_refusals(self) -> None:
        """Equal refusals are one with a number, so that a stranger without a key does not displace the others."""
        clock = Clock()
        activity = Activity(clock)
        activity.refuse("invalid", [FieldError("data", "bad")], "event_1")
        for _ in range(1000):
            clock.now += SECOND
            activity.refuse("unauthorized", [FieldError("", "wrong key")])
        strangers, event = activity.refusals()
        assert (strangers.times, strangers.time, event.id) == (1000, NOW + 1000 * SECOND, "event_1")

    def test_the_last_ones(self) -> None:
        """The newest refusals are first, with one reason each, and long texts are truncated."""
        activity = Activity(Clock())
        for n in range(MAX_REFUSALS + 5):
            activity.refuse(
                "invalid", [FieldError(f"field_{n}", "m" * 999), FieldError("other", "not shown")], "i" * 999
            )
        found = activity.refusals()
        assert [refusal.field for refusal in found] == [f"field_{n}" for n in range(MAX_REFUSALS + 4, 4, -1)]
        assert {(r.time, r.what, len(r.message), len(r.id)) for r in found} == {(NOW, "invalid", MAX_TEXT, MAX_TEXT)}
