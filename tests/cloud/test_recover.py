"""Recovery: the minutes that were missed, before the start and while no events came."""

import logging
from datetime import timedelta

import pytest

from exporter.butlr.errors import Unavailable
from exporter.events.measures import Kind, Measure
from exporter.events.model import Metadata
from exporter.rule.outcome import Outcome
from tests.support.deliveries import HOUR, MINUTE, delivery
from tests.support.polling import START_MS, Polling


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the log lines of recoveries."""
    found = [record.getMessage() for record in caplog.records]
    return [line for line in found if line.startswith("recover")]


def test_after_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    """Without polling, a restart has the minutes asked for from the last reading of the journal, the newest first."""
    caplog.set_level(logging.INFO)
    before = [delivery(START_MS - 5 * HOUR, generation=START_MS // 1000 - 5 * 3600, zone="zone_0")]
    cloud = Polling(before=before)
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-600, 0))
    cloud.begin(poll=None)
    cloud.run(60)
    assert cloud.reporting.asked(Kind.ZONE, "zone_1") == {*range(-307, 0)}
    starts = [query.start_ms for query in cloud.reporting.queries]
    assert starts == sorted(starts, reverse=True)
    assert cloud.values() == {"zone_0": 1, "zone_1": 1}
    assert cloud.polled(Outcome.NEW) + cloud.polled(Outcome.BACKFILLED) >= 2
    assert cloud.polled() == 2 * 307
    assert lines(caplog) == ["recovery begins", "recovered"]


def test_minutes_that_fit_the_window() -> None:
    """Recovered minutes take their place in the rule where they fit the window; older ones are late."""
    before = [delivery(START_MS - HOUR, generation=START_MS // 1000 - 3600, zone="zone_0")]
    cloud = Polling(zones=1, before=before)
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-600, 0))
    cloud.begin(poll=None)
    cloud.deliver(delivery(START_MS, 4, generation=START_MS // 1000, zone="zone_0"))
    cloud.run(60)
    readings = cloud.store.readings(Measure.ZONE_OCCUPANCY_1MIN, "zone_0")
    assert [reading.timestamp for reading in readings] == [START_MS - n * MINUTE for n in range(15, 0, -1)]
    assert cloud.polled(Outcome.LATE) == 67 - 15


@pytest.mark.parametrize("age", [0, 1, 4])
def test_a_short_restart(age: int) -> None:
    """Butlr sends each minute for five minutes: after a shorter pause nothing is missing."""
    cloud = Polling(before=[delivery(START_MS - age * MINUTE, zone="zone_0")])
    cloud.begin(poll=None)
    cloud.run(600)
    assert not cloud.reporting.queries


def test_nothing_known_and_no_poll() -> None:
    """Without polling, an exporter that knows nothing recovers nothing."""
    cloud = Polling()
    cloud.begin(poll=None)
    cloud.run(600)
    assert not cloud.reporting.queries


def test_no_recovery() -> None:
    """With `recover` 0 only the last minutes are asked for, although the journal ends long ago."""
    cloud = Polling(before=[delivery(START_MS - 5 * HOUR, zone="zone_0")])
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-600, 0))
    cloud.begin(recover=timedelta())
    cloud.run(50)
    assert cloud.reporting.asked(Kind.ZONE, "zone_0") == {*range(-7, 0)}


def test_polls_go_first() -> None:
    """A recovery of hours does not delay polls: each is as punctual as without one."""
    cloud = Polling(zones=31)
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-360, 10))
    cloud.begin(recover=timedelta(hours=5))
    cloud.run(200)
    newest = [at for at, q in zip(cloud.reporting.times, cloud.reporting.queries, strict=True) if q.stop_ms >= START_MS]
    polls = [at - START_MS / 1000 for at in newest[::2]]
    assert len(polls) == 4
    assert all(60 * n <= at < 60 * n + 4 for n, at in enumerate(polls))
    assert cloud.reporting.asked(Kind.ZONE, "zone_30") >= {*range(-295, 0)}


def test_events_after_a_silence(caplog: pytest.LogCaptureFixture) -> None:
    """When events come again after a silence, the minutes since the last reading before it are asked for."""
    caplog.set_level(logging.INFO)
    cloud = Polling()
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-600, 600))
    cloud.begin(poll=None)
    for _ in range(10):
        cloud.deliver(delivery(cloud.now_ms, generation=int(cloud.now), zone="zone_0"))
        cloud.run(60)
    assert not cloud.reporting.queries
    cloud.run(1800)
    assert not cloud.reporting.queries
    cloud.deliver(delivery(cloud.now_ms, generation=int(cloud.now), zone="zone_0"))
    cloud.run(60)
    end = int(cloud.now - START_MS / 1000) // 60 - 1
    assert cloud.reporting.asked(Kind.ZONE, "zone_1") >= {*range(9 - 7, end)}
    assert lines(caplog) == ["recovery begins", "recovered"]
    cloud.reporting.queries.clear()
    cloud.run(120)
    assert not cloud.reporting.queries


def test_kinds_that_are_polled(caplog: pytest.LogCaptureFixture) -> None:
    """After a silence only those kinds are recovered that no poll reads: the others miss nothing."""
    caplog.set_level(logging.INFO)
    cloud = Polling()
    cloud.have(Kind.ROOM, {"room_a": Metadata(room_id="room_a")})
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-600, 600))
    cloud.begin(poll_measurements=("zone_occupancy",), recover=timedelta(hours=1))
    room = delivery(START_MS, zone="room_a", measure=Measure.ROOM_OCCUPANCY)
    cloud.deliver(delivery(START_MS, zone="zone_0"), room)
    cloud.run(1800)
    caplog.clear()
    cloud.deliver(delivery(cloud.now_ms, zone="zone_0"))
    cloud.run(120)
    assert lines(caplog) == ["recovery begins", "recovered"]
    assert cloud.reporting.asked(Kind.ROOM, "room_a") >= {*range(-7, 30)}


def test_an_outage_during_a_recovery(caplog: pytest.LogCaptureFixture) -> None:
    """A recovery that fails is tried again each minute, with one warning, until it is complete."""
    caplog.set_level(logging.INFO)
    cloud = Polling(before=[delivery(START_MS - 5 * HOUR, zone="zone_0")])
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-600, 0))
    cloud.reporting.fails = lambda _: Unavailable("later") if len(cloud.reporting.queries) > 1 else None
    cloud.begin(poll=None)
    cloud.run(600)
    assert 5 < len(cloud.reporting.queries) < 15
    assert [record.getMessage() for record in caplog.records].count("request to Butlr failed") == 1
    cloud.reporting.fails = lambda _: None
    cloud.run(120)
    assert cloud.reporting.asked(Kind.ZONE, "zone_1") >= {*range(-307, 0)}
    assert lines(caplog) == ["recovery begins", "recovered"]


def test_a_recovery_that_fails_for_longer_than_recover(caplog: pytest.LogCaptureFixture) -> None:
    """A recovery whose minutes have become too old ends with a warning, and its failure lasts no longer."""
    caplog.set_level(logging.INFO)
    cloud = Polling(before=[delivery(START_MS - 5 * HOUR, zone="zone_0")])
    cloud.reporting.fails = lambda _: Unavailable("later")
    cloud.begin(poll=None, recover=timedelta(hours=6))
    cloud.run(1800)
    assert cloud.outages.reasons() == {"recover minutes": "later"}
    cloud.run(7 * 3600)
    assert lines(caplog) == ["recovery begins", "recovery ended early"]
    assert not cloud.outages.reasons()
    cloud.reporting.queries.clear()
    cloud.run(3600)
    assert not cloud.reporting.queries


def test_a_recovery_does_not_rename() -> None:
    """Recovered minutes keep the names that the journal holds."""
    before = [delivery(START_MS - HOUR, zone="zone_0", name="Sofa")]
    cloud = Polling(before=before)
    cloud.list_zones(zone_name="Desk")
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-600, 0))
    cloud.begin(poll=None)
    cloud.run(60)
    assert cloud.names("zone_0") == before[0].metadata
    assert cloud.names("zone_1")._asdict()["zone_name"] == "Desk"


def test_motion_is_nothing_to_recover() -> None:
    """Only people are recovered: a room that has only ever sent motion is not asked for."""
    motion = delivery(START_MS - HOUR, 1, zone="room_a", measure=Measure.MOTION)
    cloud = Polling(before=[motion])
    cloud.begin(poll=None)
    cloud.run(120)
    assert not cloud.reporting.queries
