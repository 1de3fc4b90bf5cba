"""The journal: what is kept comes back, in every shape, and what is no journal is refused and left alone."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given

from exporter.events.measures import Measure
from exporter.events.model import OccupancyEvent
from exporter.journal import sqlite as journal_module
from exporter.journal.database import VERSION
from exporter.journal.interface import JournalError
from exporter.journal.repair import TRUNCATED, open_file
from tests.support.deliveries import HOUR, MINUTE, NOW, G, deliveries, delivery
from tests.support.journals import compact, opened, recorded, restored, states
from tests.support.stores import LIMITS, readings, spaces, told


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a journal may be."""
    return str(tmp_path / "journal.db")


@pytest.mark.parametrize("saved", [False, True])
class TestThereAndBack:
    """What a store knows before and after, whether it is kept as deliveries or as spaces."""

    def test_everything_comes_back(self, path: str, saved: bool) -> None:
        """Values, generations, deliveries, names, and what is the newest of two measures."""
        events = [
            delivery(NOW - MINUTE, 2.5, generation=G, name="old"),
            delivery(NOW - MINUTE, 3, generation=G + 60, name="new"),
            delivery(NOW, 4, id="a", name="ünïcödé \n'\""),
            delivery(NOW - 2 * MINUTE, 1, generation=G, measure=Measure.ZONE_OCCUPANCY_1MIN),
            delivery(NOW, 5, zone="zone_b"),
        ]
        before = recorded(path, *events, compacted=saved)
        after = restored(path)
        assert states(after) == states(before)
        assert spaces(after) == spaces(before)

    def test_an_old_delivery_is_still_a_duplicate(self, path: str, saved: bool) -> None:
        """Also one that was superseded, and it does not undo a correction."""
        first, second = delivery(NOW, 1, id="a"), delivery(NOW, 2, id="b")
        late = delivery(NOW - 1, 7, generation=G + 1)
        superseded = delivery(NOW - 1, 6, generation=G)
        recorded(path, first, second, late, superseded, compacted=saved)
        after = restored(path)
        assert [after.apply(event, NOW) for event in (first, second, late, superseded)] == ["duplicate"] * 4
        assert readings(after) == {NOW: 2, NOW - 1: 7}

    def test_the_names_of_the_newest_reading(self, path: str, saved: bool) -> None:
        """An earlier computation of it does not bring the old name back, for either measure."""
        recorded(path, delivery(NOW, 1, generation=G + 1, name="new"), compacted=saved)
        after = restored(path)
        smoothed = Measure.ZONE_OCCUPANCY_1MIN
        after.apply(delivery(NOW, 1, generation=G, name="old", measure=smoothed), NOW)
        assert after.snapshot(NOW).spaces[0].metadata.zone_name == "new"

    def test_what_has_left_the_window_is_late(self, path: str, saved: bool) -> None:
        """And does not come back."""
        recorded(path, delivery(NOW - 15 * MINUTE), delivery(NOW - 14 * MINUTE), delivery(NOW), compacted=saved)
        assert list(readings(restored(path))) == [NOW - 14 * MINUTE, NOW]
        longer = restored(path, replace(LIMITS, window=HOUR))
        assert longer.apply(delivery(NOW - 15 * MINUTE), NOW) == ("late" if saved else "duplicate")
        assert restored(path).apply(delivery(NOW - 15 * MINUTE), NOW) == "late"

    @given(events=deliveries())
    def test_a_store_that_was_interrupted_anywhere(
        self, tmp_path_factory: pytest.TempPathFactory, events: list[OccupancyEvent], saved: bool
    ) -> None:
        """Ends as one that was not, whatever is delivered again."""
        path = str(tmp_path_factory.mktemp("journal") / "journal.db")
        half = len(events) // 2
        recorded(path, *events[: half // 2], compacted=saved)
        recorded(path, *events[half // 2 : half], compacted=False)
        after = restored(path)
        outcomes = [after.apply(event, NOW) for event in events[half:]]
        before, all_outcomes = told(*events, limits=LIMITS, now=NOW)
        assert outcomes == all_outcomes[half:]
        assert spaces(after) == spaces(before)
        assert states(after) == states(before)

    def test_forgotten_zones(self, path: str, saved: bool) -> None:
        """Do not come back after a long stop."""
        recorded(path, delivery(NOW), delivery(NOW, zone="zone_b"), compacted=saved)
        assert restored(path).snapshot(NOW + 24 * HOUR).spaces
        assert restored(path).snapshot(NOW + 24 * HOUR + 1).spaces == []

    def test_stale_zones(self, path: str, saved: bool) -> None:
        """Come back as stale."""
        recorded(path, delivery(NOW), compacted=saved)
        snapshot = restored(path).snapshot(NOW + HOUR)
        assert not snapshot.is_fresh(snapshot.spaces[0])

    def test_a_zone_that_returns_after_it_was_forgotten(self, path: str, saved: bool) -> None:
        """Brings nothing back of what was before, although the journal was not shortened in between."""
        recorded(path, delivery(NOW, 50), delivery(NOW, 3, measure=Measure.ZONE_OCCUPANCY_1MIN), compacted=saved)
        store, recorder = opened(path)
        later = NOW + 25 * HOUR
        recorder.apply([delivery(NOW - n * MINUTE, 7, id=f"b{n}") for n in (1, 2)], later)
        recorder.close()
        assert states(restored(path)) == states(store)
        assert readings(store) == readings(restored(path)) == {NOW - 2 * MINUTE: 7, NOW - MINUTE: 7}

    def test_other_limits_than_before(self, path: str, saved: bool) -> None:
        """Hold for what comes back: a shorter window, and fewer deliveries remembered."""
        recorded(path, *[delivery(NOW - n * MINUTE, n, id=f"{n}") for n in range(10)], compacted=saved)
        shorter = restored(path, replace(LIMITS, window=5 * MINUTE))
        assert list(readings(shorter)) == [NOW - n * MINUTE for n in range(4, -1, -1)]
        assert shorter.apply(delivery(NOW - 5 * MINUTE, id="x"), NOW) == "late"
        fewer = restored(path, replace(LIMITS, max_deliveries=3))
        assert list(readings(fewer)) == [NOW - 2 * MINUTE, NOW - MINUTE, NOW]

    def test_what_was_one_too_many_stays_late(self, path: str, saved: bool) -> None:
        """Also where more may be remembered then."""
        _, recorder = opened(path, replace(LIMITS, max_deliveries=3))
        for n in range(5):
            event = delivery(NOW - (4 - n) * MINUTE, n, id=f"{n}")
            recorder.apply([event], NOW)
        if saved:
            compact(recorder)
        recorder.close()
        after = restored(path) if saved else restored(path, replace(LIMITS, max_deliveries=3))
        assert after.apply(delivery(NOW - 3 * MINUTE, id="x"), NOW) == "late"

    def test_what_was_acknowledged_is_not_refused_later(self, path: str, saved: bool) -> None:
        """By narrower limits: fewer zones, and a smaller tolerance of clocks that are ahead."""
        events = [delivery(NOW + MINUTE, 1, zone=f"zone_{zone}") for zone in range(3)]
        before = recorded(path, *events, compacted=saved)
        assert states(restored(path, replace(LIMITS, max_spaces=1, future_tolerance=0))) == states(before)


def test_its_size_is_bounded_by_the_window(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it runs."""
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
    """Files that are not taken, and stay as they are."""

    @staticmethod
    def refusal(path: str) -> str:
        """Return why a file is refused, which must leave the folder as it was."""

        def folder() -> dict[str, bytes]:
            return {file.name: file.read_bytes() for file in Path(path).parent.iterdir()}

        before = folder()
        with pytest.raises(JournalError) as refused:
            open_file(path)
        assert folder() == before
        return str(refused.value)

    @pytest.mark.parametrize("content", [b"hello", b"x" * 5000, b"SQLite format 3\0", b"\0"])
    def test_foreign(self, path: str, content: bytes) -> None:
        """What is no journal is not overwritten."""
        Path(path).write_bytes(content)
        assert self.refusal(path) == f"{path} is not a journal of butlr-exporter; choose another path"

    def test_another_programs_database(self, path: str) -> None:
        """It is SQLite, and not ours."""
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE precious (data)")
        assert "is not a journal of butlr-exporter" in self.refusal(path)

    def test_newer(self, path: str) -> None:
        """What a later version wrote is not read as if it were of this one."""
        open_file(path).close()
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"PRAGMA user_version = {VERSION + 1}")
        assert "was written by a later version of butlr-exporter" in self.refusal(path)

    def test_older(self, path: str) -> None:
        """Nor what was written before the first release."""
        open_file(path).close()
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 1")
        assert "was written before the first release of butlr-exporter; move it away" in self.refusal(path)

    def test_in_use(self, path: str) -> None:
        """By another process; afterwards it can be had."""
        code = (
            "import sys; from exporter.journal.repair import open_file\n"
            "journal = open_file(sys.argv[1]); print(flush=True); input()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other:
            assert other.stdout is not None
            other.stdout.readline()
            assert self.refusal(path) == f"{path} is in use by another process"
            other.communicate(b"\n")
        open_file(path).close()

    def test_two_begin_at_once(self, path: str) -> None:
        """One of them gets it."""
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
            assert sorted(lines) == [f"{path} is in use by another process\n", "open\n"]

    def test_the_end_while_it_is_made(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Leaves nothing that the next start stumbles over."""
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

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        """Says so."""
        with pytest.raises(JournalError, match=f"there is no folder {tmp_path}/no"):
            open_file(str(tmp_path / "no" / "journal.db"))
        with pytest.raises(JournalError, match="is not a file"):
            open_file(str(tmp_path))

    def test_a_log_without_its_file(self, path: str) -> None:
        """It holds what is missing, so this is not a new journal."""
        Path(f"{path}-wal").write_bytes(b"x" * 100)
        assert "is missing, although its log" in self.refusal(path)
        Path(path).touch()
        assert "is missing, although its log" in self.refusal(path)

    @pytest.mark.parametrize("name", [":memory:", "file:x.db?mode=memory", "a%20b?c#d", " ", "ünïcödé"])
    def test_odd_names_are_names(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where SQLite would take them for something else, and for a file that was cut off."""
        monkeypatch.chdir(tmp_path)
        recorded(name, *[delivery(NOW - n * MINUTE, zone=f"zone_{zone}") for zone in range(9) for n in range(14)])
        assert [file.name for file in tmp_path.iterdir()] == [name]
        before = len(states(restored(name)))
        Path(name).write_bytes(Path(name).read_bytes()[:-1])
        assert before / 2 < len(states(restored(name))) < before
        assert {file.name for file in tmp_path.iterdir()} == {name, name + TRUNCATED}

    def test_any_damage_is_told(self, path: str) -> None:
        """Whatever is flipped, it is read or refused, and never anything else."""
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

    def test_corrupt(self, path: str) -> None:
        """Is refused when it is read, with what to do."""
        recorded(path, *[delivery(NOW - n * MINUTE, zone=f"zone_{zone}") for zone in range(50) for n in range(14)])
        content = bytearray(Path(path).read_bytes())
        content[4096 * 2 :] = os.urandom(len(content) - 4096 * 2)
        Path(path).write_bytes(content)
        with pytest.raises(JournalError, match=r"is corrupt .*; restore it from a copy, or move it away"):
            restored(path)

    def test_a_space_under_another_id(self, path: str) -> None:
        """Is not what was written, though its record is whole."""
        recorded(path, delivery())
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE space SET key = 'zone:zone_b'")
            database.commit()
        with pytest.raises(JournalError, match=r"is corrupt \(the record of a space is damaged\)"):
            restored(path)
