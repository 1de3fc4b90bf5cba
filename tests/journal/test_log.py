"""The log beside a journal: what is written to it, where it belongs, and when it goes into the file."""

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
from tests.support.journals import compact, file_of, files, full_disk, killed, opened, recorded, restored, restored_ids
from tests.support.records import read


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a journal may be."""
    return str(tmp_path / "journal.db")


class TestWriting:
    """One write."""

    def test_what_was_half_written(self, tmp_path: Path) -> None:
        """Is nowhere, also when less is written then."""
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

    def test_full_disk_at_all(self, path: str) -> None:
        """Leaves nothing, and it goes on when there is some."""
        journal = SqliteFile(path)
        for _ in range(2):
            with full_disk(), pytest.raises(JournalError, match=rf"^{path}: File too large$"):
                journal.append([delivery()], NOW)
            assert log_numbers(path) == []
        journal.append([delivery()], NOW)
        assert log_numbers(path) == [1]
        journal.close()
        assert restored_ids(path) == ["zone_a"]

    def test_the_file_cannot_tell_of_it(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """So nothing was kept, and the next is another one."""
        journal = SqliteFile(path)

        def full(*_: object) -> int:
            raise JournalError("full")

        files_open = len(os.listdir("/proc/self/fd"))
        with monkeypatch.context() as patched:
            patched.setattr(journal, "_write", full)
            with pytest.raises(JournalError, match="full"):
                journal.append([delivery()], NOW)
        assert len(os.listdir("/proc/self/fd")) == files_open
        journal.append([delivery(zone="zone_b")], NOW)
        assert log_numbers(path) == [1, 2]
        journal.close()
        assert restored_ids(path) == ["zone_b"]

    def test_one_that_is_gone(self, path: str) -> None:
        """Is noticed when somebody looks, also if another is in its place."""
        journal = SqliteFile(path)
        journal.append([delivery()], NOW)
        journal.check()
        Path(log_path(path, 1)).rename(f"{path}.away")
        with pytest.raises(JournalError, match=rf"{path}-log.1 is gone"):
            journal.check()
        Path(log_path(path, 1)).touch()
        with pytest.raises(JournalError, match=rf"{path}-log.1 is gone"):
            journal.check()
        journal.close()

    def test_it_does_not_reach_the_disk(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """That is told."""
        journal = SqliteFile(path)
        synced = []
        monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
        journal.sync()
        assert synced == [f"{path}-wal"]
        os.remove(f"{path}-wal")
        with pytest.raises(JournalError, match="No such file"):
            journal.sync()
        journal.close()


class TestBeside:
    """Which logs belong to a file."""

    def test_every_life_has_its_own(self, path: str) -> None:
        """After SIGKILL the next goes on with another one, and soon there is one again."""
        killed(path, "zone_a")
        _, recorder = opened(path)
        recorder.maintain()
        assert log_numbers(path) == [1]
        recorder.apply([delivery(zone="zone_b")], NOW)
        assert log_numbers(path) == [1, 2]
        recorder.maintain()
        assert log_numbers(path) == []
        recorder.apply([delivery(zone="zone_c")], NOW)
        recorder.maintain()
        assert log_numbers(path) == [3]
        recorder.close()
        assert restored_ids(path) == ["zone_a", "zone_b", "zone_c"]

    def test_it_is_not_there(self, path: str) -> None:
        """The file does not start without it, as it would not be what was acknowledged."""
        killed(path, "zone_a")
        os.remove(log_path(path, 1))
        for _ in range(2):
            with pytest.raises(JournalError) as refused:
                open_file(path)
            assert str(refused.value) == (
                f"{path} is without its log {path}-log.1; restore the log, or move {path} away to start with no spaces"
            )

    def test_an_older_one_is_not_there(self, path: str) -> None:
        """Nor without any other of which the zones are not saved."""
        for zone in ("zone_a", "zone_b", "zone_c"):
            killed(path, zone)
        os.remove(log_path(path, 2))
        with pytest.raises(JournalError, match=rf"{path} is without its log {path}-log.2; restore the log"):
            open_file(path)

    def test_the_zones_are_not_there(self, path: str) -> None:
        """For which a log was dropped, as what SQLite kept of them is lost: that is seen by the log."""
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
    def test_what_is_told_of_it_is_damaged(self, path: str, column: str) -> None:
        """That is no journal that can be gone on with."""
        recorded(path, delivery())
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"UPDATE log SET {column}")  # noqa: S608 - one of the above
            database.commit()
        with pytest.raises(JournalError, match=r"is corrupt \(the row about its logs is damaged\)"):
            open_file(path)

    def test_the_folder_reaches_the_disk_first(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Before the file says that the log must be there."""
        journal = SqliteFile(path)
        done: list[object] = []
        monkeypatch.setattr(os, "fsync", lambda file: done.append(os.readlink(f"/proc/self/fd/{file}")))
        monkeypatch.setattr(journal, "_write", lambda *written: done.append(written))
        journal.append([delivery()], NOW)
        assert done == [str(Path(path).parent), ("UPDATE log SET newest = ?", [(1,)])]

    def test_it_is_dropped(self, path: str) -> None:
        """And the file does not miss it, even if it is killed before there is another."""
        _, recorder = opened(path)
        recorder.apply([delivery()], NOW)
        compact(recorder)
        assert log_numbers(path) == []
        file_of(recorder).abandon()
        assert restored_ids(path) == ["zone_a"]

    def test_the_file_is_not_there(self, path: str) -> None:
        """The log holds what is missing, so this is not a new journal."""
        killed(path, "zone_a")
        for name in (path, f"{path}-wal"):
            os.remove(name)
        with pytest.raises(JournalError, match=rf"{path} is missing, although its log {path}-log.1 is there; restore"):
            open_file(path)
        assert files(path) == [log_path(path, 1)] or not Path(path).exists()

    def test_that_of_another_journal(self, path: str, tmp_path: Path) -> None:
        """Is not read."""
        killed(path, "zone_a")
        other = str(tmp_path / "other.db")
        killed(other, "zone_b")
        os.replace(log_path(other, 1), log_path(path, 1))
        with pytest.raises(JournalError) as refused:
            restored(path)
        assert str(refused.value) == f"{path}-log.1 belongs to another journal than {path}; move it away"

    def test_numbers(self, path: str) -> None:
        """Are numbers; a hundred comes after ninety-nine."""
        for end in ("99", "100", "x", "", "\N{SUPERSCRIPT TWO}", "1.copy"):
            Path(f"{path}-log.{end}").touch()
        Path(f"{path}x-log.7").touch()
        assert log_numbers(path) == [99, 100]

    def test_no_number_is_given_twice(self, path: str) -> None:
        """While it is open, so that the new one is not dropped for the old."""
        logs = Logs(path, b"12345678", 1, 0)
        logs.begin().close()
        logs.remove(1)
        logs.begin().close()
        assert logs.numbers == log_numbers(path) == [2]

    def test_another_file_in_its_place(self, path: str) -> None:
        """Is not written to."""
        journal = SqliteFile(path)
        Path(log_path(path, 1)).write_bytes(b"precious")
        with pytest.raises(JournalError, match=rf"^{path}-log.1: File exists$"):
            journal.append([delivery()], NOW)
        assert Path(log_path(path, 1)).read_bytes() == b"precious"
        os.remove(log_path(path, 1))
        journal.append([delivery()], NOW)
        journal.close()

    def test_one_that_cannot_be_removed(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """That is told, and tried again."""
        journal = SqliteFile(path)
        journal.append([delivery()], NOW)
        checkpoint = journal.begin_checkpoint()

        def denied(_: str) -> None:
            raise PermissionError(1, "Operation not permitted")

        with monkeypatch.context() as patched:
            patched.setattr(os, "remove", denied)
            with pytest.raises(JournalError, match=rf"^{path}: Operation not permitted$"):
                journal.remove_covered(checkpoint)
        while journal.remove_covered(checkpoint):
            pass
        assert log_numbers(path) == []
        journal.close()

    def test_of_a_file_that_is_there(self, path: str) -> None:
        """They stay until all is written anew."""
        journal = SqliteFile(path)
        journal.append([delivery()], NOW)
        os.remove(f"{path}-wal")
        journal.abandon()
        assert log_numbers(path) == [1]
        assert restored_ids(path) == ["zone_a"]

    @pytest.mark.parametrize("name", [":memory:", "file:x.db?mode=memory", "a%20b?c#d", "[a]*", " "])
    def test_odd_names(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Are names."""
        monkeypatch.chdir(tmp_path)
        journal = open_file(name)
        journal.append([delivery()], NOW)
        assert log_numbers(name) == [1]
        journal.abandon()
        assert restored_ids(name) == ["zone_a"]
        assert [file.name for file in tmp_path.iterdir()] == [name]
