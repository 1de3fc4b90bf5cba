"""The recorder: what happens while the journal refuses, and after."""

import logging
import threading
from collections.abc import Iterator, Sequence

import pytest

from exporter.events.model import OccupancyEvent
from exporter.journal import recorder as recorder_module
from exporter.journal.interface import JournalError, JournalGone
from exporter.rule.outcome import Outcome
from exporter.rule.space import SpaceState
from tests.support.deliveries import HOUR, NOW, delivery
from tests.support.recordings import FakeJournal, Recording


@pytest.fixture
def recording() -> Recording:
    """Return a store with a journal."""
    return Recording()


class TestOutage:
    """A journal that refuses."""

    def test_it_is_told_and_written_later(self, recording: Recording, caplog: pytest.LogCaptureFixture) -> None:
        """Every delivery is told, the log is told twice: when it begins and when it is over."""
        caplog.set_level(logging.INFO)
        recording.deliver(1)
        recording.journals[0].refusal = JournalError("disk full")
        for n in (2, 3, 2):
            with pytest.raises(JournalError, match="disk full"):
                recording.deliver(n)
        recording.journals[0].refusal = None
        with pytest.raises(JournalError):  # not before it was seen to work
            recording.deliver(4)
        assert recording.kept() == {1}
        recording.recorder.maintain()
        assert recording.kept() == {1, 2, 3, 4}
        recording.deliver(5)
        assert recording.kept() == {1, 2, 3, 4, 5}
        assert recording.failures == 4
        assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
            ("ERROR", "journal cannot be written"),
            ("INFO", "journal is written again"),
        ]

    def test_what_comes_again(self, recording: Recording) -> None:
        """Is refused as long as anything is, for it may be what could not be written."""
        recording.deliver(1)
        recording.journals[0].refusal = JournalError("disk full")
        for n in (1, 2, 2):
            with pytest.raises(JournalError):
                recording.deliver(n)
        assert recording.failures == 3
        recording.journals[0].refusal = None
        recording.recorder.maintain()
        recording.deliver(2)
        assert recording.kept() == {1, 2}

    def test_what_changes_nothing_is_not_refused_meanwhile(self, recording: Recording) -> None:
        """There is nothing to write."""
        recording.journals[0].refusal = JournalError("disk full")
        with pytest.raises(JournalError):
            recording.deliver(1)
        assert recording.recorder.apply([delivery(NOW + HOUR)], NOW) == [Outcome.FUTURE]
        assert recording.failures == 1

    def test_where_nobody_looks(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """A delivery sees to it after a while."""
        recording.journals[0].refusal = JournalError("disk full")
        with pytest.raises(JournalError):
            recording.deliver(1)
        recording.journals[0].refusal = None
        monkeypatch.setattr(recorder_module, "_PATIENCE", 0)
        recording.deliver(2)
        assert recording.kept() == {1, 2}
        recording.journals[0].long = True
        recording.deliver(3)
        assert len(recording.journals[0].log) == 1
        assert recording.kept() == {1, 2, 3}

    def test_deliveries_while_it_recovers(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """Are written, so that there is an end to it; also what comes again of what is not yet."""
        recording.journals[0].refusal = JournalError("disk full")
        for n in range(250):
            with pytest.raises(JournalError):
                recording.deliver(n, zone=f"zone_{n}")
        recording.journals[0].refusal = None
        delivered = iter([(1000, "zone_249"), (249, "zone_249"), (1001, "zone_0")])

        def deliver(_: float) -> None:
            for n, zone in delivered:
                recording.deliver(n, zone)
                assert n in recording.kept()

        monkeypatch.setattr(recorder_module, "sleep", deliver)
        recording.recorder.maintain()
        assert recording.kept() == {*range(250), 1000, 1001}
        assert recording.journals[0].writes == [100, 100, 50]

    def test_a_full_disk_and_nothing_to_write(self, recording: Recording) -> None:
        """Is not over before something could be."""
        recording.deliver(1)
        recording.journals[0].long = True
        recording.journals[0].refusal = JournalError("disk full")
        for _ in range(3):
            recording.recorder.maintain()
            assert recording.recorder.refuses
        recording.journals[0].refusal = None
        recording.recorder.maintain()
        assert not recording.recorder.refuses

    def test_begun_anew_and_interrupted(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is in the file is not dropped before the rest is there."""
        for n in range(250):
            recording.deliver(n, zone=f"zone_{n}")
        recording.journals[0].refusal = JournalGone("gone")
        recording.other = FakeJournal()
        recording.other.log = recording.journals[0].log[:]

        def check(_: float) -> None:
            assert recording.kept() == set(range(250))

        monkeypatch.setattr(recorder_module, "sleep", check)
        recording.recorder.maintain()
        assert recording.kept() == set(range(250))
        assert recording.other.log == []

    def test_as_long_as_it_lasts(self, recording: Recording) -> None:
        """Each look is one try."""
        recording.journals[0].refusal = JournalError("disk full")
        with pytest.raises(JournalError):
            recording.deliver(1)
        for _ in range(3):
            recording.recorder.maintain()
        assert recording.failures == 4
        assert recording.kept() == set()

    def test_much_is_written_in_pieces(self, recording: Recording) -> None:
        """So that deliveries do not wait for all of it."""
        recording.journals[0].refusal = JournalError("disk full")
        for n in range(250):
            with pytest.raises(JournalError):
                recording.deliver(n, zone=f"zone_{n}")
        recording.journals[0].refusal = None
        recording.recorder.maintain()
        assert recording.journals[0].writes == [100, 100, 50]
        assert recording.kept() == set(range(250))

    def test_a_journal_that_is_gone_is_begun_anew(self, recording: Recording) -> None:
        """With all that is known, as soon as that is possible; nothing need be delivered for it to be noticed."""
        recording.deliver(1)
        recording.deliver(2)
        recording.journals[0].refusal = JournalGone("gone")
        recording.openable = False
        recording.recorder.maintain()
        recording.recorder.maintain()
        assert (len(recording.journals), recording.failures) == (1, 3)
        recording.openable = True
        recording.recorder.maintain()
        assert recording.journals[0].closed
        assert (len(recording.journals), recording.kept()) == (2, {1, 2})
        recording.deliver(3)
        assert recording.kept() == {1, 2, 3}

    def test_begun_anew_and_refused(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """In the middle of it: the rest is written later."""
        for n in range(250):
            recording.deliver(n, zone=f"zone_{n}")
        recording.journals[0].refusal = JournalGone("gone")

        def refuse(_: float) -> None:
            recording.journals[1].refusal = JournalError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(recorder_module, "sleep", refuse)
            recording.recorder.maintain()
        assert len(recording.kept()) < 250
        assert recording.recorder.refuses
        recording.journals[1].refusal = None
        recording.recorder.maintain()
        assert recording.kept() == set(range(250))

    def test_another_in_its_place(self, recording: Recording) -> None:
        """Keeps no zone that is not known here."""
        recording.deliver(1)
        recording.journals[0].refusal = JournalGone("gone")
        other = Recording()
        other.deliver(2, zone="zone_b")
        other.journals[0].save(other.store.states(["zone_b"]))
        other.deliver(3, zone="zone_c")
        recording.other = other.journals[0]
        recording.recorder.maintain()
        assert recording.kept() == {1}

    def test_the_end(self, recording: Recording) -> None:
        """Is one more try."""
        recording.journals[0].refusal = JournalError("disk full")
        with pytest.raises(JournalError):
            recording.deliver(1)
        recording.journals[0].refusal = None
        recording.recorder.close()
        assert recording.kept() == {1}
        assert recording.journals[0].closed


class TestShortening:
    """Of a log that has become long."""

    @staticmethod
    def long(recording: Recording) -> FakeJournal:
        """Return a journal of 250 zones."""
        for n in range(250):
            recording.deliver(n, zone=f"zone_{n}")
        recording.journals[0].long = True
        return recording.journals[0]

    def test_it_is_shortened(self, recording: Recording) -> None:
        """When somebody looks, in pieces; what is delivered in between is kept."""
        journal = self.long(recording)
        recording.recorder.maintain()
        assert (journal.writes, journal.log) == ([100, 100, 50], [])
        recording.deliver(1000)
        assert recording.kept() == {*range(250), 1000}
        journal.long = False
        recording.recorder.maintain()
        assert len(journal.log) == 1

    def test_one_at_a_time(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who looks meanwhile need not wait."""
        journal = self.long(recording)

        def look(_: float) -> None:
            recording.recorder.maintain()

        monkeypatch.setattr(recorder_module, "sleep", look)
        recording.recorder.maintain()
        assert journal.writes == [100, 100, 50]

    def test_it_is_on_the_disk_before_anything_is_dropped(self, recording: Recording) -> None:
        """As power may be lost."""
        journal = self.long(recording)
        recording.recorder.maintain()
        assert journal.order == ["release", "sync", "drop"]

    def test_it_refuses_in_the_middle(self, recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
        """That is an outage, and nothing was dropped."""
        journal = self.long(recording)

        def refuse(_: float) -> None:
            journal.refusal = JournalError("disk full")

        monkeypatch.setattr(recorder_module, "sleep", refuse)
        recording.recorder.maintain()
        assert recording.failures == 2  # and once more as it was tried again
        assert recording.kept() == set(range(250))
        with pytest.raises(JournalError):
            recording.deliver(1000)
        journal.refusal, journal.long = None, False
        recording.recorder.maintain()
        assert recording.kept() == {*range(250), 1000}

    @pytest.mark.parametrize("again", [False, True])
    def test_an_outage_in_the_middle(self, recording: Recording, monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
        """Ends it, also if a delivery has seen to it already and the journal is another one."""
        journal = self.long(recording)

        def deliver(_: float) -> None:
            if len(recording.journals) == 1 and not journal.refusal:
                journal.refusal = JournalGone("gone")
                with pytest.raises(JournalError):
                    recording.deliver(1000)
                if again:
                    with monkeypatch.context() as patched:
                        patched.setattr(recorder_module, "_PATIENCE", 0)
                        recording.deliver(1001)

        monkeypatch.setattr(recorder_module, "sleep", deliver)
        recording.recorder.maintain()
        assert len(recording.journals) == 2
        assert journal.writes == [100]
        assert len(journal.log) == 250
        assert recording.kept() == {*range(250), 1000, 1001} - (set() if again else {1001})


def test_nobody_is_told_before_it_is_written(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same delivery again waits until the first is written."""
    begun, go_on = threading.Event(), threading.Event()
    append = recording.journals[0].append

    def slow(events: Sequence[OccupancyEvent], now_ms: int) -> None:
        begun.set()
        go_on.wait(5)
        append(events, now_ms)

    monkeypatch.setattr(recording.journals[0], "append", slow)
    order: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: order.extend(recording.recorder.apply([delivery()], NOW))) for _ in range(2)
    ]
    threads[0].start()
    begun.wait(5)
    threads[1].start()
    threads[1].join(0.05)
    assert order == []
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert order == [Outcome.NEW, Outcome.DUPLICATE]
    assert [event for event, _ in recording.journals[0].log] == [delivery()] * 2


def test_it_begins_with_what_was_kept(recording: Recording) -> None:
    """Read back into the store."""
    recording.deliver(1)
    later = Recording()
    later.journals[0].log = recording.journals[0].log
    later.recorder.restore()
    assert later.store.snapshot(NOW) == recording.store.snapshot(NOW)


def test_what_cannot_be_read(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is let go of."""

    def spaces() -> Iterator[SpaceState]:
        raise JournalError("corrupt")

    monkeypatch.setattr(recording.journals[0], "spaces", spaces)
    with pytest.raises(JournalError, match="corrupt"):
        recording.recorder.restore()
    assert recording.journals[0].closed
