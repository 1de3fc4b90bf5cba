"""Motion survives a restart however the process ended; detections are in memory alone."""

from pathlib import Path

import pytest

from exporter.events.measures import Measure
from exporter.events.model import ReadingEvent
from exporter.rule.outcome import Outcome
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, MINUTE, NOW, G, delivery, names_of
from tests.support.journals import compact, copy_files, file_of, journal_of, opened, restored, states
from tests.support.stores import LIMITS, current, readings, spaces

DAY = 24 * HOUR


def motion(t: int, v: float, **more: object) -> ReadingEvent:
    """Return one event about motion in a room."""
    return delivery(t, v, zone="room_a", name="Birch", measure=Measure.MOTION, **more)  # type: ignore[arg-type]


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


class TestDetections:
    """A journal has nothing of detections."""

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
