"""Lines of an exposition kept as columns of bytes: a scrape only interleaves them.

A line is its family's name, labels in three parts, and a suffix with the value. Each part is a column, so an unchanged
part costs a scrape nothing but the joining. It knows no family.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from exporter.events.model import Metadata
from exporter.metrics.text import label_values, labelled_parts, number

NEVER = -1.0
"""The time of sensing of a space that has no reading of a measure."""

_PIECE = 48 << 10
"""Bytes that are joined at a time, about: less than `memory.LARGE`, from which on malloc maps each piece anew."""

SMALL_COUNTS = {float(people): b" %d.0\n" % people for people in range(1000)}
"""The end of the line of nearly every count."""

_BILLION_SECONDS_MS = 10**12
"""10^9 seconds: a timestamp from 2001 to 2033 is between one and two of these."""

_Item = TypeVar("_Item")


class MeasureColumns:
    """The suffixes of the lines of one measure, one for each space."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.times: list[bytes] = []
        self.sensed_ms = array("d")
        """The time of sensing of each space's newest reading; NEVER without one."""
        self.oldest_ms = NEVER
        """The least of them."""

    def reorder(self, order: Sequence[int]) -> None:
        """Move the entries of spaces to new positions: `order` has the old position of each, -1 for a new space."""
        self.values = reordered(self.values, order, b"")
        self.times = reordered(self.times, order, b"")
        self.sensed_ms = array("d", reordered(self.sensed_ms, order, NEVER))


class LabelColumns:
    """The labels of each space in three parts; a part that spaces share is one object for all of them."""

    def __init__(self, prefix: str, labels: Iterable[str], cuts: Iterable[str]) -> None:
        """Take the text before the labels, the metadata fields that are the labels, and where they are cut.

        The parts begin with the first label that is not before each of `cuts`.
        """
        self._prefix = prefix.encode()
        self._names = sorted(labels)
        self._values = label_values(self._names)
        self._cuts = [bisect_left(self._names, name) for name in sorted(cuts)]
        self.floors: list[bytes] = []
        """For a zone: the labels of its building and floor, shared by the zones of a floor."""
        self.rooms: list[bytes] = []
        """For a zone: the labels of its room and site, shared by the zones of a room."""
        self.owns: list[bytes] = []
        """The labels of the space itself, never shared."""

    def write(self, at: int, metadata: Metadata, share: Callable[[bytes, bytes], bytes]) -> None:
        """Write the labels of the space at a position; `share(part, part)` returns the shared object of a part."""
        parts = labelled_parts(self._names, self._values(metadata), self._cuts)
        floor, room, self.owns[at] = [part.encode() for part in parts]
        floor = self._prefix + floor
        self.floors[at], self.rooms[at] = share(floor, floor), share(room, room)

    def reorder(self, order: Sequence[int]) -> None:
        """Move the entries of spaces to new positions: `order` has the old position of each, -1 for a new space."""
        self.floors = reordered(self.floors, order, b"")
        self.rooms = reordered(self.rooms, order, b"")
        self.owns = reordered(self.owns, order, b"")


def interleaved(*columns: list[bytes]) -> Iterator[bytes]:
    """Join columns of equal length line by line, in pieces."""
    if not columns[0]:
        return
    lines_of_a_piece = max(1, _PIECE // sum(len(column[0]) for column in columns))  # the first line stands for all
    for first in range(0, len(columns[0]), lines_of_a_piece):
        last = min(first + lines_of_a_piece, len(columns[0]))
        parts = [b""] * ((last - first) * len(columns))
        for at, column in enumerate(columns):
            parts[at :: len(columns)] = column[first:last]
        yield b"".join(parts)


def reordered(entries: Iterable[_Item], order: Sequence[int], missing: _Item) -> list[_Item]:
    """Return the entries at these positions; `missing` for position -1."""
    entries = [*entries, missing]
    return [entries[at] for at in order]


def value_suffix(value: float) -> bytes:
    """Return the end of the line of a value."""
    return f" {number(value)}\n".encode()


def seconds_suffix(timestamp_ms: int) -> bytes:
    """Return the end of the line of a time: seconds as prometheus_client writes them, mostly in one step."""
    if _BILLION_SECONDS_MS <= timestamp_ms < 2 * _BILLION_SECONDS_MS and timestamp_ms % 10:
        return b" 1.%012de+09\n" % (timestamp_ms - _BILLION_SECONDS_MS)
    return value_suffix(timestamp_ms / 1000)
