"""The journal: how it is written, and made short again."""

import os
import shutil
import time
from pathlib import Path

import pytest

from exporter.events.model import Metadata
from exporter.journal import file as file_module
from exporter.journal import sqlite as journal_module
from exporter.journal.interface import JournalError
from exporter.journal.repair import open_file
from exporter.journal.sqlite import JournalGone, SqliteFile
from exporter.rule.space import SpaceState
from tests.support.deliveries import HOUR, NOW, delivery
from tests.support.journals import compact, file_of, files, full_disk, opened, restored, states
from tests.support.stores import readings, told


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a journal may be."""
    return str(tmp_path / "journal.db")


class Keyless(SpaceState):
    """A space that the file cannot save."""

    key = None  # type: ignore[assignment]


class TestWriting:
    """One write."""

    def test_all_or_nothing(self, path: str) -> None:
        """What fails in the middle has not begun."""
        store, _ = told(delivery(NOW), delivery(NOW, zone="zone_b"))
        first, second = store.states(store.keys())
        journal = open_file(path)
        with pytest.raises(JournalError):
            journal.save([first, Keyless(*second)])
        assert list(journal.spaces()) == []
        journal.save([first, second])
        assert len(list(journal.spaces())) == 2
        journal.close()

    def test_a_file_that_is_gone(self, path: str) -> None:
        """Is not written to, for the next start would not find it."""
        journal = SqliteFile(path)
        journal.append([delivery(NOW)], NOW)
        os.remove(path)
        time.sleep(0.06)
        with pytest.raises(JournalGone):
            journal.append([delivery(NOW)], NOW)
        Path(path).touch()
        time.sleep(0.06)
        with pytest.raises(JournalGone):
            journal.append([delivery(NOW)], NOW)
        journal.close()

    def test_retain(self, path: str) -> None:
        """Drops every space but those that are named; what returns is written anew."""
        store, _ = told(delivery(NOW), delivery(NOW, zone="zone_b"))
        states = store.states(store.keys())
        for returns in (False, True):
            journal = open_file(path)
            journal.save(states)
            journal.retain({"zone:zone_b", "zone:zone_c"})
            if returns:
                journal.save(states)
            journal.close()
            spaces = {space.id for space in restored(path).snapshot(NOW).spaces}
            assert spaces == ({"zone_a", "zone_b"} if returns else {"zone_b"})

    def test_names(self, path: str) -> None:
        """Are written when they are others than before, and after a write that failed."""
        events = [delivery(NOW - n, n, id=f"{n}", name=name) for n, name in enumerate("aab")]
        journal = open_file(path)
        journal.append(events[:2], NOW)
        with full_disk(), pytest.raises(JournalError, match="File too large"):
            journal.append(events[2:], NOW)
        journal.append(events[2:], NOW)
        told = list(journal.deliveries())
        assert told == [(event, NOW) for event in events]
        assert [entry.count(b"1st Floor") for entry in journal._contents()] == [1, 1]
        journal.close()

    def test_what_is_in_a_space_is_not_delivered_to_it(self, path: str) -> None:
        """Though its entry is still there; its names need not be written again."""
        events = [delivery(NOW - n, n, id=f"{n}") for n in range(3)]
        store, _ = told(*events[:2])
        journal = SqliteFile(path)
        journal.append(events[:1], NOW)
        journal.append(events[1:2], NOW)
        journal.begin_checkpoint()
        journal.save(store.states(["zone:zone_a"]))
        journal.append(events[2:], NOW)
        journal.close()
        journal = SqliteFile(path)
        assert list(journal.spaces()) == store.states(["zone:zone_a"])
        assert list(journal.deliveries()) == [(events[2], NOW)]
        assert [entry.count(b"1st Floor") for entry in journal._contents()] == [1, 0, 0]
        journal.close()

    def test_names_do_not_go_with_an_entry(self, path: str) -> None:
        """That is dropped, although its space was not saved: it may have been forgotten and be back."""
        journal = SqliteFile(path)
        journal.append([delivery(NOW)], NOW)
        checkpoint = journal.begin_checkpoint()
        journal.append([delivery(NOW - 1)], NOW)
        journal.end_checkpoint(checkpoint)
        while journal.remove_covered(checkpoint):
            pass
        journal.close()
        journal = SqliteFile(path)
        assert list(journal.deliveries()) == [(delivery(NOW - 1), NOW)]
        journal.close()

    def test_names_that_are_lost(self, path: str) -> None:
        """With an entry that was cut off: the next delivery brings them."""
        journal = SqliteFile(path)
        assert list(journal.deliveries()) == []
        journal.append([delivery(NOW)], NOW)
        journal.close()
        journal = SqliteFile(path)
        assert len(list(journal.deliveries())) == 1
        journal.append([delivery(NOW - 1)], NOW)
        journal._database.execute("DELETE FROM piece")
        journal.close()
        journal = SqliteFile(path)
        ((event, _),) = journal.deliveries()
        assert event == delivery(NOW - 1)._replace(metadata=Metadata(zone_id="zone_a"))
        journal.close()

    def test_what_is_long(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Half of what the spaces take, but not a little; what was there before the start counts."""
        monkeypatch.setattr(journal_module, "_FEW_BYTES", 500)
        store, _ = told(*[delivery(NOW, zone=f"zone_{zone}") for zone in range(20)])
        journal = SqliteFile(path)
        assert list(journal.deliveries()) == []
        journal.save(store.states(store.keys()))
        took = journal._space_bytes
        assert took > 2000
        for _ in range(2):
            written = 0
            while not journal.needs_compaction():
                if 500 < written < took / 2:
                    journal.close()
                    journal = SqliteFile(path)
                    assert len(list(journal.spaces())) == 20
                    assert list(journal.deliveries())
                    assert not journal.needs_compaction()
                journal.append([delivery(NOW)], NOW)
                size = sum(len(entry) for entry in journal._contents())
                assert size > written
                written = size
            assert took / 2 < written < took / 2 + 300
            journal.close()
            journal = SqliteFile(path)
            assert len(list(journal.spaces())) == 20
            assert not journal.needs_compaction()
            assert list(journal.deliveries())
            assert journal.needs_compaction()
            checkpoint = journal.begin_checkpoint()
            journal.save(store.states(store.keys()))
            assert journal.needs_compaction()  # until it is short again
            journal.append([delivery(NOW)], NOW)
            while journal.remove_covered(checkpoint):
                pass
            assert not journal.needs_compaction()
            assert 0 < journal._entry_bytes < 300
        journal.retain({"zone:zone_1"})
        assert list(journal._saved_at) == list(journal._metadata) == ["zone:zone_1"]
        journal.close()

    def test_only_what_came_after_a_space_was_saved(self, path: str) -> None:
        """Is delivered to it again, also after the log was emptied, and by another process."""
        for n in range(4):
            _, recorder = opened(path)
            recorder.apply([delivery(NOW - n, n, id=f"{n}")], NOW)
            journal = file_of(recorder)
            assert isinstance(journal, SqliteFile)
            assert len(list(journal.deliveries())) == 1
            compact(recorder)
            assert list(journal.deliveries()) == []
            recorder.close()
        assert readings(restored(path)) == {NOW - n: n for n in (3, 2, 1, 0)}


class TestShortening:
    """Of a log that has become long."""

    def test_deliveries_in_between(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Go on, at every step of it, and the process may end after any."""
        monkeypatch.setattr(file_module, "_CHUNK", 1)
        monkeypatch.setattr(journal_module, "_REMOVED_TOGETHER", 2)
        monkeypatch.setattr(journal_module, "_PIECE", 1)
        for numbers in (range(9), [9]):
            store, recorder = opened(path)
            for n in numbers:
                recorder.apply([delivery(NOW - n, n, id=f"{n}", zone=f"zone_{n % 3}")], NOW)
            if n < 9:
                recorder.close()
        copies = Path(path).parent / "copies"
        steps = 0

        def deliver(_: object) -> None:
            nonlocal steps
            steps += 1
            event = delivery(NOW - 100 - steps, steps, id=f"x{steps}", zone=f"zone_{steps % 5}", name=f"{steps}")
            recorder.apply([event], NOW)
            copies.mkdir()
            for file in files(path):
                shutil.copy(file, copies)
            assert states(restored(str(copies / "journal.db"))) == states(store)
            shutil.rmtree(copies)

        monkeypatch.setattr(file_module, "sleep", deliver)
        monkeypatch.setattr(SqliteFile, "sync", deliver)
        compact(recorder)
        assert steps == 3 + 1 + 1 + 4  # the spaces, their way to the disk, the log, and the pieces
        recorder.close()
        assert states(restored(path)) == states(store)

    def test_forgotten_zones(self, path: str) -> None:
        """Leave it."""
        store, recorder = opened(path)
        for zone in ("zone_a", "zone_b"):
            recorder.apply([delivery(NOW, zone=zone)], NOW)
        compact(recorder)
        later = NOW + 25 * HOUR
        recorder.apply([delivery(later)], later)
        store.snapshot(later)
        compact(recorder)
        recorder.close()
        assert [memory.space_id for memory in states(restored(path))] == ["zone_a"]
