"""A journal in a file: outages, and a file that is gone."""

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from exporter.journal import file as file_module
from exporter.journal import recorder as recorder_module
from exporter.journal.interface import JournalError
from exporter.journal.recorder import NotWritten
from exporter.journal.sqlite import JournalGone
from exporter.rule.outcome import Outcome
from tests.support.deliveries import HOUR, NOW, delivery
from tests.support.journals import journal_of, recorded
from tests.support.recordings import Recording
from tests.support.running import wait_for

DISK_FULL = JournalError("disk full")


class TestOutage:
    """A file that cannot be written."""

    def test_it_is_counted_logged_and_ended(self, recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
        """Each refused delivery is counted; the log has one line at the begin and one at the end of the outage."""
        caplog.set_level(logging.INFO)
        recording.deliver(1)
        recording.file.refusal = DISK_FULL
        for n in (2, 3, 2):
            with pytest.raises(NotWritten, match=r"^disk full$"):
                recording.deliver(n)
        recording.file.refusal = None
        with pytest.raises(NotWritten):  # until `maintain` has written something
            recording.deliver(4)
        assert recording.survivors() == {1}
        recording.recorder.maintain()
        assert recording.survivors() == {1, 2, 3, 4}
        recording.deliver(5)
        assert recording.survivors() == {1, 2, 3, 4, 5}
        assert recording.failures == 4
        records = [record for record in caplog.records if record.name == file_module.__name__]
        assert [(record.levelname, record.getMessage(), record.args) for record in records] == [
            ("ERROR", "journal cannot be written", {"reason": "disk full"}),
            ("INFO", "journal is written again", {"spaces": 1}),
        ]

    def test_a_repetition_is_refused(self, recording: Recording) -> None:
        """An event that comes again may be the one that could not be written, so it is not acknowledged either."""
        recording.deliver(1)
        recording.file.refusal = DISK_FULL
        for n in (1, 2, 2):
            with pytest.raises(NotWritten):
                recording.deliver(n)
        assert recording.failures == 3
        recording.file.refusal = None
        recording.recorder.maintain()
        recording.deliver(2)
        assert recording.survivors() == {1, 2}

    def test_an_event_from_the_future_needs_no_journal(self, recording: Recording) -> None:
        """An event that is refused anyway has nothing to be written, so it is no failure."""
        recording.file.refusal = DISK_FULL
        with pytest.raises(NotWritten):
            recording.deliver(1)
        assert recording.recorder.apply([delivery(NOW + HOUR)], NOW) == [Outcome.FUTURE]
        assert recording.failures == 1

    def test_a_delivery_ends_it_after_a_while(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """Under a server that never calls `maintain`, a delivery has the outage ended, and the journal compacted."""
        recording.file.refusal = DISK_FULL
        with pytest.raises(NotWritten):
            recording.deliver(1)
        recording.file.refusal = None
        monkeypatch.setattr(recorder_module, "_PATIENCE", 0)
        with suppress(NotWritten):
            recording.deliver(2)
        wait_for(lambda: not recording.recorder.refuses, "the end of the outage")
        recording.deliver(2)
        assert recording.survivors() == {1, 2}
        monkeypatch.setattr(recorder_module, "_PATIENCE", 60)
        with recording.recorder._maintaining:
            recording.file.is_due = True
        monkeypatch.setattr(recorder_module, "_PATIENCE", 0)
        recording.deliver(3)
        wait_for(lambda: "remove_log" in recording.file.steps, "a compaction")
        with recording.recorder._maintaining:
            assert len(list(recording.file._contents())) <= 1
            assert recording.survivors() == {1, 2, 3}

    def test_deliveries_during_recovery_are_written(
        self, recording: Recording, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Recovery ends although deliveries go on; each is safe at once, also a repetition of an unsaved one."""
        recording.file.refusal = DISK_FULL
        for n in range(250):
            with pytest.raises(NotWritten):
                recording.deliver(n, zone=f"zone_{n}")
        recording.file.refusal = None
        delivered = iter([(1000, "zone_249"), (249, "zone_249"), (1001, "zone_0")])

        def deliver(_: float) -> None:
            for n, zone in delivered:
                recording.deliver(n, zone)
                assert n in recording.survivors()

        monkeypatch.setattr(file_module, "sleep", deliver)
        recording.recorder.maintain()
        assert recording.survivors() == {*range(250), 1000, 1001}
        assert recording.file.saved == [100, 100, 50]

    def test_it_is_over_only_after_a_write(self, recording: Recording) -> None:
        """Where nothing waits to be written, one space is saved again to see whether the disk is still full."""
        recording.deliver(1)
        recording.file.is_due = True
        recording.file.refusal = DISK_FULL
        for _ in range(3):
            recording.recorder.maintain()
            assert recording.recorder.refuses
        recording.file.refusal = None
        recording.recorder.maintain()
        assert not recording.recorder.refuses

    def test_it_lasts_while_the_log_is_full(self, recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
        """On a full disk, SQLite may still have room in its files; the outage lasts until the log has room, too."""
        append = recording.file._append

        def full(_: bytes) -> None:
            raise DISK_FULL

        recording.file._append = full  # type: ignore[assignment,method-assign]
        with pytest.raises(NotWritten):
            recording.deliver(1)
        for _ in range(3):
            recording.recorder.maintain()
            assert recording.recorder.refuses
        assert recording.survivors() == {1}
        assert [record.message for record in caplog.records] == ["journal cannot be written"]
        recording.file._append = append  # type: ignore[method-assign]
        recording.recorder.maintain()
        recording.deliver(2)
        assert recording.survivors() == {1, 2}

    def test_each_maintain_tries_once(self, recording: Recording) -> None:
        """While an outage lasts, each call counts one failure."""
        recording.file.refusal = DISK_FULL
        with pytest.raises(NotWritten):
            recording.deliver(1)
        for _ in range(3):
            recording.recorder.maintain()
        assert recording.failures == 4
        assert recording.survivors() == set()

    def test_recovery_saves_in_chunks(self, recording: Recording) -> None:
        """Deliveries wait for a hundred spaces at most."""
        recording.file.refusal = DISK_FULL
        for n in range(250):
            with pytest.raises(NotWritten):
                recording.deliver(n, zone=f"zone_{n}")
        recording.file.refusal = None
        recording.recorder.maintain()
        assert recording.file.saved == [100, 100, 50]
        assert recording.survivors() == set(range(250))

    def test_closing_tries_once_more(self, recording: Recording) -> None:
        """Events that an outage left unwritten are saved at the end, if the file can be written again."""
        recording.file.refusal = DISK_FULL
        with pytest.raises(NotWritten):
            recording.deliver(1)
        recording.file.refusal = None
        recording.recorder.close()
        assert recording.survivors() == {1}


class TestGone:
    """A file that is no longer at its path."""

    def test_it_is_rewritten(self, recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
        """All spaces go into a new file as soon as one can be created, without a delivery to trigger it."""
        caplog.set_level(logging.INFO)
        recording.deliver(1)
        recording.deliver(2, zone="zone_b")
        os.remove(recording.path)
        recording.is_openable = False
        recording.recorder.maintain()
        recording.recorder.maintain()
        assert (len(recording.files), recording.failures) == (1, 3)
        recording.is_openable = True
        recording.recorder.maintain()
        assert len(recording.files) == 2
        assert recording.survivors() == {1, 2}
        assert [record.args for record in caplog.records if record.getMessage() == "journal is written again"] == [
            {"spaces": 2}
        ]
        recording.deliver(3)
        assert recording.survivors() == {1, 2, 3}

    def test_nothing_is_removed_before_its_replacement(
        self, recording: Recording, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Entries in a file at the path stay until every space is saved in it."""
        everything = recording.deliver_zones(250)
        shutil.copy(recording.path, f"{recording.path}.copy")
        os.replace(f"{recording.path}.copy", recording.path)
        steps = 0

        def check(_: float) -> None:
            nonlocal steps
            steps += 1
            assert recording.survivors() == everything

        monkeypatch.setattr(file_module, "sleep", check)
        recording.recorder.maintain()
        assert steps > 3
        assert recording.survivors() == everything
        assert list(recording.file._contents()) == []

    def test_an_outage_interrupts_it(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """A disk that fills up while the file is rewritten begins an outage; the rest is written after it."""
        everything = recording.deliver_zones(250)
        for file in Path(recording.path).parent.iterdir():
            file.unlink()

        def refuse(_: float) -> None:
            recording.file.refusal = DISK_FULL

        with monkeypatch.context() as patched:
            patched.setattr(file_module, "sleep", refuse)
            recording.recorder.maintain()
        assert len(recording.survivors()) < 250
        assert recording.recorder.refuses
        recording.file.refusal = None
        recording.recorder.maintain()
        assert recording.survivors() == everything

    def test_a_foreign_journal_in_its_place(self, recording: Recording, tmp_path: Path) -> None:
        """Spaces that another exporter recorded are removed."""
        recording.deliver(1)
        other = str(tmp_path / "other.db")
        recorded(other, delivery(NOW, 2, zone="zone_b"))
        recorded(other, delivery(NOW, 3, zone="zone_c"), compacted=False)
        os.replace(other, recording.path)
        recording.recorder.maintain()
        assert recording.survivors() == {1}

    def test_it_is_gone_again_while_it_is_rewritten(
        self, recording: Recording, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A second file that disappears is replaced by a third one."""
        everything = recording.deliver_zones(250)
        os.remove(recording.path)

        def remove(_: float) -> None:
            if len(recording.files) == 2:
                recording.file.refusal = JournalGone(f"{recording.path} is gone")

        monkeypatch.setattr(file_module, "sleep", remove)
        recording.recorder.maintain()
        recording.recorder.maintain()
        assert len(recording.files) == 3
        assert not recording.recorder.refuses
        assert recording.survivors() == everything


def test_no_other_process_appends(recording: Recording) -> None:
    """A file is locked by one process, so there is nothing to follow."""
    recording.deliver(1)
    assert list(journal_of(recording.recorder).follow()) == []
