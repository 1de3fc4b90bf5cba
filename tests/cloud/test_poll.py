"""Polling: minutes become readings, at the pace and in the number of requests that Butlr accepts."""

import logging
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from exporter.butlr.errors import BadAnswer, CloudError, Throttled, Unavailable
from exporter.butlr.names import MEASUREMENTS
from exporter.butlr.reporting import MAX_IDS, MAX_SPAN_MS, Dropped
from exporter.events.measures import Kind, Measure
from exporter.events.model import Metadata
from exporter.inventory import NOTHING
from exporter.rule.outcome import Outcome
from exporter.settings.types import MEASUREMENT_NAMES
from tests.support.deliveries import MINUTE
from tests.support.polling import START_MS, BrokenJournal, Polling


def messages(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    """Return the log lines of a level or higher."""
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def fields(caplog: pytest.LogCaptureFixture, message: str) -> dict[str, object]:
    """Return the fields of the only log line with a message."""
    (record,) = [record for record in caplog.records if record.getMessage() == message]
    assert isinstance(record.args, dict)
    return record.args


def test_every_measurement_of_the_setting() -> None:
    """The setting accepts the measurements that the Reporting API is asked for, and no other."""
    assert {*MEASUREMENT_NAMES} == {measurement.name for measurement in MEASUREMENTS.values()}


def test_minutes_become_readings() -> None:
    """A polled minute is a reading of the smoothed measure, sensed at its begin and computed when it was asked for."""
    cloud = Polling()
    cloud.reporting.fill(Kind.ZONE, ["zone_0"], [-3], 2)
    cloud.reporting.fill(Kind.ZONE, ["zone_0", "zone_1"], [-2], 3)
    cloud.begin(recover=timedelta())
    cloud.work()
    assert cloud.values() == {"zone_0": 3, "zone_1": 3}
    first, second = cloud.store.readings(Measure.ZONE_OCCUPANCY_1MIN, "zone_0")
    assert (first.timestamp, first.value) == (START_MS - 3 * MINUTE, 2)
    assert second.generation == int(cloud.reporting.times[0] + 0.25)
    assert cloud.reporting.asked(Kind.ZONE, "zone_1") == {-7, -6, -5, -4, -3, -2, -1}


def test_a_revised_minute_is_corrected() -> None:
    """A minute that Butlr computes anew takes its new value, and the same value again is repeated."""
    cloud = Polling(zones=1)
    cloud.reporting.fill(Kind.ZONE, ["zone_0"], [-3, -2], 2)
    cloud.begin(recover=timedelta())
    cloud.work()
    cloud.reporting.fill(Kind.ZONE, ["zone_0"], [-2], 5)
    cloud.run(61)
    assert cloud.values() == {"zone_0": 5}
    counts = {outcome: cloud.polled(outcome) for outcome in Outcome if cloud.polled(outcome)}
    assert counts == {Outcome.NEW: 1, Outcome.BACKFILLED: 1, Outcome.CORRECTED: 1, Outcome.REPEATED: 1}


def test_readings_are_no_events() -> None:
    """Polled readings are counted on their own: no event was received, none was delayed."""
    cloud = Polling()
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 0))
    cloud.begin(recover=timedelta())
    cloud.work()
    assert cloud.polled() == 14
    assert cloud.metrics.last_event is None
    labels = {"event_type": "ZONE_OCCUPANCY_1MIN", "outcome": "new"}
    assert cloud.sample("butlr_exporter_events_total", **labels) == 0
    assert cloud.sample("butlr_exporter_event_delay_seconds_count", event_type="ZONE_OCCUPANCY_1MIN") == 0


def test_all_outcomes_are_there_from_the_start() -> None:
    """The counters of the measurements that are polled begin at 0; others have no sample."""
    cloud = Polling()
    cloud.begin(poll_measurements=("room_occupancy",))
    name = "butlr_exporter_polled_readings_total"
    assert cloud.sample(name, event_type="ROOM_OCCUPANCY_1MIN", outcome="invalid") == 0
    assert cloud.sample(name, event_type="ZONE_OCCUPANCY_1MIN", outcome="new") is None


def test_rooms_and_floors() -> None:
    """Rooms and floors are polled beside zones; a number below 0 is taken as 0, and counted."""
    cloud = Polling()
    cloud.have(Kind.ROOM, {"room_a": Metadata(room_id="room_a", room_name="Birch")})
    cloud.have(Kind.FLOOR, {"space_a": Metadata(floor_id="space_a", floor_name="1st Floor")})
    cloud.reporting.fill(Kind.ROOM, ["room_a"], [-2], -1.5)
    cloud.reporting.fill(Kind.FLOOR, ["space_a"], [-2], 12)
    cloud.begin(poll_measurements=MEASUREMENT_NAMES)
    cloud.work()
    assert (cloud.values(Kind.ROOM), cloud.values(Kind.FLOOR)) == ({"room_a": 0}, {"space_a": 12})
    assert cloud.sample("butlr_exporter_negative_values_total", event_type="ROOM_OCCUPANCY_1MIN") == 1


def test_a_correction_after_the_final_count_is_counted() -> None:
    """A polled correction of a minute that was final already is counted as too late."""
    cloud = Polling(zones=1)
    cloud.reporting.fill(Kind.ZONE, ["zone_0"], [-7, -2])
    cloud.begin()
    cloud.work()
    cloud.reporting.fill(Kind.ZONE, ["zone_0"], [-7], 4)
    cloud.now -= 1
    cloud.run(60)
    assert cloud.sample("butlr_exporter_settled_corrections_total", event_type="ZONE_OCCUPANCY_1MIN") == 1


def test_without_an_inventory() -> None:
    """Nothing is asked for before the assets were read."""
    cloud = Polling()
    listed, cloud.assets.current = cloud.assets.current, NOTHING
    cloud.begin()
    cloud.run(30)
    assert not cloud.reporting.queries
    cloud.assets.current = listed
    cloud.run(2)
    assert cloud.reporting.queries


def test_the_size_and_pace_of_requests() -> None:
    """Requests have at most 30 ids and two hours, and are 1.5 s apart, in polls and recovery together."""
    cloud = Polling(zones=100)
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-1440, 10))
    cloud.begin(recover=timedelta(hours=6))
    cloud.run(120)
    assert len(cloud.reporting.queries) == 2 * 4 + 3 * 4
    assert max(len(query.ids) for query in cloud.reporting.queries) == MAX_IDS
    assert max(query.stop_ms - query.start_ms for query in cloud.reporting.queries) == MAX_SPAN_MS
    times = cloud.reporting.times
    assert min(after - before for before, after in pairwise(times)) >= 1.5


def test_zones_that_are_always_empty() -> None:
    """500 zones without data cost 17 requests and their halves at first, and ever fewer: some 200 in an hour."""
    cloud = Polling(zones=500)
    cloud.begin(recover=timedelta())
    polls = []
    for _ in range(60):
        before = len(cloud.reporting.queries)
        cloud.run(60)
        polls.append(len(cloud.reporting.queries) - before)
    assert 17 < polls[0] <= 2 * 17 + 8
    assert sum(polls) < 300
    assert sum(polls[30:]) < 50


def test_a_poll_that_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    """Where the requests need more time than the interval, polls follow each other, and one warning has the numbers."""
    cloud = Polling(zones=500)
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 10))
    cloud.begin(poll=timedelta(seconds=20), recover=timedelta())
    cloud.run(120)
    assert 4 * 17 <= len(cloud.reporting.queries) <= 5 * 17
    assert messages(caplog) == ["poll takes longer than its interval"]
    numbers = fields(caplog, "poll takes longer than its interval")
    assert (numbers["spaces"], numbers["requests"], numbers["interval_seconds"]) == (500, 17, 20)
    assert numbers["seconds"] == pytest.approx(17 * 1.75, abs=2)


def test_a_failure_is_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Butlr's outage is one warning, its end one line; the minutes of the outage are asked for afterwards."""
    cloud = Polling()
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 60))
    cloud.begin()
    cloud.run(1)
    name = "butlr_exporter_last_poll_success_timestamp_seconds"
    succeeded = cloud.sample(name)
    cloud.reporting.fails = lambda _: Unavailable("a failure inside Butlr's cloud")
    cloud.run(30 * 60)
    assert messages(caplog) == ["request to Butlr failed"]
    assert cloud.sample(name) == succeeded
    cloud.reporting.fails = lambda _: None
    cloud.reporting.queries.clear()
    cloud.run(120)
    assert cloud.reporting.asked(Kind.ZONE, "zone_1") >= {*range(-7, 30)}
    assert cloud.sample(name) == pytest.approx(cloud.now, abs=61)


def test_minutes_older_than_recover_are_left_out() -> None:
    """After an outage, no minute is asked for that is older than `recover`."""
    cloud = Polling()
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 600))
    cloud.begin(recover=timedelta(hours=5))
    cloud.run(900)
    cloud.reporting.fails = lambda _: Unavailable("later")
    cloud.run(8 * 3600)
    cloud.reporting.fails = lambda _: None
    cloud.reporting.queries.clear()
    begin = int(cloud.now - START_MS / 1000) // 60
    cloud.run(300)
    assert abs(min(cloud.reporting.asked(Kind.ZONE, "zone_1")) - (begin - 300)) <= 1
    assert cloud.reporting.asked(Kind.ZONE, "zone_1") >= {*range(begin - 299, begin)}


def test_a_failed_request_does_not_hold_up_others() -> None:
    """One bad answer costs its own minutes only; the next poll asks for them again."""
    cloud = Polling(zones=90)
    cloud.have(Kind.ROOM, {"room_a": Metadata(room_id="room_a")})
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 10))
    cloud.reporting.fill(Kind.ROOM, ["room_a"], range(-7, 10))
    cloud.reporting.fails = lambda query: BadAnswer("no") if "zone_0" in query.ids else None
    cloud.begin(poll_measurements=MEASUREMENT_NAMES)
    cloud.work()
    assert (len(cloud.values()), cloud.values(Kind.ROOM)) == (60, {"room_a": 1})
    assert cloud.metrics.cloud.last_poll_seconds == 0


@pytest.mark.parametrize(("error", "requests"), [(Unavailable("later"), 3), (Throttled("too many"), 1)])
def test_failures_in_a_row(error: CloudError, requests: int) -> None:
    """Two failures in a row end the poll of a kind; rejected credentials, 429 and no connection end it at once."""
    cloud = Polling(zones=90)
    cloud.have(Kind.ROOM, {"room_a": Metadata(room_id="room_a")})
    cloud.begin(poll_measurements=MEASUREMENT_NAMES, recover=timedelta())
    cloud.reporting.fails = lambda _: error
    cloud.work()
    assert len(cloud.reporting.queries) == requests


def test_points_that_are_not_used(caplog: pytest.LogCaptureFixture) -> None:
    """Bad points are counted, and one line has their reasons until there are others; good points are used."""
    cloud = Polling()
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 60))
    cloud.begin(recover=timedelta())
    cloud.reporting.dropped = Counter({Dropped.MALFORMED: 2, Dropped.NOT_ASKED: 1})
    cloud.run(300)
    cloud.reporting.dropped = Counter()
    cloud.run(300)
    cloud.reporting.dropped = Counter({Dropped.MALFORMED: 1, Dropped.NOT_ASKED: 4})
    cloud.run(300)
    line = "points of Butlr's answers not used"
    assert messages(caplog) == [line]
    assert fields(caplog, line)["points"] == "2 malformed, 1 not asked for"
    assert cloud.polled(Outcome.INVALID) == 5 * 3 + 5 * 5
    for reason in (Dropped.CONTRADICTORY, Dropped.MALFORMED, Dropped.CONTRADICTORY):
        cloud.reporting.dropped = Counter({reason: 1})
        cloud.run(60)
    assert messages(caplog) == [line, line]


def test_more_spaces_than_max_spaces(caplog: pytest.LogCaptureFixture) -> None:
    """Readings of spaces beyond `max_spaces` are counted, and one warning has the reason."""
    cloud = Polling(zones=3, max_spaces=2)
    cloud.reporting.fill(Kind.ZONE, cloud.zones, [-2])
    cloud.begin(recover=timedelta())
    cloud.run(200)
    assert len(cloud.values()) == 2
    assert cloud.polled(Outcome.OVERFLOW) >= 3
    assert messages(caplog) == ["points of Butlr's answers not used"]


def test_a_journal_that_cannot_be_written(caplog: pytest.LogCaptureFixture) -> None:
    """Readings are applied although the journal cannot be written, which is one warning."""
    cloud = Polling()
    cloud.journal = BrokenJournal(cloud.store)
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 10))
    cloud.begin(recover=timedelta())
    cloud.run(200)
    assert cloud.values() == {"zone_0": 1, "zone_1": 1}
    assert messages(caplog) == ["readings of Butlr's API not in the journal yet"]
    cloud.journal.is_broken = False
    cloud.run(60)
    cloud.journal.is_broken = True
    cloud.run(60)
    assert len(messages(caplog)) == 2


@pytest.mark.parametrize(("minutes", "answer_seconds"), [(20, 0.25), (1, 1200)])
def test_minutes_between_polls(minutes: int, answer_seconds: float) -> None:
    """No minute falls between two polls that are far apart, also without recovery."""
    cloud = Polling()
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 60))
    cloud.reporting.answer_seconds = answer_seconds
    cloud.begin(poll=timedelta(minutes=minutes), recover=timedelta())
    cloud.run(41 * 60)
    assert cloud.reporting.asked(Kind.ZONE, "zone_1") >= {*range(-7, 40)}
