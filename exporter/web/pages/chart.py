"""Readings as drawings for SVG: a small line, and a chart with a scale. This module knows plain values only."""

import math
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from exporter.web.pages.display import number


class Frame(NamedTuple):
    """A drawing, and the part of it in which readings lie, in units of the drawing from its upper left corner."""

    width: float
    height: float
    left: float
    top: float
    right: float
    bottom: float


SMALL = Frame(120, 28, left=3, top=3, right=117, bottom=25)

LARGE = Frame(360, 180, left=30, top=12, right=354, bottom=156)
"""As wide as a phone, so that its text is as large as other text there."""


class PlottedReading(NamedTuple):
    """A reading to draw."""

    timestamp: int
    """Milliseconds since the epoch."""
    value: float
    corrected: bool


class Position(NamedTuple):
    """A point of the drawing, from its upper left corner."""

    x: float
    y: float


class Line(NamedTuple):
    """A line of readings for SVG."""

    points: str
    """The positions of all readings, as an SVG polyline has them."""
    corrected: list[Position]
    """The positions of the corrected readings."""
    words: str
    """The readings in words, for screen readers."""


class Tick(NamedTuple):
    """A value on the scale of a chart."""

    y: float
    label: str


class Chart(NamedTuple):
    """A line of readings with a scale for SVG."""

    line: Line
    ticks: list[Tick]
    capacity_y: float | None
    begin_ms: int
    end_ms: int


def line(
    readings: Sequence[PlottedReading],
    now_ms: int,
    words_of: Callable[[float], str] = number,
    *,
    until_next: bool = False,
    frame: Frame = SMALL,
    top: float = 0,
) -> Line:
    """Draw readings, the oldest first, on a time axis that ends at `now_ms` or at a newest reading that is ahead.

    `words_of` returns a value in words. With `until_next` a value holds until the next one, and the last until now. The
    highest value, or one that is higher, `top`, is at the top.
    """
    start = readings[0].timestamp if readings else now_ms
    x_scale = (frame.right - frame.left) / max(1, _end(readings, now_ms) - start)
    y_scale = (frame.bottom - frame.top) / (top or max((reading.value for reading in readings), default=0) or 1)
    positions = [
        Position(
            round(frame.left + (reading.timestamp - start) * x_scale, 1),
            round(frame.bottom - reading.value * y_scale, 1),
        )
        for reading in readings
    ]
    corrected = [position for position, reading in zip(positions, readings, strict=True) if reading.corrected]
    words = ", ".join(words_of(reading.value) for reading in readings) or "none"
    if corrected:
        words += f"; {len(corrected)} corrected"
    if until_next and positions:
        ends = [position.x for position in positions[1:]] + [float(frame.right)]
        positions = [
            corner for (x, y), end in zip(positions, ends, strict=True) for corner in (Position(x, y), Position(end, y))
        ]
    if len(positions) == 1:  # a polyline of one point is invisible
        ((x, y),) = positions
        return Line(f"{x:g},{y:g} {x + 3:g},{y:g}", corrected, words)
    return Line(" ".join(f"{x:g},{y:g}" for x, y in positions), corrected, words)


def chart(
    readings: Sequence[PlottedReading],
    now_ms: int,
    words_of: Callable[[float], str],
    *,
    until_next: bool = False,
    capacity: float | None = None,
) -> Chart:
    """Draw readings as `line` does, with a scale that begins at 0 and reaches to the capacity at least."""
    highest = max([1.0, capacity or 0, *[reading.value for reading in readings]])
    step = _step(highest)
    # Absurd counts reach the largest number that there is.
    values = [min(step * n, sys.float_info.max) for n in range(math.ceil(highest / step) + 1)]
    top = values[-1]
    y_scale = (LARGE.bottom - LARGE.top) / top
    return Chart(
        line=line(readings, now_ms, words_of, until_next=until_next, frame=LARGE, top=top),
        ticks=[Tick(round(LARGE.bottom - value * y_scale, 1), words_of(value)) for value in values],
        capacity_y=None if capacity is None else round(LARGE.bottom - capacity * y_scale, 1),
        begin_ms=readings[0].timestamp if readings else now_ms,
        end_ms=_end(readings, now_ms),
    )


def _end(readings: Sequence[PlottedReading], now_ms: int) -> int:
    return max(now_ms, readings[-1].timestamp) if readings else now_ms


def _step(highest: float) -> float:
    """Return the distance of the values on a scale, such as 1, 2, 5 or 10: with it there are four at most above 0."""
    power = 10.0 ** max(0, math.floor(math.log10(highest)))
    return next(step * power for step in (0.5, 1, 2, 5, 10) if step * power >= 1 and highest / (step * power) <= 4)
