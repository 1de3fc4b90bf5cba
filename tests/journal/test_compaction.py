"""The compaction of a journal in a file: in small steps, beside deliveries and outages."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from exporter.events.measures import Kind
from exporter.journal import file as file_module
from exporter.journal import recorder as recorder_module
from exporter.journal import sqlite as sqlite_module
from exporter.journal.interface import JournalError
from exporter.journal.recorder import NotWritten
from exporter.journal.sqlite import JournalGone, Row, SqliteFile
from exporter.rule.space import Forgotten
from tests.support.deliveries import HOUR, NOW, delivery
from tests.support.journals import opened, recorded
from tests.support.recordings import Recording

DISK_FULL = JournalError("disk full")


class TestCompaction:
    """Every space is saved, then the entries before are removed."""

    def test_it_goes_in_small_steps(self, recording: Recording) -> None:
        """`maintain` saves the spaces in chunks and leaves no entry; later deliveries are entries again."""
        everything = recording.deliver_zones(250)
        recording.file.is_due = True
        recording.recorder.maintain()
        assert recording.file.saved == [100, 100, 50]
        assert list(recording.file._contents()) == []
        recording.file.is_due = False
        recording.deliver(1000)
        assert recording.survivors() == {*everything, 1000}
        recording.recorder.maintain()
        assert len(list(recording.file._contents())) == 1

    def test_one_at_a_time(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thread that calls `maintain` during a compaction does not wait for it."""
        recording.deliver_zones(250)
        recording.file.is_due = True
        monkeypatch.setattr(file_module, "sleep", lambda _: recording.recorder.maintain())
        recording.recorder.maintain()
        assert recording.file.saved == [100, 100, 50]

    def test_spaces_are_on_the_disk_before_entries_are_removed(self, recording: Recording) -> None:
        """A loss of power at any moment loses no entry before its space is on the disk."""
        recording.deliver_zones(250)
        recording.file.is_due = True
        recording.recorder.maintain()
        recording.store.snapshot(NOW + 25 * HOUR)
        recording.recorder.maintain()
        steps = ["remove_pieces", "end_checkpoint", "sync", "remove_log", "remove_log"]
        assert recording.file.steps == [*steps, "remove", "remove", "remove", *steps]

    def test_a_failure_in_the_middle_is_an_outage(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """A compaction that fails has removed nothing."""
        everything = recording.deliver_zones(250)
        recording.file.is_due = True

        def refuse(_: float) -> None:
            recording.file.refusal = DISK_FULL

        monkeypatch.setattr(file_module, "sleep", refuse)
        recording.recorder.maintain()
        assert recording.failures == 2  # the step, and the attempt to end the outage
        assert recording.survivors() == everything
        with pytest.raises(NotWritten):
            recording.deliver(1000)
        recording.file.refusal, recording.file.is_due = None, False
        recording.recorder.maintain()
        assert recording.survivors() == {*everything, 1000}

    def test_a_forgotten_space_stays_away(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A kill at any moment of a compaction brings no forgotten space back, wherever its events are."""
        path = str(tmp_path / "journal.db")
        recorded(path, delivery(NOW, 1, zone="saved"))
        recorded(path, delivery(NOW, 2, zone="in a piece"), delivery(NOW, 6, zone="in two"), compacted=False)
        _, recorder = opened(path)
        assert recorder.forget(Forgotten(Kind.ZONE, "in two"), NOW)
        recorder.close()
        recording = Recording(tmp_path)
        recording.deliver(3, zone="in a log")
        recording.deliver(4, zone="known")
        for zone in ("saved", "in a piece", "in a log"):
            assert recording.recorder.forget(Forgotten(Kind.ZONE, zone), NOW)
        moments = 0

        def check(*_: object) -> None:
            nonlocal moments
            assert recording.survivors() == {4}
            moments += 1

        write = SqliteFile._write

        def written(self: SqliteFile, sql: str, rows: Iterable[Row]) -> int:
            changed = write(self, sql, rows)
            if self is recording.files[-1]:
                check()
            return changed

        monkeypatch.setattr(SqliteFile, "_write", written)
        monkeypatch.setattr(sqlite_module, "_REMOVED_TOGETHER", 1)
        monkeypatch.setattr(file_module, "sleep", check)
        recording.file.is_due = True
        recording.recorder.maintain()
        assert recording.failures == 0
        assert moments > 8
        recording.deliver(5, zone="saved")
        assert recording.survivors() == {4, 5}

    @pytest.mark.parametrize("again", [False, True])
    def test_an_outage_in_the_middle(self, recording: Recording, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
        """A delivery that finds the file gone ends the compaction, also if it waited for too long; all is rewritten."""
        everything = recording.deliver_zones(250)
        recording.file.is_due = True

        def deliver(_: float) -> None:
            if recording.files[0].refusal:
                return
            recording.files[0].refusal = JournalGone("gone")
            with pytest.raises(NotWritten):
                recording.deliver(1000)
            if again:
                with monkeypatch.context() as patched:
                    patched.setattr(recorder_module, "_PATIENCE", 0)
                    with pytest.raises(NotWritten):
                        recording.deliver(1001)

        monkeypatch.setattr(file_module, "sleep", deliver)
        recording.recorder.maintain()
        assert len(recording.files) == 2
        assert (recording.files[0].saved, recording.files[0].steps) == ([100], [])
        assert recording.survivors() == {*everything, 1000} | ({1001} if again else set())
