"""The capacity file of a running exporter: its rules, and the outcome of the last attempt to read them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Lock

from exporter.capacity.parse import CapacityError, parse, text_of
from exporter.capacity.rules import NO_RULES, Capacity, Configured
from exporter.events.measures import Kind
from exporter.events.model import AnyMetadata

log = logging.getLogger(__name__)


class CapacityFile:
    """The rules of a file as last read without mistakes; no rules without a file. Thread-safe."""

    def __init__(
        self,
        path: str | None,
        clock: Callable[[], float],
        known: Callable[[], Mapping[Kind, Sequence[AnyMetadata]]] = dict,
    ) -> None:
        """Read the file, if any; `clock` returns Unix seconds, `known` the known spaces. Raises CapacityError."""
        self.path = path
        self._text: str | None = None
        """The text that was parsed last."""
        self._outcome: Capacity | list[str] = NO_RULES
        """The rules in this text, or its mistakes."""
        self.current = self._rules(path, may_wait=True) if path else NO_RULES
        self.last_read_succeeded = True
        self.last_success_seconds = clock()
        """When the file was last read without mistakes, Unix seconds."""
        self._clock = clock
        self._known = known
        self._asked = 0
        """Number of reloads that were asked for."""
        self._answered = 0
        """Number of these that the last read answered, as it began after them."""
        self._failure: CapacityError | None = None
        """The failure of the last read."""
        self._counting = Lock()
        self._changing = Lock()
        self._reading = Lock()

    def prepare(self) -> None:
        """Match all known spaces, so that no scrape or page has to do so."""
        self.current.prepare(self._known())

    def configure(self, capacities: Configured) -> None:
        """Have these capacities of Butlr in force, in people, where no rule matches."""
        with self._changing:
            if capacities != self.current.configured:
                self.current = self.current.beside(capacities)

    def reload(self) -> None:
        """Read the file again; the old rules stay if that raises CapacityError.

        Of many reloads at once, the first reads the file and one more does so for all others. The new rules are in
        force once all known spaces are matched.
        """
        if self.path is None:
            log.info("no capacity file")
            return
        with self._counting:
            self._asked += 1
            asked = self._asked
        with self._reading:
            if self._answered < asked:
                self._answered = self._asked
                self._failure = self._read(self.path)
            if self._failure is not None:
                raise CapacityError(self._failure.mistakes)

    def _read(self, path: str) -> CapacityError | None:
        """Read the file and return the failure, if any."""
        try:
            capacity = self._rules(path, may_wait=False)  # as pages and the next reloads would wait too
        except CapacityError as error:
            self.last_read_succeeded = False
            log.error("capacity file rejected", {"path": path, "reason": str(error)})
            return error
        capacity.prepare(self._known())
        with self._changing:
            self.current = capacity.beside(self.current.configured)
        self.last_read_succeeded, self.last_success_seconds = True, self._clock()
        log.info("capacity file read", {"path": path, "rules": len(capacity.rules)})
        return None

    def _rules(self, path: str, *, may_wait: bool) -> Capacity:
        """Return the rules in the file. Raises CapacityError.

        The same text as last time is not parsed again: thousands of reloads in a row cost little more than one.
        """
        text = text_of(path, may_wait=may_wait)
        if text != self._text:
            try:
                self._outcome = parse(text)
            except CapacityError as error:
                self._outcome = error.mistakes
            self._text = text
        if isinstance(self._outcome, list):
            raise CapacityError(self._outcome)
        return self._outcome
