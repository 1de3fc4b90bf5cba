"""The interface of a journal."""

from collections.abc import Iterable, Iterator, Sequence, Set
from typing import Protocol

from exporter.events.model import OccupancyEvent
from exporter.rule.space import SpaceState


class Journal(Protocol):
    """What a journal does. For one thread at a time."""

    def spaces(self) -> Iterator[SpaceState]:
        """Return every space as it was kept. Raises JournalError."""

    def deliveries(self) -> Iterator[tuple[OccupancyEvent, int]]:
        """Return what was delivered to these since then, and to others, each with its arrival, in their order.

        The spaces must have been read to their end. Raises JournalError.
        """

    def append(self, events: Sequence[OccupancyEvent], arrival: int) -> None:
        """Keep deliveries that came together, all or none. Raises JournalError."""

    def save(self, states: Iterable[SpaceState]) -> None:
        """Keep spaces as they are after all that was appended, all or none. Raises JournalError."""

    def is_long(self) -> bool:
        """Tell whether so much was appended that all spaces should be saved."""

    def mark(self) -> int:
        """Return up to where all is to be dropped when every space was saved."""

    def release(self, mark: int) -> None:
        """Note that every space was saved, so that nothing up to a mark is needed. Raises JournalError."""

    def sync(self) -> None:
        """Force that to the disk; others may write meanwhile. Raises JournalError."""

    def drop(self, mark: int) -> bool:
        """Drop some of what is not needed, up to a mark; tell if there is more. Raises JournalError."""

    def retain(self, space_ids: Set[str]) -> None:
        """Drop every saved space but these. Raises JournalError."""

    def check(self) -> None:
        """See that the next start will find it. Raises JournalGone."""

    def close(self) -> None:
        """Let go of it."""

    def abandon(self) -> None:
        """Let go of one that is gone."""


class JournalError(Exception):
    """A journal that cannot be opened, read or written; the text says why and what to do, for people."""


class JournalGone(JournalError):  # noqa: N818 - the name reads as what happened
    """The file is not where it was."""
