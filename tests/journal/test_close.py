"""Closing a journal: its logs are moved into the file, or stay beside it."""

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from exporter.journal.interface import JournalError
from exporter.journal.log import Logs, log_numbers, log_path
from tests.support.deliveries import NOW, delivery
from tests.support.journals import begun, files, full_disk, killed, opened, recorded, restored, restored_ids, states


class TestMoved:
    """Closing moves the logs into the file."""

    def test_it_leaves_one_file(self, path: str) -> None:
        """One file is all there is to copy, also after several kills."""
        for n in range(3):
            killed(path, f"zone_{n}")
        assert log_numbers(path) == [1, 2, 3]
        recorded(path, delivery(zone="zone_x"), compacted=False)
        assert files(path) == [path]
        os.rename(path, f"{path}.elsewhere")
        assert restored_ids(f"{path}.elsewhere") == ["zone_0", "zone_1", "zone_2", "zone_x"]

    def test_a_log_is_removed_after_it_was_moved(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A log is removed only when the file itself has its entries, not only SQLite's write-ahead log."""
        journal = begun(path)
        assert list(journal.deliveries()) == []
        journal.append([delivery()], NOW)
        remove, removed = Logs.remove, []

        def check_and_remove(self: Logs, number: int) -> None:
            shutil.copy(path, f"{path}.copy")
            assert restored_ids(f"{path}.copy") == ["zone_a"]
            remove(self, number)
            removed.append(number)

        monkeypatch.setattr(Logs, "remove", check_and_remove)
        journal.close()
        assert removed == [1]

    def test_a_log_that_was_not_removed(self, path: str) -> None:
        """A log that was moved into the file and not removed is not applied again."""
        killed(path, "zone_a", "zone_b")
        log = Path(log_path(path, 1)).read_bytes()
        before = states(restored(path))
        for _ in range(2):
            Path(log_path(path, 1)).write_bytes(log)
            journal = begun(path)
            assert list(journal.spaces()) == []
            assert [event.space_id for event, _ in journal.deliveries()] == ["zone_a", "zone_b"]
            journal.close()
        assert states(restored(path)) == before

    def test_a_full_disk(self, path: str) -> None:
        """A log that does not fit into the file stays beside it, and the next start reads it."""
        journal = begun(path)
        assert list(journal.deliveries()) == []
        for zone in range(20):
            journal.append([delivery(zone=f"zone_{zone:02}")], NOW)
        with full_disk():
            journal.close()
        assert log_numbers(path) == [1]
        assert len(restored_ids(path)) == 20
        assert files(path) == [path]

    def test_a_damaged_file(self, path: str) -> None:
        """A file that cannot be read stays as it is, so that it can be repaired."""
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
        """No log is moved or removed when the file is not in its place."""
        journal = begun(path)
        assert list(journal.deliveries()) == []
        journal.append([delivery()], NOW)
        os.rename(path, f"{path}.away")
        time.sleep(0.06)
        journal.close()
        assert log_numbers(path) == [1]
        os.rename(f"{path}.away", path)
        assert restored_ids(path) == ["zone_a"]

    def test_entries_of_earlier_runs_count(self, path: str) -> None:
        """The bytes of all entries count towards a compaction, however often the exporter starts."""
        sizes = []
        for n in range(3):
            recorded(path, delivery(NOW - n, id=f"{n}"), compacted=False)
            journal = begun(path)
            assert list(journal.spaces()) == []
            assert len(list(journal.deliveries())) == n + 1
            sizes.append(journal.entry_bytes)
            journal.close()
        assert 0 < sizes[0] < sizes[1] < sizes[2]
