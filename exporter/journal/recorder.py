"""Keeps the journal in step with memory: what an answer acknowledges is written before it, or the answer says so.

It knows neither how a journal writes nor what becomes of a delivery.
"""

import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from threading import Lock
from time import monotonic, sleep

from exporter.events.model import OccupancyEvent
from exporter.journal.interface import Journal, JournalError, JournalGone
from exporter.rule.outcome import REFUSED, Outcome
from exporter.rule.store import Store

log = logging.getLogger(__name__)

_CHUNK = 100
"""Spaces that are saved at a time, so that deliveries hardly wait."""

_PAUSE = 0.001
"""Seconds in between, in which deliveries that do wait have their turn."""

_PATIENCE = 15.0
"""Seconds after which a delivery sees to the journal itself, for another server than ours does not call `maintain`."""


class NotWritten(JournalError):  # noqa: N818 - the name reads as what happened
    """Events were applied, but the journal could not be written; their spaces are written once it can be."""

    def __init__(self, reason: str, outcomes: list[Outcome]) -> None:
        """Take the reason, and the outcome of every event."""
        super().__init__(reason)
        self.outcomes = outcomes


class Recorder:
    """One journal and the store that it keeps. Thread-safe."""

    def __init__(
        self,
        store: Store,
        open_journal: Callable[[bool], Journal],
        failed: Callable[[], None],
    ) -> None:
        """Open the journal; `failed` is called for each write that it refuses. Raises JournalError.

        It is opened again, with true, if it is gone and all is to be written anew.
        """
        self._store = store
        self._open = open_journal
        self._failed = failed
        self._journal = open_journal(False)
        self._is_anew = False
        """Whether not all is written yet of what is to be written anew."""
        self._outage: JournalError | None = None
        self._pending: dict[str, None] = {}
        """The spaces of which something could not be written."""
        self._seen_to = monotonic()
        """When somebody looked."""
        self._lock = Lock()
        self._maintaining = Lock()

    def restore(self) -> None:
        """Read everything back into the store, which is empty yet. Raises JournalError."""
        gc.disable()  # or it would look at millions of objects again and again, of which none is garbage
        try:
            self._store.restore(self._journal.spaces())
            deliveries = self._store.replay(self._journal.deliveries())
            gc.freeze()  # nor later
        except JournalError:
            self._journal.close()
            raise
        finally:
            gc.enable()
        self._seen_to = monotonic()
        log.info("journal read back", {"zones": len(self._store.ids()), "deliveries": deliveries})

    @property
    def refuses(self) -> bool:
        """Tell whether deliveries cannot be kept now."""
        return self._outage is not None

    def apply(self, events: Sequence[OccupancyEvent], now_ms: int) -> list[Outcome]:
        """Apply events that arrive at `now_ms` (ms) to the store, append the accepted ones, and return all outcomes.

        An event that changes nothing is appended too, as its arrival keeps its space from being forgotten. No other
        event is applied before the append, so no answer acknowledges an event that is not written yet. Raises
        NotWritten where the append fails.
        """
        if monotonic() > self._seen_to + _PATIENCE:
            self.maintain()
        apply = self._store.apply
        with self._lock:
            outcomes = [apply(event, now_ms) for event in events]
            accepted = [event for event, outcome in zip(events, outcomes, strict=True) if outcome not in REFUSED]
            if accepted:
                if self._outage is None:
                    try:
                        self._journal.append(accepted, now_ms)
                    except JournalError as error:
                        self._begin_outage(error)
                if self._outage is not None:
                    self._pending.update(dict.fromkeys(event.space_id for event in accepted))
                    self._failed()
                    raise NotWritten(str(self._outage), outcomes)
        return outcomes

    def maintain(self) -> None:
        """See to the journal, unless somebody does: write what could not be written, and keep it from growing long."""
        if self._maintaining.acquire(blocking=False):
            try:
                self._maintain()
            finally:
                self._maintaining.release()

    def _maintain(self) -> None:
        self._seen_to = monotonic()
        try:
            if self._outage is None:
                with self._lock:
                    self._journal.check()
                    is_long = self._journal.is_long()
                if is_long:
                    self._shorten()
        except JournalError as error:
            self._fail(error)
        if self._outage is not None or self._pending:
            self._recover()

    def close(self) -> None:
        """Write what is pending, if that is possible now, and let go of the journal."""
        if self._outage is not None or self._pending:
            self._recover()
        self._journal.close()

    def _shorten(self) -> None:
        """Save every space and drop what was delivered before, unless another journal begins. Raises JournalError."""
        journal = self._journal
        steps = self._steps(journal)
        meanwhile: Callable[[], None] | None = _rest
        while meanwhile:
            with self._lock:
                meanwhile = next(steps, None) if self._journal is journal else None
                self._seen_to = monotonic()
            if meanwhile:
                meanwhile()

    def _steps(self, journal: Journal) -> Iterator[Callable[[], None]]:
        """Do it, and return between two steps what is to be done while deliveries have their turn."""
        mark, spaces = journal.mark(), self._store.ids()
        for first in range(0, len(spaces), _CHUNK):
            self._save(spaces[first : first + _CHUNK])
            yield _rest
        journal.release(mark)
        yield journal.sync
        while journal.drop(mark):
            yield _rest
        journal.retain(set(self._store.ids()))

    def _save(self, spaces: Iterable[str]) -> None:
        self._journal.save(self._store.states(spaces))
        for space_id in spaces:
            self._pending.pop(space_id, None)

    def _begin_outage(self, error: JournalError) -> None:
        self._outage = error
        log.error("journal cannot be written", {"reason": str(error)})

    def _fail(self, error: JournalError) -> None:
        with self._lock:
            if self._outage is None or str(error) != str(self._outage):
                is_gone = isinstance(self._outage, JournalGone)
                self._begin_outage(JournalGone(str(error)) if is_gone else error)
            self._failed()

    def _recover(self) -> None:
        """Write what could not be written before. What is delivered meanwhile is, as soon as anything can be."""
        try:
            with self._lock:
                if isinstance(self._outage, JournalGone):
                    self._begin_anew()
                missing = len(self._pending)
                self._save(list(islice(self._pending, _CHUNK)) or self._store.ids()[:1])
                self._outage = None
            if self._is_anew:
                self._shorten()
                self._is_anew = False
            while self._pending and self._outage is None:
                sleep(_PAUSE)
                with self._lock:
                    self._save(list(islice(self._pending, _CHUNK)))
                    self._seen_to = monotonic()
        except JournalError as error:
            self._fail(error)
            return
        if self._outage is None:
            log.info("journal is written again", {"zones": missing})

    def _begin_anew(self) -> None:
        """Open what is there now; everything that is known is to be written into it. Raises JournalError."""
        self._journal.abandon()
        self._journal, self._is_anew = self._open(True), True
        for _ in chain(self._journal.spaces(), self._journal.deliveries()):  # so that it knows what it has
            pass
        self._pending = dict.fromkeys(self._store.ids())
        self._outage = JournalError("is being written anew")


def _rest() -> None:
    sleep(_PAUSE)
