"""Lines of an exposition kept as columns of bytes: a scrape only interleaves them.

A line is its family's name, labels in some parts, and a suffix with the value. Each part is a column, so an unchanged
part costs a scrape nothing but the joining. It knows no family.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress, pairwise
from typing import TypeVar

from exporter.events.measures import Kind
from exporter.events.model import AnyMetadata
from exporter.metrics.text import escaped, label_values, number, timestamp
from exporter.rule.reading import PointColumns

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
        self.settled: list[list[bytes]] = []
        """The suffixes of the settled readings: one column for each point of a space, the newest last."""

    def clear(self, at: int) -> None:
        """Clear the lines of the space at a position."""
        self.values[at] = self.times[at] = b""
        self.sensed_ms[at] = NEVER
        for column in self.settled:
            column[at] = b""

    def reorder(self, order: Sequence[int]) -> None:
        """Move the entries of spaces to new positions: `order` has the old position of each, -1 for a new space."""
        self.values = reordered(self.values, order, b"")
        self.times = reordered(self.times, order, b"")
        self.sensed_ms = array("d", reordered(self.sensed_ms, order, NEVER))
        self.settled = [reordered(column, order, b"") for column in self.settled]


class SettledSuffixes(dict[tuple[float, int], bytes]):
    """The ends of the lines of values with their own times, by value and timestamp (ms); written when first wanted.

    Many spaces have an end in common: as one object, it is in the processor's cache when lines are joined.
    """

    def __missing__(self, point: tuple[float, int]) -> bytes:
        """Write an end; empty for the timestamp 0, where there is no point."""
        value, timestamp_ms = point
        suffix = self[point] = f" {number(value)} {timestamp(timestamp_ms)}\n".encode() if timestamp_ms else b""
        return suffix

    def of(self, points: PointColumns) -> Iterator[bytes]:
        """Return the end of the line of each of many points."""
        return map(self.__getitem__, zip(points.values, points.timestamps, strict=True))


class _Part:
    """A part of the labels of a line."""

    def __init__(self, kind: Kind, names: Sequence[str], template: str) -> None:
        """Take the labels (metadata fields) of the part, and its text with a place for each value."""
        self.values = label_values(kind, names)
        """Returns the values of these labels."""
        self.template = template
        self._quotes = template.count('"')

    def text(self, values: tuple[str, ...]) -> bytes:
        """Return the text with these values."""
        text = self.template % values
        if text.count('"') != self._quotes or "\\" in text or "\n" in text:
            text = self.template % tuple(map(escaped, values))
        return text.encode()


_CUTS = {
    Kind.ZONE: ("room", "zone_id"),
    Kind.ROOM: ("room_id", "site"),
    Kind.FLOOR: ("floor_id", "org"),
    Kind.SENSOR: ("direction", "mac", "site"),
}
"""The places at which the sorted labels of each kind of space are cut, so that many spaces share the other parts; the
lines of crossings have one more label at the first of them."""

SharedParts = dict[tuple[str, tuple[str, ...]], bytes]
"""Parts written in one scrape, by template and values, for the other spaces that share them."""


class LabelColumns:
    """The labels of each space in parts; a part that spaces share is one object for all of them."""

    def __init__(self, kind: Kind, prefix: str, labels: Iterable[str]) -> None:
        """Take the kind of the spaces, the text before the labels, and the metadata fields that are the labels."""
        names = sorted(labels)
        texts = [f'{name}="%s",' for name in names]
        texts[-1] = f"{texts[-1][:-1]}}}"
        bounds = [0, *(bisect_left(names, name) for name in _CUTS[kind]), len(names)]
        templates = ["".join(texts[first:last]) for first, last in pairwise(bounds)]
        templates[0] = f"{prefix}{{{templates[0]}"
        self._parts = [
            _Part(kind, names[first:last], template)
            for (first, last), template in zip(pairwise(bounds), templates, strict=True)
        ]
        self._own = next(at for at, end in enumerate(bounds[1:]) if names.index(kind.id_field) < end)
        self.columns: list[list[bytes]] = [[] for _ in self._parts]
        """The texts of each part, one for each space."""

    @property
    def own(self) -> list[bytes]:
        """The texts of the part with the id of the space, which is never shared."""
        return self.columns[self._own]

    def write(self, at: int, metadata: AnyMetadata, parts: SharedParts, share: Callable[[bytes, bytes], bytes]) -> None:
        """Write the labels of the space at a position; `share(part, part)` returns the shared object of a part."""
        own = self.own
        for column, part in zip(self.columns, self._parts, strict=True):
            is_own = column is own
            column[at] = part.text(part.values(metadata)) if is_own else _shared(part, metadata, parts, share)

    def reorder(self, order: Sequence[int]) -> None:
        """Move the entries of spaces to new positions: `order` has the old position of each, -1 for a new space."""
        self.columns = [reordered(column, order, b"") for column in self.columns]


def _shared(part: _Part, metadata: AnyMetadata, parts: SharedParts, share: Callable[[bytes, bytes], bytes]) -> bytes:
    key = part.template, part.values(metadata)
    text = parts.get(key)
    if text is None:
        text = part.text(key[1])
        text = parts[key] = share(text, text)
    return text


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


def interleaved_where(shown: Sequence[object], columns: Sequence[list[bytes]]) -> Iterator[bytes]:
    """Join columns as `interleaved` does, but only the lines whose entry in `shown` is true."""
    return interleaved(*columns if all(shown) else [list(compress(column, shown)) for column in columns])


def alternating(columns: Sequence[list[bytes]]) -> list[bytes]:
    """Return the first entries of all columns, then the second ones, and so on."""
    return columns[0] if len(columns) == 1 else list(chain.from_iterable(zip(*columns, strict=True)))


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
