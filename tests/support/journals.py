"""Stores with a journal in a file, and the content of the file."""

import resource
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from glob import escape, glob
from pathlib import Path

from exporter.events.model import ReadingEvent
from exporter.journal.file import FileJournal, open_journal
from exporter.journal.recorder import Recorder
from exporter.journal.repair import open_file
from exporter.journal.sqlite import SqliteFile
from exporter.rule.limits import Limits
from exporter.rule.space import SpaceState
from exporter.rule.store import Store
from tests.support.deliveries import NOW, delivery
from tests.support.stores import LIMITS


def states(store: Store) -> list[SpaceState]:
    """Return the state of every space of a store, in the order of their ids."""
    return sorted(store.states(store.keys()))


def files(path: str) -> list[str]:
    """Return the path of a journal, and the paths of all files that belong to it."""
    return [path, *glob(f"{escape(path)}-*")]


def copy_files(path: str, folder: Path) -> str:
    """Copy the files of a journal as SIGKILL would leave them now; return the path of the copy."""
    folder.mkdir()
    for file in files(path):
        if Path(file).exists():
            shutil.copy(file, folder)
    return str(folder / Path(path).name)


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def opened(path: str, limits: Limits = LIMITS) -> tuple[Store, Recorder]:
    """Return a store that was restored from the journal at a path, and its recorder."""
    store = Store(limits)
    recorder = Recorder(store, partial(open_journal, path, lambda: None))
    recorder.restore()
    return store, recorder


def begun(path: str) -> SqliteFile:
    """Open the file of a journal, or create it, and begin a log."""
    file = SqliteFile(path)
    file.start()
    return file


def save(file: SqliteFile, states: Iterable[SpaceState]) -> None:
    """Save spaces in the file of a journal, as they are after its last entry."""
    spaces = file.prepare(states)
    file.save(spaces)
    file.note(spaces)


def remove_entries(file: SqliteFile, checkpoint: int) -> None:
    """Remove all entries that a checkpoint covers from the file of a journal."""
    while file.remove_pieces():
        pass
    while file.remove_log(checkpoint):
        pass


def journal_of(recorder: Recorder) -> FileJournal:
    """Return the journal of a recorder."""
    assert isinstance(recorder._journal, FileJournal)
    return recorder._journal


def file_of(recorder: Recorder) -> SqliteFile:
    """Return the open file of the journal of a recorder."""
    return journal_of(recorder)._file


def compact(recorder: Recorder) -> None:
    """Compact the journal of a recorder, whether that is due or not."""
    journal_of(recorder)._compact()


def recorded(path: str, *events: ReadingEvent, compacted: bool = True) -> Store:
    """Return a store that has applied events, after its journal was closed at a path."""
    store, recorder = opened(path)
    for event in events:
        recorder.apply([event], NOW)
    if compacted:
        compact(recorder)
    recorder.close()
    return store


def restored(path: str, limits: Limits = LIMITS) -> Store:
    """Return a store that was restored from the journal at a path, which is closed again."""
    store = Store(limits)
    with closing(open_file(path)) as file:
        store.restore(file.spaces())
        store.replay(file.deliveries())
    return store


def restored_ids(path: str) -> list[str]:
    """Return the ids of the spaces that are restored from the journal at a path, in their order."""
    return [state.space_id for state in states(restored(path))]


def killed(path: str, *zones: str) -> None:
    """Apply one event to each zone, and leave the journal at a path as SIGKILL would."""
    _, recorder = opened(path)
    for zone in zones:
        recorder.apply([delivery(zone=zone)], NOW)
    left = {file: Path(file).read_bytes() for file in files(path)}
    recorder.close()
    for file, content in left.items():
        Path(file).write_bytes(content)
