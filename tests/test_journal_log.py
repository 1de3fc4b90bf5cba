"""The log beside a journal: what is written to it, where it belongs, and when it goes into the file."""

import os
import resource
import shutil
import sqlite3
import time
from contextlib import closing
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.journal import JournalError, SqliteJournal
from exporter.journal_log import Log, Logs, log_numbers, log_path
from exporter.records import CutOff, contents, sealed
from exporter.salvage import open_journal
from tests.deliveries import NOW, delivery
from tests.journals import applied, files, kept, known, no_room, recalled, recorded


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a journal may be."""
    return str(tmp_path / "journal.db")


def killed(path: str, *zones: str) -> None:
    """Leave a journal with deliveries of some zones as it is after SIGKILL."""
    occupancy, recorder = recorded(path)
    for zone in zones:
        recorder.keep(partial(applied, occupancy, delivery(zone=zone)), NOW)
    left = {file: Path(file).read_bytes() for file in files(path)}
    recorder.close()
    for file, content in left.items():
        Path(file).write_bytes(content)


def zones(path: str) -> list[str]:
    """Return which zones come back."""
    return [memory.space_id for memory in known(recalled(path))]


def read(blob: bytes) -> tuple[list[bytes], type[ValueError] | None]:
    """Return what can be read of records, and what ends it."""
    found: list[bytes] = []
    try:
        for content in contents(BytesIO(blob)):
            found.append(content)  # noqa: PERF402 - what was read before it fails counts
    except ValueError as error:
        return found, type(error)
    return found, None


CONTENTS = st.lists(st.binary(max_size=50).map(lambda content: content + b"x"), min_size=1, max_size=5)


class TestRecords:
    """What tells whether it is what was written."""

    @given(written=CONTENTS, at=st.integers(0, 10_000), bit=st.integers(0, 7))
    def test_any_bit(self, written: list[bytes], at: int, bit: int) -> None:
        """Is noticed, and what stands before it is there."""
        records = [sealed(content) for content in written]
        blob = bytearray(b"".join(records))
        assert read(bytes(blob)) == (written, None)
        at %= len(blob)
        blob[at] ^= 1 << bit
        found, end = read(bytes(blob))
        assert end is (CutOff if at >= len(blob) - len(records[-1]) + 8 else ValueError)  # not if its length is another
        assert found == [content for n, content in enumerate(written) if len(b"".join(records[: n + 1])) <= at]

    @given(written=CONTENTS, cut=st.integers(1, 62), zeros=st.sampled_from([0, 1, 99]))
    def test_an_end_that_is_not_whole(self, written: list[bytes], cut: int, zeros: int) -> None:
        """Is no damage, also where the system has left zeros."""
        records = [sealed(content) for content in written]
        blob = b"".join(records)
        kept = blob[: len(blob) - min(cut, len(records[-1]) - 1)] + bytes(zeros)
        assert read(kept) == (written[:-1], CutOff)


class TestWriting:
    """One write."""

    def test_what_was_half_written(self, tmp_path: Path) -> None:
        """Is nowhere, also when less is written then."""
        log = Log(str(tmp_path / "log"), b"12345678")
        log.append(sealed(b"first"))
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "log").stat().st_size + 30, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                log.append(sealed(b"second" * 99))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        content = (tmp_path / "log").read_bytes()[16:]
        assert len(content) > 30
        assert read(content) == ([b"first"], CutOff)
        log.append(sealed(b"3"))
        log.append(sealed(b"4"))
        log.close()
        assert read((tmp_path / "log").read_bytes()[16:]) == ([b"first", b"3", b"4"], None)

    def test_no_room_at_all(self, path: str) -> None:
        """Leaves nothing, and it goes on when there is some."""
        journal = SqliteJournal(path)
        for _ in range(2):
            with no_room(), pytest.raises(JournalError, match=rf"^{path}: File too large$"):
                journal.append([delivery()], NOW)
            assert log_numbers(path) == []
        journal.append([delivery()], NOW)
        assert log_numbers(path) == [1]
        journal.close()
        assert zones(path) == ["zone_a"]

    def test_the_file_cannot_tell_of_it(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """So nothing was kept, and the next is another one."""
        journal = SqliteJournal(path)

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
        assert zones(path) == ["zone_b"]

    def test_one_that_is_gone(self, path: str) -> None:
        """Is noticed when somebody looks, also if another is in its place."""
        journal = SqliteJournal(path)
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
        journal = SqliteJournal(path)
        synced = []
        monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
        journal.sync()
        assert synced == [f"{path}-wal"]
        os.remove(f"{path}-wal")
        with pytest.raises(JournalError, match="No such file"):
            journal.sync()
        journal.close()


class TestTakenIn:
    """At the end, the log goes into the file."""

    def test_it_leaves_one_file(self, path: str) -> None:
        """Which is all there is to copy, and what was killed in between does not matter."""
        for n in range(3):
            killed(path, f"zone_{n}")
        assert log_numbers(path) == [1, 2, 3]
        kept(path, delivery(zone="zone_x"), saved=False)
        assert files(path) == [path]
        os.rename(path, f"{path}.elsewhere")
        assert zones(f"{path}.elsewhere") == ["zone_0", "zone_1", "zone_2", "zone_x"]

    def test_it_is_removed_when_it_is_in_the_file(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """And on the disk there, not only in SQLite's log: power may be lost."""
        journal = SqliteJournal(path)
        assert list(journal.deliveries()) == []
        journal.append([delivery()], NOW)
        remove, removed = Logs.remove, []

        def looking(self: Logs, number: int) -> None:
            shutil.copy(path, f"{path}.copy")
            assert zones(f"{path}.copy") == ["zone_a"]
            remove(self, number)
            removed.append(number)

        monkeypatch.setattr(Logs, "remove", looking)
        journal.close()
        assert removed == [1]

    def test_a_log_that_was_taken_in_already(self, path: str) -> None:
        """Is not delivered again: the end came before it was removed."""
        killed(path, "zone_a", "zone_b")
        log = Path(log_path(path, 1)).read_bytes()
        before = known(recalled(path))
        for _ in range(2):
            Path(log_path(path, 1)).write_bytes(log)
            journal = SqliteJournal(path)
            assert list(journal.spaces()) == []
            assert [event.space_id for event, _ in journal.deliveries()] == ["zone_a", "zone_b"]
            journal.close()
        assert known(recalled(path)) == before

    def test_it_has_no_room(self, path: str) -> None:
        """So it stays beside the file, and comes back."""
        journal = SqliteJournal(path)
        assert list(journal.deliveries()) == []
        for zone in range(20):
            journal.append([delivery(zone=f"zone_{zone:02}")], NOW)
        with no_room():
            journal.close()
        assert log_numbers(path) == [1]
        assert len(zones(path)) == 20
        assert files(path) == [path]

    def test_what_cannot_be_read(self, path: str) -> None:
        """Stays as it is, so that it can be mended."""
        kept(path, delivery(), saved=False)
        killed(path, "zone_b")
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE piece SET records = x'00'")
            database.commit()
        log = Path(log_path(path, 1)).read_bytes()
        with pytest.raises(JournalError, match="is corrupt"):
            recorded(path)
        assert Path(log_path(path, 1)).read_bytes() == log

    def test_the_file_is_gone(self, path: str) -> None:
        """Then nothing is taken in, and nothing removed."""
        journal = SqliteJournal(path)
        assert list(journal.deliveries()) == []
        journal.append([delivery()], NOW)
        os.rename(path, f"{path}.away")
        time.sleep(0.06)
        journal.close()
        assert log_numbers(path) == [1]
        os.rename(f"{path}.away", path)
        assert zones(path) == ["zone_a"]

    def test_the_bytes_are_counted(self, path: str) -> None:
        """However often it starts, so that it does become short."""
        sizes = []
        for n in range(3):
            kept(path, delivery(NOW - n, id=f"{n}"), saved=False)
            journal = SqliteJournal(path)
            assert list(journal.spaces()) == []
            assert len(list(journal.deliveries())) == n + 1
            sizes.append(journal._appended_bytes)
            journal.close()
        assert 0 < sizes[0] < sizes[1] < sizes[2]


class TestBeside:
    """Which logs belong to a file."""

    def test_every_life_has_its_own(self, path: str) -> None:
        """After SIGKILL the next goes on with another one, and soon there is one again."""
        killed(path, "zone_a")
        occupancy, recorder = recorded(path)
        recorder.look()
        assert log_numbers(path) == [1]
        recorder.keep(partial(applied, occupancy, delivery(zone="zone_b")), NOW)
        assert log_numbers(path) == [1, 2]
        recorder.look()
        assert log_numbers(path) == []
        recorder.keep(partial(applied, occupancy, delivery(zone="zone_c")), NOW)
        recorder.look()
        assert log_numbers(path) == [3]
        recorder.close()
        assert zones(path) == ["zone_a", "zone_b", "zone_c"]

    def test_it_is_not_there(self, path: str) -> None:
        """The file does not start without it, as it would not be what was acknowledged."""
        killed(path, "zone_a")
        os.remove(log_path(path, 1))
        for _ in range(2):
            with pytest.raises(JournalError) as refused:
                open_journal(path)
            assert str(refused.value) == (
                f"{path} is without its log {path}-log.1; "
                "restore that, or move the file away to start without what it knew"
            )

    def test_it_is_dropped(self, path: str) -> None:
        """And the file does not miss it, even if it is killed before there is another."""
        occupancy, recorder = recorded(path)
        recorder.keep(partial(applied, occupancy, delivery()), NOW)
        recorder._shorten()
        assert log_numbers(path) == []
        recorder._journal.abandon()
        assert zones(path) == ["zone_a"]

    def test_the_file_is_not_there(self, path: str) -> None:
        """The log holds what is missing, so this is not a new journal."""
        killed(path, "zone_a")
        for name in (path, f"{path}-wal"):
            os.remove(name)
        with pytest.raises(JournalError, match=rf"{path} is missing, although its log {path}-log.1 is there; restore"):
            open_journal(path)
        assert files(path) == [log_path(path, 1)] or not Path(path).exists()

    def test_that_of_another_journal(self, path: str, tmp_path: Path) -> None:
        """Is not read."""
        killed(path, "zone_a")
        other = str(tmp_path / "other.db")
        killed(other, "zone_b")
        os.replace(log_path(other, 1), log_path(path, 1))
        with pytest.raises(JournalError) as refused:
            recalled(path)
        assert str(refused.value) == f"{path}-log.1 is of another journal than {path}; move it away"

    def test_numbers(self, path: str) -> None:
        """Are numbers; a hundred comes after ninety-nine."""
        for end in ("99", "100", "x", "", "\N{SUPERSCRIPT TWO}", "1.copy"):
            Path(f"{path}-log.{end}").touch()
        Path(f"{path}x-log.7").touch()
        assert log_numbers(path) == [99, 100]

    def test_no_number_is_given_twice(self, path: str) -> None:
        """While it is open, so that the new one is not dropped for the old."""
        logs = Logs(path, b"12345678")
        logs.begin().close()
        logs.remove(1)
        logs.begin().close()
        assert logs.numbers == log_numbers(path) == [2]

    def test_another_file_in_its_place(self, path: str) -> None:
        """Is neither written to nor removed."""
        logs = Logs(path, b"12345678")
        Path(log_path(path, 1)).write_bytes(b"precious")
        with pytest.raises(FileExistsError):
            logs.begin()
        os.rename(log_path(path, 1), f"{path}.away")
        logs.begin().close()
        os.rename(f"{path}.away", log_path(path, 1))
        logs.remove(1)
        assert Path(log_path(path, 1)).read_bytes() == b"precious"

    def test_one_that_cannot_be_removed(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """That is told, and tried again."""
        journal = SqliteJournal(path)
        journal.append([delivery()], NOW)
        mark = journal.mark()

        def denied(_: str) -> None:
            raise PermissionError(1, "Operation not permitted")

        with monkeypatch.context() as patched:
            patched.setattr(os, "remove", denied)
            with pytest.raises(JournalError, match=rf"^{path}: Operation not permitted$"):
                journal.drop(mark)
        while journal.drop(mark):
            pass
        assert log_numbers(path) == []
        journal.close()

    @pytest.mark.parametrize("replaced", [False, True])
    def test_of_a_file_that_is_gone(self, path: str, replaced: bool) -> None:
        """They go with it, and nothing else does."""
        kept(f"{path}.other", delivery(zone="zone_x"), saved=False)
        journal = SqliteJournal(path)
        journal.append([delivery()], NOW)
        os.remove(path)
        if replaced:
            os.replace(f"{path}.other", path)
        time.sleep(0.06)
        with pytest.raises(JournalError, match="is gone"):
            journal.append([delivery()], NOW)
        journal.abandon()
        assert files(path)[1:] == []
        assert zones(path) == (["zone_x"] if replaced else [])

    def test_one_that_is_gone_is_not_missed(self, path: str) -> None:
        """When the file is opened again to write all anew."""
        journal = SqliteJournal(path)
        journal.append([delivery()], NOW)
        os.remove(log_path(path, 1))
        journal.abandon()
        assert zones(path) == []

    def test_of_a_file_that_is_there(self, path: str) -> None:
        """They stay until all is written anew."""
        journal = SqliteJournal(path)
        journal.append([delivery()], NOW)
        os.remove(f"{path}-wal")
        journal.abandon()
        assert log_numbers(path) == [1]
        assert zones(path) == ["zone_a"]

    @pytest.mark.parametrize("name", [":memory:", "file:x.db?mode=memory", "a%20b?c#d", "[a]*", " "])
    def test_odd_names(self, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Are names."""
        monkeypatch.chdir(tmp_path)
        journal = open_journal(name)
        journal.append([delivery()], NOW)
        assert log_numbers(name) == [1]
        journal.abandon()
        assert zones(name) == ["zone_a"]
        assert [file.name for file in tmp_path.iterdir()] == [name]
