"""What happened in the last minute, and what was refused lately."""

from exporter.ingest.activity import MAX_REFUSALS, MAX_TEXT, SPAN, Activity
from exporter.ingest.receipt import Reason
from exporter.metrics.counters import Result
from exporter.rule.outcome import Outcome
from tests.support.deliveries import NOW, SECOND, Clock


class TestLastMinute:
    """Counts of sixty seconds."""

    def test_outcomes(self) -> None:
        """The most frequent first; what is older is gone."""
        clock = Clock()
        recent = Activity(clock)
        recent.count([Result(None, Outcome.NEW, 0.0)], clock())
        clock.now += 59 * SECOND
        recent.count([Result(None, Outcome.REPEATED, 0.0)], clock())
        recent.count([Result(None, Outcome.REPEATED, 0.0)], clock())
        assert list(recent.last_minute().outcomes.items()) == [(Outcome.REPEATED, 2), (Outcome.NEW, 1)]
        clock.now += SECOND
        assert recent.last_minute().outcomes == {Outcome.REPEATED: 2}
        clock.now += 3600 * SECOND
        assert recent.last_minute().outcomes == {}

    def test_delays(self) -> None:
        """Of new readings: the median, and what nineteen of twenty do not exceed, to a twentieth."""
        clock = Clock()
        recent = Activity(clock)
        assert recent.last_minute() == ({}, None, None)
        for delay in range(1, 101):
            recent.count([Result(None, Outcome.NEW, delay)], clock())
            recent.count([Result(None, Outcome.REPEATED, 1000)], clock())
        _, median, p95 = recent.last_minute()
        assert median is not None
        assert p95 is not None
        assert abs(median / 50 - 1) < 0.05
        assert abs(p95 / 95 - 1) < 0.05

    def test_threads_around_the_turn_of_a_second(self) -> None:
        """Each event is counted in the second of its arrival, whichever is told first."""
        clock = Clock()
        recent = Activity(clock)
        for second in range(59):
            recent.count([Result(None, Outcome.NEW, 0.0)], clock() - second)
        for _ in range(200):
            recent.count([Result(None, Outcome.REPEATED, 0.0)], clock() - 1)
            recent.count([Result(None, Outcome.REPEATED, 0.0)], clock())
        assert recent.last_minute().outcomes == {Outcome.REPEATED: 400, Outcome.NEW: 59}

    def test_no_more_is_kept_than_is_told(self) -> None:
        """Over hours."""
        recent = Activity(Clock())
        for second in range(7200):
            recent.count([Result(None, Outcome.NEW, 0.0)], second)
        assert len(recent._seconds) <= 2 * SPAN

    def test_a_clock_that_is_set_back(self) -> None:
        """What was counted in the future is no part of the last minute."""
        clock = Clock()
        recent = Activity(clock)
        recent.count([Result(None, Outcome.NEW, 0.0)], clock())
        clock.now -= 3600 * SECOND
        recent.count([Result(None, Outcome.LATE, 0.0)], clock())
        assert recent.last_minute().outcomes == {Outcome.LATE: 1}


class TestRefusals:
    """The last reasons."""

    def test_the_same_again(self) -> None:
        """Is one, so that a stranger without a key does not push out what is worth knowing."""
        clock = Clock()
        recent = Activity(clock)
        recent.refuse("invalid", [Reason("data", "bad")], "event_1")
        for _ in range(1000):
            clock.now += SECOND
            recent.refuse("unauthorized", [Reason("", "wrong key")])
        strangers, event = recent.refusals()
        assert (strangers.times, strangers.time, event.id) == (1000, NOW + 1000 * SECOND, "event_1")

    def test_the_last_ones(self) -> None:
        """The newest first, each cut to what can be shown."""
        recent = Activity(Clock())
        for n in range(MAX_REFUSALS + 5):
            recent.refuse("invalid", [Reason(f"field_{n}", "m" * 999), Reason("other", "not kept")], "i" * 999)
        found = recent.refusals()
        assert [refusal.field for refusal in found] == [f"field_{n}" for n in range(MAX_REFUSALS + 4, 4, -1)]
        assert {(r.time, r.what, len(r.message), len(r.id)) for r in found} == {(NOW, "invalid", MAX_TEXT, MAX_TEXT)}
