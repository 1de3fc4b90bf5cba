"""A journal in a file: the file is compacted, written after an outage, and rewritten where it is gone.

It knows neither how an event is decided nor how a file is laid out.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from time import sleep

from exporter.events.model import Event
from exporter.journal.interface import Delivery, JournalError, Replay, Source
from exporter.journal.repair import open_file
from exporter.journal.sqlite import JournalGone, SqliteFile
from exporter.rule.space import Forgotten

log = logging.getLogger(__name__)

_CHUNK = 100
"""Spaces saved in one step, so that deliveries wait for milliseconds at most."""

_PAUSE = 0.001
"""Seconds between two steps, in which other threads go on."""


def open_journal(path: str, failed: Callable[[], None], source: Source) -> "FileJournal":
    """Open the journal at `path` for the spaces of `source`, or create it; `failed` is called for each failed write.

    Raises JournalError.
    """
    return FileJournal(partial(open_file, path), failed, source)


class FileJournal:
    """A `Journal` in a file."""

    def __init__(self, open_: Callable[[bool], SqliteFile], failed: Callable[[], None], source: Source) -> None:
        """Open the file by `open_(False)`, and by `open_(True)` to rewrite one that is gone. Raises JournalError."""
        self._open = open_
        self._failed = failed
        self._source = source
        self._file = open_(False)
        self.outage: str | None = None
        """Why the file refuses every entry; None while it is written."""
        self._unsaved: dict[str, None] = {}
        """The keys of the spaces with events that were applied and are not in the file."""
        self._is_gone = False
        """Whether the outage ends only with another file."""
        self._is_being_rewritten = False
        """Whether the open file is being rewritten from memory, and does not have every space yet."""

    def replay(self) -> Replay:
        """Return the content of the file."""
        return Replay(self._file.spaces(), self._file.deliveries())

    def start(self) -> None:
        """Begin a log; if that fails, it is the begin of an outage."""
        try:
            self._file.start()
        except JournalError as error:
            self._fail(error)

    def append(self, events: Sequence[Event], arrival_ms: int) -> None:
        """Write one entry. Raises JournalError, for every entry until `maintain` has ended the outage."""
        if self.outage is None:
            try:
                self._file.append(events, arrival_ms)
            except JournalError as error:
                self._begin_outage(error)
            else:
                return
        self._unsaved.update(dict.fromkeys(event.space_key for event in events))
        self._failed()
        raise JournalError(self.outage)

    def forget(self, space: Forgotten, arrival_ms: int) -> None:
        """Write the entry that forgets a space. Raises JournalError, as `append` does."""
        if self.outage is None:
            try:
                self._file.forget(space, arrival_ms)
            except JournalError as error:
                self._begin_outage(error)
            else:
                return
        self._failed()
        raise JournalError(self.outage)

    def maintain(self) -> None:
        """Check the file, compact it if that is due, and try once to end an outage."""
        if self.outage is None:
            try:
                self._file.check()
                if self._file.needs_compaction():
                    self._compact()
            except JournalError as error:
                self._fail(error)
        if self.outage is not None or self._unsaved:
            self._recover()

    def follow(self) -> Iterable[Delivery]:
        """Return nothing, as no other process has the file open."""
        return ()

    def close(self) -> None:
        """Try once to end an outage, then close the file."""
        if self.outage is not None or self._unsaved:
            self._recover()
        with self._source.lock:
            self.outage = self.outage or "the exporter is stopping"
        self._file.close()

    def _compact(self) -> None:
        """Save every space, then remove the entries that the saved spaces cover. Raises JournalError.

        A crash after any step loses nothing, as nothing is removed before its replacement is saved, nor a log before
        that is on the disk. Nor does it bring back a forgotten space: first its row is removed, then the entries from
        the oldest to the newest, so that the one that forgets it outlives those of its events. Deliveries go on during
        every step that may wait for the disk.
        """
        file = self._file
        next_log = file.begin_log()
        with self._source.lock:
            checkpoint = file.begin_checkpoint(next_log)
        for keys in _chunks(self._source.keys()):
            self._save(keys)
            sleep(_PAUSE)
        # Forgotten spaces; the entries since the checkpoint have all that is known of one that has returned meanwhile.
        for keys in _chunks(file.saved_before()):
            file.remove(keys)
            sleep(_PAUSE)
        while file.remove_pieces():
            sleep(_PAUSE)
        file.end_checkpoint(checkpoint)
        file.sync()
        while file.remove_log(checkpoint):
            sleep(_PAUSE)

    def _save(self, keys: Sequence[str]) -> None:
        """Save the spaces with these keys as they are now. Raises JournalError."""
        with self._source.lock:
            spaces = self._file.prepare(self._source.states(keys))
            unsaved = [key for key in keys if key in self._unsaved]
            for key in unsaved:
                del self._unsaved[key]
        try:
            self._file.save(spaces)
        except JournalError:
            with self._source.lock:
                self._unsaved.update(dict.fromkeys(unsaved))
            raise
        with self._source.lock:
            self._file.note(spaces)

    def _begin_outage(self, error: JournalError) -> None:
        """Begin an outage, or go on with one; each new reason is logged once."""
        self._is_gone = self._is_gone or isinstance(error, JournalGone)
        if str(error) != self.outage:
            self.outage = str(error)
            log.error("journal cannot be written", {"reason": self.outage})

    def _fail(self, error: JournalError) -> None:
        with self._source.lock:
            self._begin_outage(error)
        self._failed()

    def _recover(self) -> None:
        """Save the spaces with events that are not in the file.

        The outage is over as soon as some are saved, and the log accepts an entry, which has no event.
        """
        try:
            if self._is_gone:
                self._reopen()
            unsaved = len(self._unsaved)
            # One space that is saved already shows as well that the file can be written.
            self._save(self._some_unsaved() or self._source.keys()[:1])
            self._file.start()
            with self._source.lock:
                self._file.append((), 0)  # as SQLite's files may have room where the log has none
                self.outage = None
            if self._is_being_rewritten:
                self._compact()
                self._is_being_rewritten = False
            while self._unsaved and self.outage is None:
                sleep(_PAUSE)
                self._save(self._some_unsaved())
        except JournalError as error:
            self._fail(error)
            return
        if self.outage is None:
            log.info("journal is written again", {"spaces": unsaved})

    def _some_unsaved(self) -> list[str]:
        with self._source.lock:
            return list(islice(self._unsaved, _CHUNK))

    def _reopen(self) -> None:
        """Open the file that is now at the path, or create one; all spaces count as unsaved. Raises JournalError.

        Until the outage is over, no entry is appended, so nothing else uses the file.
        """
        self._file.abandon()
        self._file, self._is_being_rewritten = self._open(True), True
        for _ in chain(self._file.spaces(), self._file.deliveries()):  # so that it knows its numbers and sizes
            pass
        with self._source.lock:
            self._unsaved = dict.fromkeys(self._source.keys())
        self._is_gone = False


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(keys), _CHUNK):
        yield keys[first : first + _CHUNK]
