"""The end of a journal: its log goes into the file, or stays where it is."""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from exporter.journal.interface import JournalError
from exporter.journal.log import Logs, log_numbers, log_path
from exporter.journal.sqlite import SqliteFile
from tests.support.deliveries import NOW, delivery
from tests.support.journals import files, full_disk, killed, opened, recorded, restored, restored_ids, states


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a journal may be."""
    return str(tmp_path / "journal.db")


class TestTakenIn:
    """At the end, the log goes into the file."""

    def test_it_leaves_one_file(self, path: str) -> None:
        """Which is all there is to copy, and what was killed in between does not matter."""
        for n in range(3):
            killed(path, f"zone_{n}")
        assert log_numbers(path) == [1, 2, 3]
        recorded(path, delivery(zone="zone_x"), compacted=False)
        assert files(path) == [path]
        os.rename(path, f"{path}.elsewhere")
        assert restored_ids(f"{path}.elsewhere") == ["zone_0", "zone_1", "zone_2", "zone_x"]

    def test_it_is_removed_when_it_is_in_the_file(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """And on the disk there, not only in SQLite's log: power may be lost."""
        journal = SqliteFile(path)
        assert list(journal.deliveries()) == []
        journal.append([delivery()], NOW)
        remove, removed = Logs.remove, []

        def looking(self: Logs, number: int) -> None:
            shutil.copy(path, f"{path}.copy")
            assert restored_ids(f"{path}.copy") == ["zone_a"]
            remove(self, number)
            removed.append(number)

        monkeypatch.setattr(Logs, "remove", looking)
        journal.close()
        assert removed == [1]

    def test_a_log_that_was_taken_in_already(self, path: str) -> None:
        """Is not delivered again: the end came before it was removed."""
        killed(path, "zone_a", "zone_b")
        log = Path(log_path(path, 1)).read_bytes()
        before = states(restored(path))
        for _ in range(2):
            Path(log_path(path, 1)).write_bytes(log)
            journal = SqliteFile(path)
            assert list(journal.spaces()) == []
            assert [event.space_id for event, _ in journal.deliveries()] == ["zone_a", "zone_b"]
            journal.close()
        assert states(restored(path)) == before

    def test_it_has_full_disk(self, path: str) -> None:
        """So it stays beside the file, and comes back."""
        journal = SqliteFile(path)
        assert list(journal.deliveries()) == []
        for zone in range(20):
            journal.append([delivery(zone=f"zone_{zone:02}")], NOW)
        with full_disk():
            journal.close()
        assert log_numbers(path) == [1]
        assert len(restored_ids(path)) == 20
        assert files(path) == [path]

    def test_what_cannot_be_read(self, path: str) -> None:
        """Stays as it is, so that it can be mended."""
        recorded(path, delivery(), compacted=False)
        killed(path, "zone_b")
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE piece SET records = x'00'")
            database.commit()
        log = Path(log_path(path, 2)).read_bytes()
        with pytest.raises(JournalError, match="is corrupt"):
            opened(path)
        assert Path(log_path(path, 2)).read_bytes() == log

    def test_the_file_is_gone(self, path: str) -> None:
        """Then nothing is taken in, and nothing removed."""
        journal = SqliteFile(path)
        assert list(journal.deliveries()) == []
        journal.append([delivery()], NOW)
        os.rename(path, f"{path}.away")
        time.sleep(0.06)
        journal.close()
        assert log_numbers(path) == [1]
        os.rename(f"{path}.away", path)
        assert restored_ids(path) == ["zone_a"]

    def test_the_bytes_are_counted(self, path: str) -> None:
        """However often it starts, so that it does become short."""
        sizes = []
        for n in range(3):
            recorded(path, delivery(NOW - n, id=f"{n}"), compacted=False)
            journal = SqliteFile(path)
            assert list(journal.spaces()) == []
            assert len(list(journal.deliveries())) == n + 1
            sizes.append(journal._entry_bytes)
            journal.close()
        assert 0 < sizes[0] < sizes[1] < sizes[2]
