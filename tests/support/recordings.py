"""Stores whose journal does as it is told."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace

from exporter.events.measures import Measure
from exporter.events.model import OccupancyEvent
from exporter.journal.interface import JournalError
from exporter.journal.recorder import Recorder
from exporter.rule.space import SpaceState
from exporter.rule.store import Store
from tests.support.deliveries import NOW, delivery
from tests.support.stores import LIMITS


class FakeJournal:
    """Keeps what it is given, unless it is told to refuse."""

    def __init__(self) -> None:
        """Begin empty and willing."""
        self.log: list[tuple[OccupancyEvent, int]] = []
        self.saved: dict[str, SpaceState] = {}
        self.refusal: JournalError | None = None
        self.long = False
        self.writes: list[int] = []
        self.closed = False
        self.order: list[str] = []
        self.released = 0

    def check(self) -> None:
        """Refuse if all is refused."""
        if self.refusal:
            raise self.refusal

    def spaces(self) -> Iterator[SpaceState]:
        """Return those that were saved."""
        return iter(self.saved.values())

    def deliveries(self) -> Iterator[tuple[OccupancyEvent, int]]:
        """Return all that are still kept."""
        return iter(self.log)

    def append(self, events: Sequence[OccupancyEvent], arrival: int) -> None:
        """Keep or refuse."""
        self.check()
        self.log += [(event, arrival) for event in events]

    def save(self, states: Iterable[SpaceState]) -> None:
        """Keep or refuse."""
        self.check()
        batch = list(states)
        self.writes.append(len(batch))
        self.saved |= {memory.space_id: memory for memory in batch}

    def is_long(self) -> bool:
        """Tell whether it is."""
        return self.long

    def mark(self) -> int:
        """Return how much there is."""
        return len(self.log)

    def sync(self) -> None:
        """Note it."""
        self.check()
        self.order.append("sync")

    def release(self, mark: int) -> None:
        """Note it."""
        self.check()
        self.order.append("release")
        self.released = mark

    def drop(self, mark: int) -> bool:
        """Drop them, all at once."""
        self.check()
        assert mark <= self.released
        self.order.append("drop")
        del self.log[:mark]
        return False

    def retain(self, space_ids: Set[str]) -> None:
        """Drop the others."""
        self.check()
        self.saved = {space_id: memory for space_id, memory in self.saved.items() if space_id in space_ids}

    def close(self) -> None:
        """Note it."""
        self.closed = True

    abandon = close


class Recording:
    """A store, its recorder and the journals it has opened."""

    def __init__(self) -> None:
        """Begin with one journal."""
        self.failures = 0
        self.journals: list[FakeJournal] = []
        self.openable = True
        self.other: FakeJournal | None = None
        self.store = Store(replace(LIMITS, max_spaces=10_000))
        self.recorder = Recorder(self.store, self._open, failed=self._failed)

    def _open(self, anew: bool) -> FakeJournal:
        assert anew is bool(self.journals)
        if not self.openable:
            raise JournalError("no")
        self.journals.append(self.other or FakeJournal())
        return self.journals[-1]

    def _failed(self) -> None:
        self.failures += 1

    def deliver(self, n: int, zone: str = "zone_a") -> None:
        """Deliver one reading. Raises JournalError."""
        self.recorder.apply([delivery(NOW + n, n, id=f"{n}", zone=zone)], NOW)

    def kept(self) -> set[int]:
        """Return the readings that the newest journal gives back."""
        back = Store(replace(LIMITS, max_spaces=10_000))
        back.restore(self.journals[-1].spaces())
        back.replay(self.journals[-1].deliveries())
        readings = [back.readings(Measure.ZONE_OCCUPANCY, space_id) for space_id in back.ids()]
        return {int(reading.value) for of_space in readings for reading in of_space}
