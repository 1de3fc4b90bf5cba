"""The families of entryways as columns. An entryway is a sensor that has reported a crossing.

A scrape reads, in part:

    # HELP butlr_entryway_crossings_total People who crossed the entryway, by direction.
    # TYPE butlr_entryway_crossings_total counter
    butlr_entryway_crossings_total{building_name="HQ",direction="in",...,sensor_id="2oULMisdkRfEp6mBag2gLpJ0d7Z"} 12.0
"""

from collections.abc import Iterator, Sequence

from exporter.metrics.columns import (
    MeasureColumns,
    alternating,
    interleaved_where,
    reordered,
    seconds_suffix,
    value_suffix,
)
from exporter.metrics.families import CROSSINGS
from exporter.rule.traffic import Crossed

_DIRECTIONS = [b'direction="in",', b'direction="out",']


class CrossingColumns(MeasureColumns):
    """The suffixes of the lines of crossings: `values` has the people in, `times` the last crossing."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[bytes] = []
        """The people out."""

    def write(self, at: int, crossed: Crossed) -> None:
        """Write the lines of the entryway at a position."""
        self.left[at] = value_suffix(float(crossed.left))
        self.times[at] = seconds_suffix(crossed.last_crossing) if crossed.last_crossing >= 0 else b""

    def clear(self, at: int) -> None:
        """Clear the lines of the space at a position."""
        super().clear(at)
        self.left[at] = b""

    def reorder(self, order: Sequence[int]) -> None:
        """Move the entries of spaces to new positions: `order` has the old position of each, -1 for a new space."""
        super().reorder(order)
        self.left = reordered(self.left, order, b"")

    def crossings(self, labels: Sequence[list[bytes]]) -> Iterator[bytes]:
        """Write both lines of each entryway; the label of the direction comes behind the first part of the labels."""
        suffixes = alternating([self.values, self.left])
        first, *others = (alternating([column] * len(_DIRECTIONS)) for column in labels)
        directions = _DIRECTIONS * len(self.values)
        return interleaved_where(suffixes, [[CROSSINGS.encode()] * len(suffixes), first, directions, *others, suffixes])
