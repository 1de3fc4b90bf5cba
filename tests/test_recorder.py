"""The recorder: what happens while the journal refuses, and after."""

import logging
import threading
from collections.abc import Iterable, Iterator

import pytest

from exporter import recorder as recorder_module
from exporter.journal import JournalError, JournalGone
from exporter.occupancy import Occupancy, Outcome
from exporter.readings import Memory
from exporter.recorder import Change, Recorder
from tests.deliveries import HOUR, MINUTE, NOW, delivery
from tests.stores import LIMITS


class FakeJournal:
    """Keeps what it is given, unless it is told to refuse."""

    def __init__(self) -> None:
        """Begin empty and willing."""
        self.kept: dict[tuple[str, int], Memory] = {}
        self.refusal: JournalError | None = None
        self.writes: list[int] = []
        self.closed = False

    def replay(self) -> Iterator[Memory]:
        """Return all of it."""
        return iter(self.kept.values())

    def append(self, memories: Iterable[Memory]) -> None:
        """Keep or refuse."""
        if self.refusal:
            raise self.refusal
        batch = list(memories)
        self.writes.append(len(batch))
        self.kept.update({(memory.space_id, memory.timestamp): memory for memory in batch})

    def retain(self, space_ids: set[str]) -> None:
        """Drop the others."""
        if self.refusal:
            raise self.refusal
        self.kept = {key: memory for key, memory in self.kept.items() if key[0] in space_ids}

    def check(self) -> None:
        """Refuse if all is refused."""
        if self.refusal:
            raise self.refusal

    def close(self) -> None:
        """Note it."""
        self.closed = True

    abandon = close


class Recording:
    """A store, its recorder and the journals it has opened."""

    def __init__(self) -> None:
        """Begin with one journal."""
        self.now = NOW
        self.failures = 0
        self.journals: list[FakeJournal] = []
        self.openable = True
        self.other: FakeJournal | None = None
        self.occupancy = Occupancy(LIMITS)
        self.recorder = Recorder(
            self.occupancy, self._open, lambda: self.occupancy.snapshot(self.now), failed=self._failed
        )

    def _open(self) -> FakeJournal:
        if not self.openable:
            raise JournalError("no")
        self.journals.append(self.other or FakeJournal())
        return self.journals[-1]

    def _failed(self) -> None:
        self.failures += 1

    def deliver(self, n: int, zone: str = "zone_a") -> None:
        """Deliver one reading. Raises JournalError."""
        event = delivery(NOW + n, n, id=f"{n}", zone=zone)

        def change() -> Change:
            if self.occupancy.apply(event, NOW) is Outcome.DUPLICATE:
                return [], True
            return [(event.space_id, event.measure, event.timestamp)], False

        self.recorder.keep(change)

    def kept(self) -> set[int]:
        """Return the readings that the newest journal has."""
        return {int(memory.value) for memory in self.journals[-1].kept.values()}


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
        recording.recorder.look()
        assert recording.kept() == {1, 2, 3, 4}
        recording.deliver(5)
        assert recording.kept() == {1, 2, 3, 4, 5}
        assert recording.failures == 4
        assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
            ("ERROR", "journal cannot be written"),
            ("INFO", "journal is written again"),
        ]

    def test_what_comes_again(self, recording: Recording) -> None:
        """Needs not be written, but is refused while what it repeats is not."""
        recording.deliver(1)
        recording.journals[0].refusal = JournalError("disk full")
        recording.deliver(1)
        assert recording.failures == 0
        for _ in range(2):
            with pytest.raises(JournalError):
                recording.deliver(2)
        assert recording.failures == 2
        recording.journals[0].refusal = None
        recording.recorder.look()
        recording.deliver(2)
        assert recording.kept() == {1, 2}

    def test_what_changes_nothing_is_not_refused_meanwhile(self, recording: Recording) -> None:
        """There is nothing to write."""
        recording.journals[0].refusal = JournalError("disk full")
        with pytest.raises(JournalError):
            recording.deliver(1)
        recording.recorder.keep(lambda: ([], False))
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

    def test_as_long_as_it_lasts(self, recording: Recording) -> None:
        """Each look is one try."""
        recording.journals[0].refusal = JournalError("disk full")
        with pytest.raises(JournalError):
            recording.deliver(1)
        for _ in range(3):
            recording.recorder.look()
        assert recording.failures == 4
        assert recording.kept() == set()

    def test_much_is_written_in_pieces(self, recording: Recording) -> None:
        """So that deliveries do not wait for all of it; what has left the window meanwhile is not written."""
        recording.journals[0].refusal = JournalError("disk full")
        for n in range(1200):
            with pytest.raises(JournalError):
                recording.deliver(n)
        recording.occupancy.apply(delivery(NOW + 15 * MINUTE + 99, id="new"), NOW + 15 * MINUTE)
        recording.journals[0].refusal = None
        recording.recorder.look()
        assert recording.journals[0].writes == [400, 500, 200]
        assert recording.kept() == set(range(100, 1200))

    def test_a_journal_that_is_gone_is_begun_anew(self, recording: Recording) -> None:
        """With all that is known, as soon as that is possible; nothing need be delivered for it to be noticed."""
        recording.deliver(1)
        recording.deliver(2)
        recording.journals[0].refusal = JournalGone("gone")
        recording.openable = False
        recording.recorder.look()
        recording.recorder.look()
        assert (len(recording.journals), recording.failures) == (1, 3)
        recording.openable = True
        recording.recorder.look()
        assert recording.journals[0].closed
        assert (len(recording.journals), recording.kept()) == (2, {1, 2})
        recording.deliver(3)
        assert recording.kept() == {1, 2, 3}

    def test_another_in_its_place(self, recording: Recording) -> None:
        """Keeps no zone that is not known here."""
        recording.deliver(1)
        recording.journals[0].refusal = JournalGone("gone")
        other = Recording()
        other.deliver(2, zone="zone_b")
        recording.other = other.journals[0]
        recording.recorder.look()
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


def test_forgotten_zones_leave_it(recording: Recording) -> None:
    """Once a minute."""
    recording.deliver(1)
    recording.now = NOW + 25 * HOUR
    for _ in range(11):
        recording.recorder.look()
    assert recording.kept() == {1}
    recording.recorder.look()
    assert recording.kept() == set()


def test_nobody_is_told_before_it_is_written(recording: Recording) -> None:
    """While one delivery is taken and written, the same again waits."""
    order: list[str] = []
    begun, go_on = threading.Event(), threading.Event()

    def first() -> Change:
        begun.set()
        go_on.wait(5)
        order.append("first")
        return [], False

    def second() -> Change:
        order.append("second")
        return [], False

    threads = [threading.Thread(target=recording.recorder.keep, args=(change,)) for change in (first, second)]
    threads[0].start()
    begun.wait(5)
    threads[1].start()
    threads[1].join(0.05)
    go_on.set()
    for thread in threads:
        thread.join(5)
    assert order == ["first", "second"]


def test_it_begins_with_what_was_kept(recording: Recording) -> None:
    """Read back into the store."""
    recording.deliver(1)
    later = Recording()
    later.journals[0].kept = recording.journals[0].kept
    later.recorder.recall()
    assert later.occupancy.snapshot(NOW) == recording.occupancy.snapshot(NOW)


def test_what_cannot_be_read(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is let go of."""

    def replay() -> Iterator[Memory]:
        raise JournalError("corrupt")

    monkeypatch.setattr(recording.journals[0], "replay", replay)
    with pytest.raises(JournalError, match="corrupt"):
        recording.recorder.recall()
    assert recording.journals[0].closed
