"""Keeps the journal in step with memory: what an answer acknowledges is written before it, or the answer says so.

It knows neither how a journal writes nor what becomes of a delivery.
"""

import gc
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from threading import Lock
from time import monotonic, sleep

from exporter.events import OccupancyEvent
from exporter.journal import Journal, JournalError, JournalGone
from exporter.occupancy import Occupancy

log = logging.getLogger(__name__)

Change = tuple[list[OccupancyEvent], bool]
"""The deliveries that are known from now on, and whether there was one that was known already."""

_CHUNK = 100
"""Spaces that are saved at a time, so that deliveries hardly wait."""

_PAUSE = 0.001
"""Seconds in between, in which deliveries that do wait have their turn."""

_PATIENCE = 15.0
"""Seconds after which a delivery sees to the journal itself, for another server than ours does not call `look`."""


class Recorder:
    """One journal and the store that it keeps. Thread-safe."""

    def __init__(
        self,
        occupancy: Occupancy,
        open_journal: Callable[[], Journal],
        failed: Callable[[], None],
    ) -> None:
        """Open the journal; `failed` is called for each write that it refuses. Raises JournalError."""
        self._occupancy = occupancy
        self._open = open_journal
        self._failed = failed
        self._journal = open_journal()
        self._outage: JournalError | None = None
        self._pending: dict[str, None] = {}
        """The spaces of which something could not be written."""
        self._tried = 0.0
        self._lock = Lock()

    def recall(self) -> None:
        """Read everything back into the store, which is empty yet. Raises JournalError."""
        gc.disable()  # or it would look at millions of objects again and again, of which none is garbage
        try:
            self._occupancy.recall(self._journal.spaces())
            deliveries = self._occupancy.replay(self._journal.deliveries())
            gc.freeze()  # nor later
        except JournalError:
            self._journal.close()
            raise
        finally:
            gc.enable()
        log.info("journal read back", {"zones": len(self._occupancy.ids()), "deliveries": deliveries})

    def keep(self, change: Callable[[], Change], arrival: int) -> None:
        """Call what takes deliveries that arrive at `arrival`, and write those that it returns.

        Nothing else changes meanwhile, so nobody is told that a delivery is known before that is written. Raises
        JournalError where it cannot be written; it then is later.
        """
        if self._outage is not None and monotonic() > self._tried + _PATIENCE:
            self._recover()
        with self._lock:
            changed, again = change()
            if changed and self._outage is None:
                try:
                    self._journal.append(changed, arrival)
                except JournalError as error:
                    self._begin_outage(error)
            # What is delivered again may be what could not be written before.
            if self._outage is not None and (changed or again):
                self._pending.update(dict.fromkeys(event.space_id for event in changed))
                self._failed()
                raise self._outage

    def look(self) -> None:
        """See to the journal: write what could not be written before, and keep it from growing long."""
        try:
            if self._outage is None:
                with self._lock:
                    self._journal.check()
                    is_long = self._journal.is_long()
                if is_long:
                    self._shorten()
        except JournalError as error:
            with self._lock:
                self._begin_outage(error)
                self._failed()
        if self._outage is not None:
            self._recover()

    def close(self) -> None:
        """Write what is pending, if that is possible now, and let go of the journal."""
        if self._outage is not None:
            self._recover()
        self._journal.close()

    def _shorten(self) -> None:
        """Save every space and drop what was delivered before, unless another journal begins. Raises JournalError."""
        journal = self._journal
        steps = self._steps(journal)
        is_more = True
        while is_more:
            with self._lock:
                is_more = self._journal is journal and next(steps, False)
            sleep(_PAUSE)

    def _steps(self, journal: Journal) -> Iterator[bool]:
        mark, spaces = journal.mark(), self._occupancy.ids()
        for first in range(0, len(spaces), _CHUNK):
            self._save(spaces[first : first + _CHUNK])
            yield True
        while journal.drop(mark):
            yield True
        self._retain()

    def _save(self, spaces: Iterable[str]) -> None:
        self._journal.save(self._occupancy.memories(spaces))

    def _retain(self) -> None:
        self._journal.retain(set(self._occupancy.ids()))

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
                    self._save(chunk)
                except JournalError as error:
                    if isinstance(error, JournalGone):
                        self._outage = error
                    self._failed()
                    return
                for space_id in chunk:
                    del self._pending[space_id]
                written += len(chunk)
                if not self._pending:
                    self._outage = None
                    log.info("journal is written again", {"zones": written})
                    return
            sleep(_PAUSE)

    def _begin_anew(self) -> None:
        """Open what is there now, and let everything that is known be written into it. Raises JournalError."""
        self._journal.abandon()
        self._journal = self._open()
        for _ in chain(self._journal.spaces(), self._journal.deliveries()):  # so that it knows what it has
            pass
        mark = self._journal.mark()
        self._retain()
        while self._journal.drop(mark):
            pass
        self._pending = dict.fromkeys(self._occupancy.ids())
        self._outage = JournalError("is being written anew")
