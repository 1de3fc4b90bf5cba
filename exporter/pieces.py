"""Long work in pieces, with a pause between two of them in which other threads run, above all the event loop.

Without the pauses Python lets another thread run only every 5 ms, so each step of each request would wait for so long.
This module knows nothing of the work.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from time import sleep
from typing import Any, TypeVar

PAUSE_SECONDS = 5e-5
"""Long enough for a thread that waits to wake up; the system adds as much."""

_SORTED = 200
"""Entries that are sorted at a time: half a millisecond, with the natural order of the names of a place."""

_Item = TypeVar("_Item")


def in_pieces(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """Return `items` in pieces of `size`, with a pause between two. The work on a piece should take a millisecond."""
    for first in range(0, len(items), size):
        if first:
            sleep(PAUSE_SECONDS)
        yield items[first : first + size]


def paced(items: Iterable[_Item], number: int) -> Iterator[_Item]:
    """Return `items` one by one, with a pause behind each `number` of them."""
    for at, item in enumerate(items, 1):
        yield item
        if at % number == 0:
            sleep(PAUSE_SECONDS)


def sorted_in_pieces(items: Sequence[_Item], key: Callable[[_Item], Any]) -> Iterator[_Item]:
    """Return `items` sorted by `key`, equal ones in their order; the first come long before the last are sorted."""
    pieces = in_pieces(range(len(items)), _SORTED)
    runs = [sorted([(key(items[number]), number) for number in numbers]) for numbers in pieces]
    for _, number in paced(merge(*runs), _SORTED):
        yield items[number]
