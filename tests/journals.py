"""Stores that have a journal, and what comes back of it."""

from contextlib import closing
from functools import partial

from exporter.events import OccupancyEvent
from exporter.occupancy import Occupancy, Outcome
from exporter.readings import Limits, Memory
from exporter.recorder import Change, Recorder
from exporter.salvage import open_journal
from tests.deliveries import NOW
from tests.stores import LIMITS


def known(occupancy: Occupancy) -> list[Memory]:
    """Return all that a store knows, in an order of its own."""
    return sorted(occupancy.memories(occupancy.keys()), key=lambda memory: memory[:5:2] + memory[3:5])


def applied(occupancy: Occupancy, event: OccupancyEvent, now: int = NOW) -> Change:
    """Deliver an event; return the reading that it is of."""
    again = occupancy.apply(event, now) is Outcome.DUPLICATE
    return [(event.space_id, event.measure, event.timestamp)], again


def kept(path: str, *events: OccupancyEvent) -> Occupancy:
    """Return a store that has received events, each of which went into a journal."""
    occupancy = Occupancy(LIMITS)
    recorder = Recorder(occupancy, lambda: open_journal(path), lambda: occupancy.snapshot(NOW), lambda: None)
    for event in events:
        recorder.keep(partial(applied, occupancy, event))
    recorder.close()
    return occupancy


def recalled(path: str, limits: Limits = LIMITS) -> Occupancy:
    """Return a store that was read back from a journal."""
    occupancy = Occupancy(limits)
    with closing(open_journal(path)) as journal:
        occupancy.recall(journal.replay())
    return occupancy
