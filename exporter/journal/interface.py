"""The interface of a journal, whether it is a file or a stream that several processes share."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Lock
from typing import NamedTuple, Protocol

from exporter.events.model import Event
from exporter.rule.space import Forgotten, SpaceState


class JournalError(Exception):
    """A journal cannot be opened, read or written; the text names the reason and the remedy, for people."""


class Delivery(NamedTuple):
    """One event as it arrived, or a space that somebody had forgotten."""

    event: Event | Forgotten
    arrival_ms: int
    """Milliseconds since the epoch."""


class Replay(NamedTuple):
    """The content of a journal, to be read once: the spaces to their end, then the deliveries."""

    spaces: Iterator[SpaceState]
    """Every space as it was saved."""
    deliveries: Iterator[Delivery]
    """The deliveries since then, in the order in which they were appended."""


class Source(NamedTuple):
    """The spaces that a journal saves, and the lock under which they change."""

    lock: Lock
    """The caller of `append` holds it from before it applies the events until they are appended. So a journal that
    holds it sees spaces that agree with its entries. A journal holds it for one short step at a time, and never while
    it waits for a disk or for another process: every event that arrives would wait as well."""
    keys: Callable[[], list[str]]
    """Return the keys of all spaces."""
    states: Callable[[Iterable[str]], list[SpaceState]]
    """Return the states of the spaces with these keys, without those that are forgotten."""


class Journal(Protocol):
    """Accepted deliveries, and the spaces that they add up to, outside of the process."""

    @property
    def outage(self) -> str | None:
        """Return why the journal refuses every entry at present; None if it is written."""

    def start(self) -> None:
        """Get ready for the first entry, once the content is read, as no `append` may wait for a disk.

        An error is logged and counted, and is the begin of an outage.
        """

    def append(self, events: Sequence[Event], arrival_ms: int) -> None:
        """Write one entry: events that arrived together, all or none of them. Raises JournalError.

        The caller holds the lock of the source and has applied the events. After an error, `maintain` or `close` saves
        their spaces as soon as that is possible.
        """

    def forget(self, space: Forgotten, arrival_ms: int) -> None:
        """Write one entry, by which a replay forgets a space. Raises JournalError, and then there is no such entry.

        The caller holds the lock of the source, and forgets the space afterwards.
        """

    def replay(self) -> Replay:
        """Return the content, for an empty store, before the first `append`. Reading it raises JournalError."""

    def maintain(self) -> None:
        """Compact, detect that the journal is gone, and end an outage, each if it is due. For one thread at a time.

        Deliveries go on meanwhile. An error is logged and counted, and the next call tries again.
        """

    def follow(self) -> Iterable[Delivery]:
        """Return the deliveries that other processes appended since the last call; a file has none."""

    def close(self) -> None:
        """Save the spaces that an outage left unsaved, if possible, and release the journal. Not during `maintain`."""
