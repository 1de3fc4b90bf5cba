"""The file of a journal: a store that is restored equals the one before, and a foreign or damaged file is refused."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given

from exporter.events.measures import IN_MEMORY, Measure
from exporter.events.model import ReadingEvent
from exporter.journal import sqlite as journal_module
from exporter.journal.database import VERSION
from exporter.journal.interface import JournalError
from exporter.journal.repair import TRUNCATED, open_file
from tests.support.deliveries import HOUR, MINUTE, MINUTE_MEASURES, NOW, G, deliveries, delivery, place
from tests.support.journals import compact, opened, recorded, restored, states
from tests.support.paths import MEMORY
from tests.support.stores import LIMITS, applied, readings, spaces


@pytest.mark.parametrize("compacted", [False, True])
class TestRestored:
    """A store restored from entries, and one restored from saved spaces."""

    def test_it_equals_the_one_before(self, path: str, compacted: bool) -> None:
        """Values, generations, deliveries, metadata and the newest of two measures are the same as before."""
        events = [
            delivery(NOW - MINUTE, 2.5, generation=G, name="old"),
            delivery(NOW - MINUTE, 3, generation=G + 60, name="new"),
            delivery(NOW, 4, id="a", name="ünïcödé \n'\""),
            delivery(NOW - 2 * MINUTE, 1, generation=G, measure=Measure.ZONE_OCCUPANCY_1MIN),
            delivery(NOW, 5, zone="zone_b"),
            *[delivery(NOW, v, measure=measure) for v, measure in enumerate(MINUTE_MEASURES)],
        ]
        before = recorded(path, *events, compacted=compacted)
        after = restored(path)
        assert states(after) == states(before)
        assert spaces(after) == spaces(before)

    def test_an_old_delivery_is_still_a_duplicate(self, path: str, compacted: bool) -> None:
        """A delivery that was corrected or superseded before the stop is a duplicate after it, and undoes nothing."""
        first, second = delivery(NOW, 1, id="a"), delivery(NOW, 2, id="b")
        late = delivery(NOW - 1, 7, generation=G + 1)
        superseded = delivery(NOW - 1, 6, generation=G)
        recorded(path, first, second, late, superseded, compacted=compacted)
        after = restored(path)
        assert [after.apply(event, NOW) for event in (first, second, late, superseded)] == ["duplicate"] * 4
        assert readings(after) == {NOW: 2, NOW - 1: 7}

    def test_the_newest_names_stay(self, path: str, compacted: bool) -> None:
        """An earlier computation of the newest reading does not bring an old name back, for either measure."""
        recorded(path, delivery(NOW, 1, generation=G + 1, name="new"), compacted=compacted)
        after = restored(path)
        smoothed = Measure.ZONE_OCCUPANCY_1MIN
        after.apply(delivery(NOW, 1, generation=G, name="old", measure=smoothed), NOW)
        assert place(after.snapshot(NOW).spaces[0]).zone_name == "new"

    def test_a_generation_that_cannot_be_true_stays_unknown(self, path: str, compacted: bool) -> None:
        """The computation of a clock that is ahead does not freeze its reading after a restart either."""
        recorded(path, delivery(NOW, 9, generation=G + 3665), compacted=compacted)
        after = restored(path)
        assert after.apply(delivery(NOW, 4, generation=G + 5), NOW) == "corrected"
        assert after.apply(delivery(NOW, 5, generation=G + 4), NOW) == "superseded"
        assert readings(after) == {NOW: 4}

    def test_a_reading_that_left_the_window_stays_late(self, path: str, compacted: bool) -> None:
        """A reading that left the window does not come back, also where the window is longer after the restart."""
        recorded(path, delivery(NOW - 15 * MINUTE), delivery(NOW - 14 * MINUTE), delivery(NOW), compacted=compacted)
        assert list(readings(restored(path))) == [NOW - 14 * MINUTE, NOW]
        longer = restored(path, replace(LIMITS, window=HOUR))
        assert longer.apply(delivery(NOW - 15 * MINUTE), NOW) == ("late" if compacted else "duplicate")
        assert restored(path).apply(delivery(NOW - 15 * MINUTE), NOW) == "late"

    @given(events=deliveries())
    def test_a_restart_anywhere_changes_nothing(self, events: list[ReadingEvent], compacted: bool) -> None:
        """A store that is restarted between any deliveries ends as one that runs on, whichever are delivered again.

        A journal does not keep detections, so there are none among them.
        """
        events = [event for event in events if event.measure not in IN_MEMORY]
        half = len(events) // 2
        with TemporaryDirectory(dir=MEMORY) as folder:
            path = f"{folder}/journal.db"
            recorded(path, *events[: half // 2], compacted=compacted)
            recorded(path, *events[half // 2 : half], compacted=False)
            after = restored(path)
        outcomes = [after.apply(event, NOW) for event in events[half:]]
        before, all_outcomes = applied(*events, limits=LIMITS, now=NOW)
        assert outcomes == all_outcomes[half:]
        assert spaces(after) == spaces(before)
        assert states(after) == states(before)

    def test_a_long_stop_forgets_spaces(self, path: str, compacted: bool) -> None:
        """A space that had no delivery for longer than `forget_after` does not come back."""
        recorded(path, delivery(NOW), delivery(NOW, zone="zone_b"), compacted=compacted)
        assert restored(path).snapshot(NOW + 24 * HOUR).spaces
        assert restored(path).snapshot(NOW + 24 * HOUR + 1).spaces == []

    def test_a_stop_makes_spaces_stale(self, path: str, compacted: bool) -> None:
        """A space whose newest reading is too old comes back as stale."""
        recorded(path, delivery(NOW), compacted=compacted)
        snapshot = restored(path).snapshot(NOW + HOUR)
        assert not snapshot.is_fresh(snapshot.spaces[0])

    def test_a_forgotten_space_returns_without_its_past(self, path: str, compacted: bool) -> None:
        """A space that was forgotten and returns has only its new readings, though the old entries are still there."""
        recorded(path, delivery(NOW, 50), delivery(NOW, 3, measure=Measure.ZONE_OCCUPANCY_1MIN), compacted=compacted)
        store, recorder = opened(path)
        later = NOW + 25 * HOUR
        recorder.apply([delivery(NOW - n * MINUTE, 7, id=f"b{n}") for n in (1, 2)], later)
        recorder.close()
        assert states(restored(path)) == states(store)
        assert readings(store) == readings(restored(path)) == {NOW - 2 * MINUTE: 7, NOW - MINUTE: 7}

    def test_new_limits_hold(self, path: str, compacted: bool) -> None:
        """A shorter window, and a lower number of deliveries, hold for the restored store."""
        recorded(path, *[delivery(NOW - n * MINUTE, n, id=f"{n}") for n in range(10)], compacted=compacted)
        shorter = restored(path, replace(LIMITS, window=5 * MINUTE))
        assert list(readings(shorter)) == [NOW - n * MINUTE for n in range(4, -1, -1)]
        assert shorter.apply(delivery(NOW - 5 * MINUTE, id="x"), NOW) == "late"
        fewer = restored(path, replace(LIMITS, max_deliveries=3))
        assert list(readings(fewer)) == [NOW - 2 * MINUTE, NOW - MINUTE, NOW]

    def test_a_reading_dropped_to_bound_memory_stays_late(self, path: str, compacted: bool) -> None:
        """A reading that was one too many to remember is late after the restart, also under a higher limit."""
        _, recorder = opened(path, replace(LIMITS, max_deliveries=3))
        for n in range(5):
            event = delivery(NOW - (4 - n) * MINUTE, n, id=f"{n}")
            recorder.apply([event], NOW)
        if compacted:
            compact(recorder)
        recorder.close()
        after = restored(path) if compacted else restored(path, replace(LIMITS, max_deliveries=3))
        assert after.apply(delivery(NOW - 3 * MINUTE, id="x"), NOW) == "late"

    def test_no_acknowledged_event_is_refused(self, path: str, compacted: bool) -> None:
        """Fewer spaces and a smaller tolerance of fast clocks refuse nothing that was acknowledged before."""
        events = [delivery(NOW + MINUTE, 1, zone=f"zone_{zone}") for zone in range(3)]
        before = recorded(path, *events, compacted=compacted)
        assert states(restored(path, replace(LIMITS, max_spaces=1, future_tolerance=0))) == states(before)


def test_the_window_bounds_the_size(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file does not grow with the time that the exporter runs."""
    monkeypatch.setattr(journal_module, "_FEW_BYTES", 1000)
    sizes = []
    for hour in range(1, 6):
        store, recorder = opened(path)
        for n in range(60):
            event = delivery(NOW + (60 * hour + n) * MINUTE, n, id=f"{n}")
            recorder.apply([event], event.timestamp)
            recorder.maintain()
        recorder.close()
        assert states(restored(path)) == states(store)
        sizes.append(Path(path).stat().st_size)
    assert max(sizes) < 20_000


class TestRefused:
    """Files that are refused, and stay as they are."""

    @staticmethod
    def refusal(path: str) -> str:
        """Return the reason for which a file is refused; the folder must be as before."""

        def folder() -> dict[str, bytes]:
            return {file.name: file.read_bytes() for file in Path(path).parent.iterdir()}

        before = folder()
        with pytest.raises(JournalError) as refused:
            open_file(path)
        assert folder() == before
        return str(refused.value)

    @pytest.mark.parametrize("content", [b"hello", b"x" * 5000, b"SQLite format 3\0", b"\0"])
    def test_a_foreign_file(self, path: str, content: bytes) -> None:
        """A file that is no journal is not overwritten."""
        Path(path).write_bytes(content)
        assert self.refusal(path) == f"{path} is not a journal of butlr-exporter; choose another path"

    def test_a_database_of_another_program(self, path: str) -> None:
        """A SQLite file that is no journal is not touched."""
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE precious (data)")
        assert "is not a journal of butlr-exporter" in self.refusal(path)

    def test_a_newer_version(self, path: str) -> None:
        """A file of a later version is not read as if it were of this one."""
        open_file(path).close()
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"PRAGMA user_version = {VERSION + 1}")
        assert "was written by a later version of butlr-exporter" in self.refusal(path)

    def test_an_older_version(self, path: str) -> None:
        """A file from before the first release is not read as if it were of this version."""
        open_file(path).close()
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 1")
        assert "was written before the first release of butlr-exporter; move it away" in self.refusal(path)

    def test_a_file_in_use(self, path: str) -> None:
        """A second process is refused while the first has the file open, and not afterwards."""
        code = (
            "import sys; from exporter.journal.repair import open_file\n"
            "journal = open_file(sys.argv[1]); print(flush=True); input()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            other.stdout.readline()
            assert self.refusal(path) == f"{path} is in use by another process; end that one, or choose another path"
            other.communicate(b"\n")
        open_file(path).close()

    def test_two_processes_at_once(self, path: str) -> None:
        """One of two processes that open a new file together gets it; the other one is refused."""
        code = (
            "import sys; from exporter.journal import database; from exporter.journal.repair import open_file as o\n"
            "database._LOCK_TIMEOUT = 0.5\n"
            "try: j = o(sys.argv[1])\n"
            "except Exception as error: print(error)\n"
            "else: print('open', flush=True); input()"
        )
        for _ in range(3):
            both = [
                subprocess.Popen(
                    [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
                for _ in range(2)
            ]
            lines = [process.stdout.readline() for process in both if process.stdout]
            for process in both:
                process.communicate("\n")
            assert [line.partition(";")[0] for line in sorted(lines)] == [
                f"{path} is in use by another process",
                "open\n",
            ]

    def test_an_interrupted_creation(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process that ends while it creates a file leaves nothing that hinders the next start."""
        for left_over in (f"{path}.{os.getpid()}", f"{path}.{os.getpid()}-journal"):
            Path(left_over).write_bytes(b"half a database")

        def interrupted(*_: str) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(os, "link", interrupted)
            with pytest.raises(KeyboardInterrupt):
                open_file(path)
        assert list(Path(path).parent.iterdir()) == []
        assert recorded(path, delivery()).keys() == ["zone:zone_a"]

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        """A path without a folder, or with a folder in place of the file, is refused with the reason."""
        with pytest.raises(JournalError, match=f"there is no folder {tmp_path}/no"):
            open_file(str(tmp_path / "no" / "journal.db"))
        with pytest.raises(JournalError, match="is not a file"):
            open_file(str(tmp_path))

    def test_a_log_without_its_file(self, path: str) -> None:
        """A missing file is no new journal while SQLite's write-ahead log holds a part of it."""
        Path(f"{path}-wal").write_bytes(b"x" * 100)
        assert "is missing, although its log" in self.refusal(path)
        Path(path).touch()
        assert "is missing, although its log" in self.refusal(path)

    @pytest.mark.parametrize("name", [":memory:", "file:x.db?mode=memory", "a%20b?c#d", " ", "ünïcödé"])
    def test_odd_names(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name to which SQLite gives a meaning of its own is a name, also while the file is repaired."""
        monkeypatch.chdir(tmp_path)
        recorded(name, *[delivery(NOW - n * MINUTE, zone=f"zone_{zone}") for zone in range(9) for n in range(14)])
        assert [file.name for file in tmp_path.iterdir()] == [name]
        before = len(states(restored(name)))
        Path(name).write_bytes(Path(name).read_bytes()[:-1])
        assert before / 2 < len(states(restored(name))) < before
        assert {file.name for file in tmp_path.iterdir()} == {name, name + TRUNCATED}

    def test_any_damage_is_an_error(self, path: str) -> None:
        """A file with any bytes changed is read, or refused with a JournalError."""
        recorded(path, *[delivery(NOW - n * MINUTE, n, zone=f"zone_{zone}") for zone in range(9) for n in range(9)])
        content = Path(path).read_bytes()
        random = Random(1)
        refused = 0
        for _ in range(300):
            damaged = bytearray(content)
            for _ in range(random.randint(1, 20)):
                damaged[random.randrange(len(damaged))] = random.randrange(256)
            for left_over in Path(path).parent.iterdir():
                left_over.unlink()
            Path(path).write_bytes(damaged)
            try:
                restored(path)
            except JournalError:
                refused += 1
        assert refused > 100

    def test_a_corrupt_file(self, path: str) -> None:
        """A file whose damage shows only while it is read is refused, with the remedies."""
        recorded(path, *[delivery(NOW - n * MINUTE, zone=f"zone_{zone}") for zone in range(50) for n in range(14)])
        content = bytearray(Path(path).read_bytes())
        content[4096 * 2 :] = os.urandom(len(content) - 4096 * 2)
        Path(path).write_bytes(content)
        with pytest.raises(JournalError, match=r"is corrupt .*; restore it from a copy, or move it away"):
            restored(path)

    def test_a_space_under_another_id(self, path: str) -> None:
        """An undamaged record in the row of another space is refused."""
        recorded(path, delivery())
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE space SET key = 'zone:zone_b'")
            database.commit()
        with pytest.raises(JournalError, match=r"is corrupt \(the record of a space is damaged\)"):
            restored(path)
