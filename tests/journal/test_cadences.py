"""Motion survives a restart however the process ended; of detections only a sensor's life does."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.events.measures import Measure
from exporter.events.model import ReadingEvent
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from tests.support.crossings import crossing, sensor
from tests.support.crossings import event as crossing_event
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, G, delivery, names_of
from tests.support.journals import compact, copy_files, file_of, journal_of, opened, restored, states
from tests.support.stores import LIMITS, current, readings, spaces

DAY = 24 * HOUR


def motion(t: int, v: float, **more: object) -> ReadingEvent:
    """Return one event about motion in a room."""
    return delivery(t, v, zone="room_a", name="Birch", measure=Measure.MOTION, **more)  # type: ignore[arg-type]


def message(t: int, floor: str = "1st Floor") -> ReadingEvent:
    """Return one message of the sensor whose crossings are counted."""
    return delivery(t, 1, zone="sensor_a", id=f"e_{t}", measure=Measure.DETECTIONS)._replace(
        metadata=sensor(floor=floor)
    )


def seen(n: int, sensor: str = "sensor_a") -> ReadingEvent:
    """Return one message of a sensor."""
    return delivery(NOW + n, n, zone=sensor, id=f"e_{n}", measure=Measure.DETECTIONS)


@pytest.mark.parametrize("compacted", [False, True], ids=["entries", "saved"])
class TestMotion:
    """A journal keeps motion like any count."""

    def test_killed(self, tmp_path: Path, compacted: bool) -> None:
        """After SIGKILL a room has its motion, the time of the last change, its names and every reading."""
        store, recorder = opened(str(tmp_path / "journal.db"))
        events = [motion(NOW - MINUTE, 0, id="a"), motion(NOW, 1, generation=G), motion(NOW - 2 * MINUTE, 1, id="b")]
        for event in events:
            recorder.apply([event], NOW)
        if compacted:
            compact(recorder)
        after = restored(copy_files(str(tmp_path / "journal.db"), tmp_path / "killed"))
        recorder.close()
        assert states(after) == states(store)
        (count,) = current(after, "room_a").counts
        assert (count.measure, count.timestamp, count.value) == (Measure.MOTION, NOW, 1)
        assert current(after, "room_a").metadata == names_of(events[0].measure.kind, "room_a", "Birch")
        assert len(after.readings(Measure.MOTION, "room_a")) == 3
        assert [after.apply(event, NOW) for event in events] == [Outcome.DUPLICATE] * 3

    def test_kept_for_a_holiday(self, tmp_path: Path, compacted: bool) -> None:
        """A room that nobody enters for 14 days is known after a restart, and is forgotten by its last arrival."""
        path = str(tmp_path / "journal.db")
        _, recorder = opened(path)
        recorder.apply([motion(NOW, 0)], NOW)
        if compacted:
            compact(recorder)
        recorder.close()
        after = restored(path)
        snapshot = after.snapshot(NOW + 14 * DAY)
        assert [snapshot.is_fresh(space) for space in snapshot.spaces] == [True]
        assert after.snapshot(NOW + 14 * DAY + 1).spaces == []


def sensed(store: Store, now: int) -> list[tuple[float, str]]:
    """Return the people who came in below each sensor, and the floor of the sensor."""
    return [(space.counts[-1].value, space.metadata.floor_name) for space in spaces(store, now)]


@pytest.mark.parametrize("compacted", [False, True], ids=["entries", "saved"])
class TestEntryway:
    """A sensor that reports crossings, and detections in between."""

    def test_nobody_crosses_for_a_day(self, tmp_path: Path, compacted: bool) -> None:
        """Detections alone keep an entryway known, so its counters and ids are those of before after a restart."""
        path = str(tmp_path / "journal.db")
        store, recorder = opened(path)
        recorder.apply([crossing_event(crossing(0, 5))], NOW)
        if compacted:
            compact(recorder)
        for hour in range(1, 31):
            now = NOW + hour * HOUR
            assert recorder.apply([message(now)], now) == [Outcome.NEW]
        for ended in ("killed", "stopped"):
            if ended == "stopped":
                recorder.close()
            after = restored(copy_files(path, tmp_path / ended))
            assert sensed(after, now) == [(5, "1st Floor")]
            assert after.apply(crossing_event(crossing(0, 5)), now) is Outcome.DUPLICATE
            after.apply(crossing_event(crossing(1, 2, t=now + 23 * HOUR)), now + 23 * HOUR)
            assert sensed(after, now + 23 * HOUR) == [(7, "1st Floor")]
        assert sensed(store, now + 24 * HOUR) == sensed(restored(path), now + 24 * HOUR) == [(5, "1st Floor")]
        assert sensed(store, now + 24 * HOUR + 1) == sensed(restored(path), now + 24 * HOUR + 1) == []

    def test_forgotten_alike(self, tmp_path: Path, compacted: bool) -> None:
        """A silence that forgets the entryway, or nearly does, has the same effect when the journal is read back."""
        for after_ms in (24 * HOUR - 1, 24 * HOUR, 24 * HOUR + 1, 24 * HOUR + MINUTE, 24 * HOUR + 2 * MINUTE):
            path = str(tmp_path / f"{after_ms}.db")
            store, recorder = opened(path)
            recorder.apply([crossing_event(crossing(0, 5))], NOW)
            recorder.apply([message(NOW + HOUR)], NOW + HOUR)
            recorder.apply([message(NOW + HOUR + MINUTE - 1)], NOW + HOUR + MINUTE - 1)
            if compacted:
                compact(recorder)
            now = NOW + HOUR + after_ms
            recorder.apply([crossing_event(crossing(1, 2, t=now))], now)
            recorder.close()
            assert sensed(restored(path), now) == sensed(store, now)

    def test_renamed_by_a_message(self, tmp_path: Path, compacted: bool) -> None:
        """After a kill an entryway has the names of the message that renamed it."""
        path = str(tmp_path / "journal.db")
        store, recorder = opened(path)
        recorder.apply([crossing_event(crossing(0, 5), sensor(floor="1st"))], NOW)
        recorder.apply([message(NOW + 1, "1st")], NOW + 1)
        if compacted:
            compact(recorder)
        ahead, now = NOW // 1000 + 1000, NOW // 1000  # a clock that is ahead must not freeze the names either
        for floor, generation in (("2nd", ahead), ("3rd", now), ("4th", now - 1)):
            recorder.apply([message(NOW + 2, floor)._replace(id=floor, generation=generation)], NOW + 2)
        recorder.apply([crossing_event(crossing(1, 2), sensor(floor="1st"))], NOW + 3)
        after = restored(copy_files(path, tmp_path / "killed"))
        recorder.close()
        assert sensed(after, NOW + 3) == sensed(store, NOW + 3) == [(7, "3rd")]

    def test_an_outage(self, tmp_path: Path, compacted: bool) -> None:
        """Detections are accepted during an outage, and keep the entryway known once the journal is written again."""
        path = str(tmp_path / "journal.db")
        _, recorder = opened(path)
        recorder.apply([delivery(), crossing_event(crossing(0, 5))], NOW)
        if compacted:
            compact(recorder)
        journal_of(recorder).outage = "disk full"
        assert recorder.apply([message(NOW + 20 * HOUR)], NOW + 20 * HOUR) == [Outcome.NEW]
        recorder.maintain()
        recorder.close()
        assert sensed(restored(path), NOW + 40 * HOUR) == [(5, "1st Floor")]


class TestDetections:
    """A journal has no value of detections, and nothing of a sensor that has nothing else."""

    def test_one_entry_a_minute(self, tmp_path: Path) -> None:
        """A sensor with crossings brings an entry each minute, however many messages it sends, and no value of them."""
        path = str(tmp_path / "journal.db")
        store, recorder = opened(path)
        recorder.apply([crossing_event(crossing(0, 5))], NOW)
        file, number = file_of(recorder), 0
        for n in range(1, 1001):
            before = file.entry_bytes
            recorder.apply([message(NOW + n * SECOND)], NOW + n * SECOND)
            number += file.entry_bytes > before
        assert number == 1000 // 60
        after = restored(copy_files(path, tmp_path / "killed"))
        recorder.close()
        assert [len(space.counts) for each in (store, after) for space in spaces(each)] == [2, 1]

    def test_never_forgotten(self, tmp_path: Path) -> None:
        """With `forget_after` 0 there is one entry a minute as well, for a restart with another setting."""
        limits = replace(LIMITS, forget_after=0)
        path = str(tmp_path / "journal.db")
        _, recorder = opened(path, limits)
        recorder.apply([crossing_event(crossing(0, 5))], NOW)
        for n in range(1, 31):
            recorder.apply([message(NOW + n * HOUR), message(NOW + n * HOUR + 1)], NOW + n * HOUR)
        recorder.close()
        assert sensed(restored(path), NOW + 30 * HOUR) == [(5, "1st Floor")]

    def test_forgotten_by_a_restart(self, tmp_path: Path) -> None:
        """A message does not bring back an entryway that a shorter `forget_after` has forgotten before it."""
        path = str(tmp_path / "journal.db")
        _, recorder = opened(path)
        recorder.apply([crossing_event(crossing(0, 5))], NOW)
        recorder.apply([message(NOW + 20 * HOUR)], NOW + 20 * HOUR)
        recorder.close()
        assert len(restored(path, replace(LIMITS, forget_after=HOUR))) == 0

    def test_a_short_life(self, tmp_path: Path) -> None:
        """A `forget_after` of seconds forgets no entryway whose messages come more often."""
        limits = replace(LIMITS, forget_after=3 * SECOND)
        store, recorder = opened(str(tmp_path / "journal.db"), limits)
        recorder.apply([crossing_event(crossing(0, 5))], NOW)
        for n in range(1, 60):
            recorder.apply([message(NOW + n * SECOND)], NOW + n * SECOND)
        recorder.close()
        assert sensed(store, NOW + 62 * SECOND) == [(5, "1st Floor")]

    def test_no_entry(self, tmp_path: Path) -> None:
        """A thousand messages leave the files of the journal as they were, and a restart knows no sensor."""
        path = str(tmp_path / "journal.db")
        store, recorder = opened(path)
        recorder.apply([delivery()], NOW)
        before = file_of(recorder).entry_bytes
        for n in range(1000):
            assert recorder.apply([seen(n)], NOW + n) == [Outcome.NEW]
        assert file_of(recorder).entry_bytes == before
        assert len(store) == 2
        after = restored(copy_files(path, tmp_path / "killed"))
        recorder.close()
        assert [space.id for space in spaces(after)] == ["zone_a"]

    def test_a_compaction_leaves_them_out(self, tmp_path: Path) -> None:
        """A compaction saves every other space, and goes on with a store that has sensors alone."""
        path = str(tmp_path / "journal.db")
        _, recorder = opened(path)
        recorder.apply([seen(n, f"sensor_{n}") for n in range(90)], NOW)
        compact(recorder)
        recorder.apply([delivery(), seen(251)], NOW)
        compact(recorder)
        recorder.close()
        after = restored(path)
        assert [space.id for space in spaces(after)] == ["zone_a"]
        assert readings(after) == {NOW: 1}

    def test_an_outage_does_not_wait_for_them(self, tmp_path: Path) -> None:
        """An outage ends although a store has nothing but sensors, none of which is unsaved."""
        path = str(tmp_path / "journal.db")
        _, recorder = opened(path)
        journal = journal_of(recorder)
        journal.outage = "disk full"
        assert recorder.apply([seen(1)], NOW) == [Outcome.NEW]
        assert journal._unsaved == {}
        journal.maintain()
        assert journal.outage is None
        assert recorder.apply([delivery()], NOW) == [Outcome.NEW]
        recorder.close()
        assert [space.id for space in spaces(restored(path))] == ["zone_a"]


def test_a_sensor_without_readings_in_memory() -> None:
    """A state that a journal returns never has detections, so a restored store begins without them."""
    store, again = Store(LIMITS), Store(LIMITS)
    for event in (seen(1), motion(NOW, 1), delivery()):
        store.apply(event, NOW)
    again.restore(store.states(store.keys()))
    assert {space.id for space in again.snapshot(NOW).spaces} == {"room_a", "zone_a"}
