"""Minutes of many spaces: the pace, the halving of empty answers, and its end."""

from collections import Counter
from collections.abc import Callable

import pytest

from exporter.butlr.batches import MAX_HALVES, PACE_SECONDS, Batches, Pace
from exporter.butlr.errors import Unavailable
from exporter.butlr.reporting import MINUTE_MS, Minute, Query, Report, Reporting
from exporter.butlr.transport import Reply
from exporter.events.measures import Kind
from tests.support.butlr import ScriptedCloud

START_MS = 1_795_593_600_000


class FakeReporting:
    """Answers queries as a function of theirs, and keeps them."""

    def __init__(self, answers: Callable[[Query], set[str]]) -> None:
        self._answers = answers
        self.queries: list[Query] = []
        self.times: list[float] = []
        self.now = 0.0

    def ask(self, query: Query) -> Report:
        """Return one minute of each space that has data."""
        self.queries.append(query)
        self.times.append(self.now)
        self.now += 0.25
        minutes = tuple(Minute(each, query.start_ms, 1) for each in query.ids if each in self._answers(query))
        return Report(query, minutes, Counter(), is_empty=not minutes)

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def batches(self) -> Batches:
        """Return a reader of this API."""
        return Batches(self, pace=Pace(self.pause, lambda: self.now))  # type: ignore[arg-type]

    def read(self, batches: Batches, ids: list[str], minutes: int = 7) -> int:
        """Read minutes; return the number of requests."""
        before = len(self.queries)
        for _ in batches.read(Kind.ZONE, ids, START_MS, START_MS + minutes * MINUTE_MS):
            pass
        return len(self.queries) - before


ZONES = [f"zone_{n}" for n in range(500)]


def test_the_pace() -> None:
    """500 zones take 17 requests of at most 30 ids, 1.5 s from the end of one to the next, also from read to read."""
    api = FakeReporting(lambda query: set(query.ids))
    batches = api.batches()
    assert api.read(batches, ZONES) == api.read(batches, ZONES) == 17
    gaps = [after - before for before, after in zip(api.times, api.times[1:], strict=False)]
    assert min(gaps) == pytest.approx(PACE_SECONDS + 0.25)


def test_too_much_at_once() -> None:
    """An answer that is empty for asking too much is asked for again in halves, of time first, until all is there."""

    def answers(query: Query) -> set[str]:
        return set(query.ids) if len(query.ids) * (query.stop_ms - query.start_ms) <= 30 * 30 * MINUTE_MS else set()

    api = FakeReporting(answers)
    assert api.read(api.batches(), ZONES[:30], 120) == 7
    assert [len(query.ids) for query in api.queries] == [30, 30, 15, 15, 30, 15, 15]


def test_zones_that_are_always_empty() -> None:
    """500 zones without data cost some requests more once, then hardly any: they are asked for ever more rarely."""
    api = FakeReporting(lambda _: set())
    batches = api.batches()
    costs = []
    for _ in range(60):  # an hour of polls
        begin = api.now
        costs.append(api.read(batches, ZONES))
        api.now = max(api.now, begin + 60)
    assert costs[0] <= 2 * 17 + MAX_HALVES
    assert sum(costs) <= 8 * (2 * 17 + MAX_HALVES)
    assert batches.resting(Kind.ZONE) == 500


def test_empty_zones_do_not_hide_others() -> None:
    """Zones with data are read on each poll, whichever zones have none."""
    with_data = set(ZONES[::50])
    api = FakeReporting(lambda query: with_data & set(query.ids))
    batches = api.batches()
    api.read(batches, ZONES)
    for _ in range(5):
        asked = len(api.queries)
        api.read(batches, ZONES)
        assert with_data <= {each for query in api.queries[asked:] for each in query.ids}
        api.now += 60


def test_a_zone_that_begins_to_have_data() -> None:
    """A zone that had no data is read on every poll again once it has."""
    with_data: set[str] = {"zone_1"}
    api = FakeReporting(lambda query: with_data & set(query.ids))
    batches = api.batches()
    api.read(batches, ZONES[:2])
    with_data.add("zone_0")
    assert api.read(batches, ["zone_0"]) == 0
    api.now += 300
    api.read(batches, ["zone_0"])
    assert api.read(batches, ["zone_0"]) == 1
    assert batches.resting(Kind.ZONE) == 0


def test_an_outage_of_all_zones() -> None:
    """Zones that had data are asked for on each poll although all answers are empty: Butlr's cloud may be late."""
    with_data = set(ZONES)
    api = FakeReporting(lambda query: with_data & set(query.ids))
    batches = api.batches()
    api.read(batches, ZONES[:60])
    with_data.clear()
    for _ in range(3):
        assert api.read(batches, ZONES[:60]) >= 2
    assert batches.resting(Kind.ZONE) == 0


def test_a_zone_that_stops_to_have_data_rests_shortly() -> None:
    """A zone that no longer has data while others have is asked for after a minute, then ever more rarely."""
    with_data = {"zone_0", "zone_1"}
    api = FakeReporting(lambda query: with_data & set(query.ids))
    batches = api.batches()
    api.read(batches, ZONES[:2])
    with_data.remove("zone_0")
    api.read(batches, ZONES[:2])
    assert batches.resting(Kind.ZONE) == 1
    api.now += 60
    api.read(batches, ZONES[:2])
    assert any(query.ids == ("zone_0",) for query in api.queries)


def test_an_error_ends_the_reading_and_leaves_all_due() -> None:
    """A failed request ends the reading; no zone rests because of it."""

    def answers(query: Query) -> set[str]:
        if "zone_30" in query.ids:
            raise Unavailable("later")
        return set()

    api = FakeReporting(answers)
    batches = api.batches()
    with pytest.raises(Unavailable):
        api.read(batches, ZONES[:60])
    assert batches.resting(Kind.ZONE) == 0


def test_a_reply_is_an_answer() -> None:
    """The reader works on the client too."""
    cloud = ScriptedCloud(Reply(200, b'{"data": {}}'))
    batches = Batches(Reporting(cloud.client()), pace=Pace(lambda _: None))
    (report,) = batches.read(Kind.ZONE, ["zone_1"], START_MS, START_MS + MINUTE_MS)
    assert report.is_empty
