"""The logs beside a journal: how they are written, which journal they belong to, and when they are removed."""

import os
import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from exporter.journal.interface import JournalError
from exporter.journal.log import Log, Logs, log_numbers, log_path
from exporter.journal.records import Truncated, frame
from exporter.journal.repair import open_file
from exporter.journal.sqlite import SqliteFile
from tests.support.deliveries import NOW, delivery
from tests.support.journals import (
    begun,
    compact,
    file_of,
    files,
    full_disk,
    killed,
    opened,
    recorded,
    remove_entries,
    restored,
    restored_ids,
)
from tests.support.records import read


class TestWriting:
    """A log that is written."""

    def test_a_write_that_fails_halfway(self, tmp_path: Path) -> None:
        """A record that was written in part is replaced by the next one, also by a shorter one."""
        log = Log(str(tmp_path / "log"), b"12345678")
        log.append(frame(b"first"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "log").stat().st_size + 30, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                log.append(frame(b"second" * 99))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        content = (tmp_path / "log").read_bytes()[16:]
        assert len(content) > 30
        assert read(content) == ([b"first"], Truncated)
        log.append(frame(b"3"))
        log.append(frame(b"4"))
        log.close()
        assert read((tmp_path / "log").read_bytes()[16:]) == ([b"first", b"3", b"4"], None)

    def test_a_full_disk(self, path: str) -> None:
        """A log that cannot be created leaves no file, and the next attempt creates it."""
        journal = SqliteFile(path)
        for _ in range(2):
            with (
                full_disk(),
                pytest.raises(JournalError, match=f"^{path} cannot be written: it may not grow further"),
            ):
                journal.start()
            assert log_numbers(path) == []
        for _ in range(2):
            journal.start()
            assert log_numbers(path) == [1]
        journal.append([delivery()], NOW)
        journal.close()
        assert restored_ids(path) == ["zone_a"]

    def test_the_file_cannot_note_the_log(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """No entry goes to a log that the file could not note; the next attempt begins another log."""
        journal = SqliteFile(path)

        def full(*_: object) -> int:
            raise JournalError("full")

        files_open = len(os.listdir("/proc/self/fd"))
        with monkeypatch.context() as patched:
            patched.setattr(journal, "_write", full)
            with pytest.raises(JournalError, match="full"):
                journal.start()
        assert len(os.listdir("/proc/self/fd")) == files_open
        journal.start()
        journal.append([delivery(zone="zone_b")], NOW)
        assert log_numbers(path) == [1, 2]
        journal.close()
        assert restored_ids(path) == ["zone_b"]

    def test_a_log_that_is_gone(self, path: str) -> None:
        """A log that was removed or replaced is noticed by a check."""
        journal = begun(path)
        journal.append([delivery()], NOW)
        journal.check()
        Path(log_path(path, 1)).rename(f"{path}.away")
        with pytest.raises(JournalError, match=rf"{path}-log.1 is gone"):
            journal.check()
        Path(log_path(path, 1)).touch()
        with pytest.raises(JournalError, match=rf"{path}-log.1 is gone"):
            journal.check()
        journal.close()

    def test_a_sync_that_fails(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Forcing SQLite's write-ahead log to the disk reports a failure."""
        journal = SqliteFile(path)
        synced = []
        monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
        journal.sync()
        assert synced == [f"{path}-wal"]
        os.remove(f"{path}-wal")
        with pytest.raises(JournalError, match=rf"^{path}-wal cannot be written: it is missing; give it back$"):
            journal.sync()
        journal.close()


class TestBeside:
    """The logs that belong to a file."""

    def test_each_run_has_its_own(self, path: str) -> None:
        """After SIGKILL the next run writes another log, and `maintain` soon removes the older one."""
        killed(path, "zone_a")
        assert log_numbers(path) == [1]
        _, recorder = opened(path)
        assert log_numbers(path) == [1, 2]
        recorder.apply([delivery(zone="zone_b")], NOW)
        recorder.maintain()
        assert log_numbers(path) == [3]
        recorder.apply([delivery(zone="zone_c")], NOW)
        recorder.maintain()
        assert log_numbers(path) == [3]
        recorder.close()
        assert restored_ids(path) == ["zone_a", "zone_b", "zone_c"]

    def test_a_missing_log(self, path: str) -> None:
        """A journal does not open without a log that it needs, as acknowledged events would be missing."""
        killed(path, "zone_a")
        os.remove(log_path(path, 1))
        for _ in range(2):
            with pytest.raises(JournalError) as refused:
                open_file(path)
            assert str(refused.value) == (
                f"{path} is without its log {path}-log.1; restore the log, or move {path} away to start with no spaces"
            )

    def test_a_missing_log_among_others(self, path: str) -> None:
        """A journal does not open without each of the logs that it needs."""
        for zone in ("zone_a", "zone_b", "zone_c"):
            killed(path, zone)
        os.remove(log_path(path, 2))
        with pytest.raises(JournalError, match=rf"{path} is without its log {path}-log.2; restore the log"):
            open_file(path)

    def test_saved_spaces_that_are_lost(self, path: str) -> None:
        """A file that lost its newest saved spaces is recognised by the log that was removed for them."""
        recorded(path, delivery(), compacted=False)
        content = Path(path).read_bytes()
        _, recorder = opened(path)
        for zone in ("zone_b", "zone_c"):
            recorder.apply([delivery(zone=zone)], NOW)
        compact(recorder)
        recorder.apply([delivery(zone="zone_d")], NOW)
        file_of(recorder).abandon()
        assert log_numbers(path) == [3]
        Path(path).write_bytes(content)
        with pytest.raises(JournalError, match=rf"{path} is without its log {path}-log.2; restore the log"):
            open_file(path)

    @pytest.mark.parametrize("column", ["journal = 'x'", "journal = x'00'", "oldest = 'x'", "newest = 'x'"])
    def test_a_damaged_row_about_the_logs(self, path: str, column: str) -> None:
        """A file with a damaged row about its logs does not open, and is left to the next attempt."""
        recorded(path, delivery())
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"UPDATE log SET {column}")  # noqa: S608 - one of the above
            database.commit()
        reasons = []
        for _ in range(2):
            with pytest.raises(JournalError) as refused:
                open_file(path)
            reasons.append(refused)  # with the frames of the attempt, so that nothing is closed by chance
        assert all("is corrupt (the row about its logs is damaged)" in str(reason.value) for reason in reasons)

    def test_the_name_of_a_log_reaches_the_disk_first(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The folder is forced to the disk before the file notes that it needs the log."""
        journal = SqliteFile(path)
        done: list[object] = []
        monkeypatch.setattr(os, "fsync", lambda file: done.append(os.readlink(f"/proc/self/fd/{file}")))
        monkeypatch.setattr(journal, "_write", lambda *written: done.append(written))
        journal.start()
        assert done == [str(Path(path).parent), ("UPDATE log SET newest = ?", [(1,)])]

    def test_a_removed_log_is_not_missed(self, path: str) -> None:
        """A file opens without a log that a compaction removed, also after a kill before the next entry."""
        _, recorder = opened(path)
        recorder.apply([delivery()], NOW)
        compact(recorder)
        assert log_numbers(path) == [2]
        file_of(recorder).abandon()
        assert restored_ids(path) == ["zone_a"]

    def test_a_missing_file(self, path: str) -> None:
        """A missing file is no new journal while one of its logs is there."""
        killed(path, "zone_a")
        for name in (path, f"{path}-wal"):
            os.remove(name)
        with pytest.raises(JournalError, match=rf"{path} is missing, although its log {path}-log.1 is there; restore"):
            open_file(path)
        assert files(path) == [log_path(path, 1)] or not Path(path).exists()

    def test_a_log_of_another_journal(self, path: str, tmp_path: Path) -> None:
        """A log that belongs to another journal is not read."""
        killed(path, "zone_a")
        other = str(tmp_path / "other.db")
        killed(other, "zone_b")
        os.replace(log_path(other, 1), log_path(path, 1))
        with pytest.raises(JournalError) as refused:
            restored(path)
        assert str(refused.value) == f"{path}-log.1 belongs to another journal than {path}; move it away"

    def test_numbers(self, path: str) -> None:
        """Names that end in a number are logs, in the order of their numbers."""
        for end in ("99", "100", "x", "", "\N{SUPERSCRIPT TWO}", "1.copy"):
            Path(f"{path}-log.{end}").touch()
        Path(f"{path}x-log.7").touch()
        assert log_numbers(path) == [99, 100]

    def test_no_number_is_given_twice(self, path: str) -> None:
        """A new log has another number than every removed one, so that it is not removed in its place."""
        logs = Logs(path, b"12345678", 1, 0)
        logs.begin().close()
        logs.remove(1)
        logs.begin().close()
        assert logs.numbers == log_numbers(path) == [2]

    def test_a_foreign_file_in_its_place(self, path: str) -> None:
        """A file that has the name of the next log is not overwritten."""
        journal = SqliteFile(path)
        Path(log_path(path, 1)).write_bytes(b"precious")
        with pytest.raises(JournalError, match=rf"^{path}-log.1 cannot be written: a file is in its place; move that"):
            journal.start()
        assert Path(log_path(path, 1)).read_bytes() == b"precious"
        os.remove(log_path(path, 1))
        journal.start()
        journal.append([delivery()], NOW)
        journal.close()

    def test_a_log_that_cannot_be_removed(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A log that cannot be removed is an error, and the next attempt removes it."""
        journal = begun(path)
        journal.append([delivery()], NOW)
        checkpoint = journal.begin_checkpoint(journal.begin_log())

        def denied(_: str) -> None:
            raise PermissionError(1, "Operation not permitted")

        with monkeypatch.context() as patched:
            patched.setattr(os, "remove", denied)
            with pytest.raises(JournalError, match=rf"^{path} cannot be removed: user \d+ has no permission; let"):
                journal.remove_log(checkpoint)
        remove_entries(journal, checkpoint)
        assert log_numbers(path) == [2]
        journal.close()

    def test_abandoning_a_file_keeps_its_logs(self, path: str) -> None:
        """The logs of an abandoned file stay until all spaces are saved again."""
        journal = begun(path)
        journal.append([delivery()], NOW)
        os.remove(f"{path}-wal")
        journal.abandon()
        assert log_numbers(path) == [1]
        assert restored_ids(path) == ["zone_a"]

    @pytest.mark.parametrize("name", [":memory:", "file:x.db?mode=memory", "a%20b?c#d", "[a]*", " "])
    def test_odd_names(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name to which SQLite or a pattern gives a meaning of its own is a name."""
        monkeypatch.chdir(tmp_path)
        journal = open_file(name)
        journal.start()
        journal.append([delivery()], NOW)
        assert log_numbers(name) == [1]
        journal.abandon()
        assert restored_ids(name) == ["zone_a"]
        assert [file.name for file in tmp_path.iterdir()] == [name]
