"""Stores that have a journal, and what comes back of it."""

import resource
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from glob import escape, glob
from pathlib import Path

from exporter.events.model import OccupancyEvent
from exporter.journal.recorder import Recorder
from exporter.journal.repair import open_journal
from exporter.rule.limits import Limits
from exporter.rule.space import SpaceState
from exporter.rule.store import Store
from tests.support.deliveries import NOW, delivery
from tests.support.stores import LIMITS


def known(store: Store) -> list[SpaceState]:
    """Return all that a store knows, in an order of its own."""
    return sorted(store.states(store.ids()))


def files(path: str) -> list[str]:
    """Return where a journal is, and all that is beside it and of it."""
    return [path, *glob(f"{escape(path)}-*")]


@contextmanager
def no_room() -> Iterator[None]:
    """Let no file of this process grow, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def recorded(path: str, limits: Limits = LIMITS) -> tuple[Store, Recorder]:
    """Return a store that was read back from a journal, and what keeps both in step."""
    store = Store(limits)
    recorder = Recorder(store, partial(open_journal, path), lambda: None)
    recorder.restore()
    return store, recorder


def kept(path: str, *events: OccupancyEvent, saved: bool = True) -> Store:
    """Return a store that has received events, each of which went into a journal, and of which all spaces are saved."""
    store, recorder = recorded(path)
    for event in events:
        recorder.apply([event], NOW)
    if saved:
        recorder._shorten()
    recorder.close()
    return store


def restored(path: str, limits: Limits = LIMITS) -> Store:
    """Return a store that was read back from a journal."""
    store = Store(limits)
    with closing(open_journal(path)) as journal:
        store.restore(journal.spaces())
        store.replay(journal.deliveries())
    return store


def killed(path: str, *zones: str) -> None:
    """Leave a journal with deliveries of some zones as it is after SIGKILL."""
    _, recorder = recorded(path)
    for zone in zones:
        recorder.apply([delivery(zone=zone)], NOW)
    left = {file: Path(file).read_bytes() for file in files(path)}
    recorder.close()
    for file, content in left.items():
        Path(file).write_bytes(content)


def zones(path: str) -> list[str]:
    """Return which zones come back."""
    return [memory.space_id for memory in known(restored(path))]
