"""Applies events to the store and appends them to the journal, as one step, before any answer acknowledges them.

It knows neither how a journal is written nor how an event is decided.
"""

import gc
import logging
from collections.abc import Callable, Sequence
from operator import attrgetter
from threading import Lock, Thread
from time import monotonic

from exporter.events.measures import IN_MEMORY
from exporter.events.model import Event
from exporter.journal.interface import Journal, JournalError, Source
from exporter.rule.outcome import REFUSED, Outcome
from exporter.rule.space import Forgotten
from exporter.rule.store import Store

log = logging.getLogger(__name__)

_PATIENCE = 15.0
"""Seconds after which a delivery has `maintain` called, as only this project's own server calls it regularly."""


_measure_of = attrgetter("measure")


class NotWritten(JournalError):  # noqa: N818 - the name reads as what happened
    """Events were applied, but the journal refused them; it saves their spaces once it can be written."""

    def __init__(self, reason: str, outcomes: list[Outcome]) -> None:
        """Take the reason, and the outcome of each event."""
        super().__init__(reason)
        self.outcomes = outcomes


class Recorder:
    """A store and its journal. Thread-safe."""

    def __init__(self, store: Store, open_journal: Callable[[Source], Journal]) -> None:
        """Open the journal of the store. Raises JournalError."""
        self._store = store
        self._lock = Lock()
        self._journal = open_journal(Source(self._lock, store.keys, store.states))
        self._maintaining = Lock()
        self._maintained_at = monotonic()

    def restore(self) -> None:
        """Read the journal into the store, which must be empty. Raises JournalError."""
        gc.disable()  # or the collector would walk millions of new objects again and again, none of them garbage
        try:
            replay = self._journal.replay()
            self._store.restore(replay.spaces)
            deliveries = self._store.replay(replay.deliveries)
            gc.freeze()  # or the first collection afterwards would walk them
        except JournalError:
            self._journal.close()
            raise
        finally:
            gc.enable()
        self._journal.start()
        self._maintained_at = monotonic()
        log.info("journal read back", {"spaces": len(self._store), "deliveries": deliveries})

    @property
    def refuses(self) -> bool:
        """Tell whether the journal refuses every event at present."""
        return self._journal.outage is not None

    def apply(self, events: Sequence[Event], now_ms: int) -> list[Outcome]:
        """Apply events that arrive at `now_ms` to the store, append the accepted ones, and return every outcome.

        Of the events of a measure that no journal keeps, only those are appended that keep a space known, and an outage
        refuses none of them. An accepted event that changes nothing is appended too, as its arrival keeps its space
        from being forgotten. No other event is applied before the append, so a repetition is not acknowledged before
        the first is written.
        Raises NotWritten where the append fails.
        """
        if monotonic() > self._maintained_at + _PATIENCE:
            self._maintained_at = monotonic()
            Thread(target=self.maintain, name="journal").start()  # so that the events do not wait for it
        with self._lock:
            outcomes = self._store.apply_all(events, now_ms)
            accepted = events
            if not REFUSED.isdisjoint(outcomes) or not IN_MEMORY.isdisjoint(map(_measure_of, events)):
                accepted = [
                    event
                    for event, outcome in zip(events, outcomes, strict=True)
                    if outcome not in REFUSED
                    and (event.measure not in IN_MEMORY or self._store.is_renewed(event, now_ms))
                ]
            if accepted:
                try:
                    self._journal.append(accepted, now_ms)
                except JournalError as error:
                    if not IN_MEMORY.issuperset(map(_measure_of, accepted)):
                        raise NotWritten(str(error), outcomes) from None
        return outcomes

    def forget(self, space: Forgotten, now_ms: int) -> bool:
        """Forget a space at `now_ms`, in the journal first; return whether it was known.

        Raises JournalError where the journal cannot be written; the space stays then.
        """
        with self._lock:
            if not self._store.knows(space, now_ms):
                return False
            self._journal.forget(space, now_ms)
            return self._store.forget(space, now_ms)

    def maintain(self) -> None:
        """Maintain the journal and apply the deliveries of other processes, unless another thread is at it."""
        if self._maintaining.acquire(blocking=False):
            try:
                self._maintained_at = monotonic()
                self._journal.maintain()
                with self._lock:
                    self._store.replay(self._journal.follow())
            finally:
                self._maintained_at = monotonic()  # a maintenance may take longer than the patience of a delivery
                self._maintaining.release()

    def close(self) -> None:
        """Close the journal, after a `maintain` that is under way."""
        with self._maintaining:
            self._journal.close()
