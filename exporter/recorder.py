"""Keeps the journal in step with memory: what an answer acknowledges is written before it, or the answer says so.

It knows neither how a journal writes nor why a reading changed.
"""

import gc
import logging
from collections.abc import Callable
from itertools import islice
from threading import Lock
from time import monotonic

from exporter.events import Measure
from exporter.journal import Journal, JournalError, JournalGone
from exporter.occupancy import Occupancy, Snapshot

log = logging.getLogger(__name__)

Key = tuple[str, Measure, int]
"""Space id, measure and timestamp of a reading."""

Change = tuple[list[Key], bool]
"""The readings that were changed, and whether something was delivered that was known already."""

_CHUNK = 500
"""Readings written at a time after an outage, so that deliveries hardly wait."""

_PATIENCE = 15.0
"""Seconds after which a delivery sees to the journal itself, for another server than ours does not call `look`."""

_TIDY_EVERY = 12
"""Looks between two searches for spaces that memory has forgotten."""


class Recorder:
    """One journal and the store that it keeps. Thread-safe."""

    def __init__(
        self,
        occupancy: Occupancy,
        open_journal: Callable[[], Journal],
        snapshot: Callable[[], Snapshot],
        failed: Callable[[], None],
    ) -> None:
        """Open the journal. Raises JournalError.

        `snapshot` gives the spaces as they are, and `failed` is called for each write that the journal refuses.
        """
        self._occupancy = occupancy
        self._open = open_journal
        self._snapshot = snapshot
        self._failed = failed
        self._journal = open_journal()
        self._outage: JournalError | None = None
        self._pending: dict[Key, None] = {}
        self._looks = 0
        self._tried = 0.0
        self._lock = Lock()

    def recall(self) -> None:
        """Read everything back into the store, which is empty yet. Raises JournalError."""
        gc.disable()  # or it would look at millions of objects again and again, of which none is garbage
        try:
            readings = self._occupancy.recall(self._journal.replay())
            gc.freeze()  # nor later
        except JournalError:
            self._journal.close()
            raise
        finally:
            gc.enable()
        log.info("journal read back", {"readings": readings})

    def keep(self, change: Callable[[], Change]) -> None:
        """Call what changes readings, and write what is known of those it returns.

        Nothing else changes meanwhile, so nobody is told that a delivery is known before that is written. Raises
        JournalError where it cannot be written; it then is later.
        """
        if self._outage is not None and monotonic() > self._tried + _PATIENCE:
            self._recover()
        with self._lock:
            changed, again = change()
            if changed and self._outage is None:
                try:
                    self._journal.append(self._occupancy.memories(changed))
                except JournalError as error:
                    self._begin_outage(error)
            # What is delivered again may be what could not be written before.
            if self._outage is not None and (changed or again):
                self._pending.update(dict.fromkeys(changed))
                self._failed()
                raise self._outage

    def look(self) -> None:
        """See to the journal: write what could not be written before, drop what memory has forgotten."""
        self._looks += 1
        with self._lock:
            if self._outage is None:
                try:
                    self._journal.check()
                    if self._looks % _TIDY_EVERY == 0:
                        self._retain()
                except JournalError as error:
                    self._begin_outage(error)
                    self._failed()
        if self._outage is not None:
            self._recover()

    def close(self) -> None:
        """Write what is pending, if that is possible now, and let go of the journal."""
        if self._outage is not None:
            self._recover()
        self._journal.close()

    def _retain(self) -> None:
        self._journal.retain({space.id for space in self._snapshot().spaces})

    def _begin_outage(self, error: JournalError) -> None:
        self._outage, self._tried = error, monotonic()
        log.error("journal cannot be written", {"reason": str(error)})

    def _recover(self) -> None:
        written, self._tried = 0, monotonic()
        while True:
            with self._lock:
                if self._outage is None:  # another thread was first
                    return
                try:
                    if isinstance(self._outage, JournalGone):
                        self._begin_anew()
                    chunk = list(islice(self._pending, _CHUNK))
                    self._journal.append(self._occupancy.memories(chunk))
                except JournalError as error:
                    if isinstance(error, JournalGone):
                        self._outage = error
                    self._failed()
                    return
                for key in chunk:
                    del self._pending[key]
                written += len(chunk)
                if not self._pending:
                    self._outage = None
                    log.info("journal is written again", {"readings": written})
                    return

    def _begin_anew(self) -> None:
        """Open what is there now, and let everything that is known be written into it. Raises JournalError."""
        self._journal.abandon()
        self._journal = self._open()
        for _ in self._journal.replay():  # so that it knows what spaces it has
            pass
        self._retain()
        self._pending = dict.fromkeys(self._occupancy.keys())
        self._outage = JournalError("is being written anew")
