"""Recorders whose journal fails on demand."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from exporter.events.measures import Measure
from exporter.events.model import Event
from exporter.journal.codec import SavedSpace
from exporter.journal.file import FileJournal
from exporter.journal.interface import Delivery, JournalError, Replay, Source
from exporter.journal.recorder import Recorder
from exporter.journal.sqlite import SqliteFile
from exporter.rule.space import Forgotten, SpaceState
from exporter.rule.store import Store
from tests.support.deliveries import NOW, delivery
from tests.support.journals import copy_files, restored
from tests.support.stores import LIMITS


class FakeJournal:
    """A journal in memory, which refuses every entry while `outage` is set."""

    def __init__(self, source: Source) -> None:
        """Begin empty."""
        self.source = source
        self.outage: str | None = None
        self.saved: list[SpaceState] = []
        self.deliveries: list[Delivery] = []
        self.others: list[Delivery] = []
        """Deliveries that `follow` has not returned yet."""
        self.maintained = 0
        self.is_started = self.is_closed = False
        self.meanwhile: Callable[[], None] = lambda: None
        """Called by `append` and `maintain`."""
        self.maintenance: Callable[[], object] = lambda: None
        """Called by `maintain`."""

    def start(self) -> None:
        """Note the call."""
        self.is_started = True

    def append(self, events: Sequence[Event], arrival_ms: int) -> None:
        """Append the events, or refuse them all."""
        self.meanwhile()
        if self.outage is not None:
            raise JournalError(self.outage)
        self.deliveries += [Delivery(event, arrival_ms) for event in events]

    def forget(self, space: Forgotten, arrival_ms: int) -> None:
        """Append it, or refuse it."""
        self.meanwhile()
        if self.outage is not None:
            raise JournalError(self.outage)
        self.deliveries.append(Delivery(space, arrival_ms))

    def replay(self) -> Replay:
        """Return the content."""
        return Replay(iter(self.saved), self._deliveries())

    def _deliveries(self) -> Iterator[Delivery]:
        if self.outage is not None:
            raise JournalError(self.outage)
        yield from self.deliveries

    def maintain(self) -> None:
        """Count the call."""
        self.maintained += 1
        self.meanwhile()
        self.maintenance()

    def follow(self) -> Iterable[Delivery]:
        """Return the deliveries of others, each once."""
        others, self.others = self.others, []
        return others

    def close(self) -> None:
        """Note the end."""
        self.is_closed = True


class FaultyFile(SqliteFile):
    """The file of a journal, which cannot be written while `refusal` is set."""

    refusal: JournalError | None = None
    is_due = False
    """Whether a compaction is due."""

    def __init__(self, path: str, rewrite: bool) -> None:
        """Open the file."""
        self.saved: list[int] = []
        """How many spaces each call saved."""
        self.steps: list[str] = []
        """The steps of compactions after the saving."""
        super().__init__(path, rewrite)

    def _step(self, name: str) -> None:
        self.check()
        self.steps.append(name)

    def check(self) -> None:
        """Check the file, or fail."""
        if self.refusal:
            raise self.refusal
        super().check()

    def append(self, events: Sequence[Event], arrival_ms: int) -> None:
        """Append the events, or fail."""
        self.check()
        super().append(events, arrival_ms)

    def save(self, spaces: Sequence[SavedSpace]) -> None:
        """Save spaces, or fail if there are any."""
        if spaces:
            self.check()
        self.saved.append(len(spaces))
        super().save(spaces)

    def needs_compaction(self) -> bool:
        """Tell whether a compaction was asked for."""
        return self.is_due

    def end_checkpoint(self, checkpoint: int) -> None:
        """End the checkpoint, or fail."""
        self._step("end_checkpoint")
        super().end_checkpoint(checkpoint)

    def sync(self) -> None:
        """Force the file to the disk, or fail."""
        self._step("sync")
        super().sync()

    def remove_pieces(self) -> bool:
        """Remove entries, or fail."""
        self._step("remove_pieces")
        return super().remove_pieces()

    def remove_log(self, checkpoint: int) -> bool:
        """Remove a log, or fail."""
        self._step("remove_log")
        return super().remove_log(checkpoint)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove spaces, or fail."""
        self._step("remove")
        super().remove(keys)


class Recording:
    """A store, its recorder, and every file that its journal has opened."""

    def __init__(self, folder: Path) -> None:
        """Begin with an empty journal in a folder."""
        self._folder = folder
        self.path = str(folder / "journal.db")
        self.failures = 0
        """Failed writes that were counted."""
        self.files: list[FaultyFile] = []
        self.is_openable = True
        self.store = Store(replace(LIMITS, max_spaces=10_000))
        self.recorder = Recorder(self.store, partial(FileJournal, self._open, self._failed))
        self.recorder.restore()

    @property
    def file(self) -> FaultyFile:
        """The open file."""
        return self.files[-1]

    def _open(self, rewrite: bool) -> FaultyFile:
        assert rewrite is bool(self.files)
        if not self.is_openable:
            raise JournalError("cannot be opened")
        self.files.append(FaultyFile(self.path, rewrite))
        return self.files[-1]

    def _failed(self) -> None:
        self.failures += 1

    def deliver(self, n: int, zone: str = "zone_a") -> None:
        """Apply one reading, whose value is its number. Raises NotWritten."""
        self.recorder.apply([delivery(NOW + n, n, id=f"{n}", zone=zone)], NOW)

    def deliver_zones(self, number: int) -> set[int]:
        """Apply one reading to each of some zones; return the numbers."""
        for n in range(number):
            self.deliver(n, zone=f"zone_{n}")
        return set(range(number))

    def survivors(self) -> set[int]:
        """Return the readings that the next start would find if the process were killed now."""
        copies = self._folder / "copies"
        store = restored(copy_files(self.path, copies))
        shutil.rmtree(copies)
        states = store.states(store.keys())
        readings = [store.readings(Measure.ZONE_OCCUPANCY, state.space_id) for state in states]
        return {int(reading.value) for of_space in readings for reading in of_space}
