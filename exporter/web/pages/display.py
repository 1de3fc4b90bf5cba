"""Numbers, ages and readings as text and drawings for people; this module knows plain values only."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 120, 28
"""Size of a line of readings, in units of the drawing."""

_MARGIN = 3

_BAR_END = 1.5
"""Share of the capacity that fills a whole bar."""

CAPACITY_MARK = 66.6
"""Position of the capacity in a bar of length 100."""

NONE = "\N{EN DASH}"
"""The text for a missing value."""

STATES = {"fresh": "fresh", "stale": "silent", "crowded": "over capacity"}
"""The text for each state of a space, by its name in the API."""


MOTION = {1.0: "motion", 0.0: "no motion"}
"""The words for the values of motion."""


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


def number(value: float) -> str:
    """Return a count with at most two decimals, and commas between thousands; one from 1e15 has an exponent."""
    return f"{round(value, 2 if value < 1000 else 0):,.15g}"


def text(value: float | str | None) -> str:
    """Return a value of the API as text: a word as it is, a number as people write it."""
    if value is None:
        return NONE
    return value if isinstance(value, str) else number(value)


def name(name: str, otherwise: str) -> str:
    """Return a name, or the other text if the name has no visible character."""
    return name if any(character.isprintable() and not character.isspace() for character in name) else otherwise


def age(seconds: float) -> str:
    """Return an age in the largest unit of which it has at least two; a negative age is `0 s`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def delay(seconds: float | None) -> str:
    """Return a delay (s), below 10 s with a fraction."""
    if seconds is None:
        return NONE
    return f"{seconds:.1f} s" if seconds < 10 else age(seconds)


def line(
    readings: Sequence[PlottedReading],
    now_ms: int,
    words_of: Callable[[float], str] = number,
    *,
    until_next: bool = False,
) -> Line:
    """Draw readings, the oldest first, on a time axis that ends at `now_ms` or at a newest reading that is ahead.

    `words_of` returns a value in words. With `until_next` a value holds until the next one, and the last until now.
    """
    start = readings[0].timestamp if readings else now_ms
    x_scale = (WIDTH - 2 * _MARGIN) / max(1, now_ms - start, readings[-1].timestamp - start if readings else 0)
    height, highest = HEIGHT - 2 * _MARGIN, max((reading.value for reading in readings), default=0) or 1
    positions = [
        Position(
            round(_MARGIN + (reading.timestamp - start) * x_scale, 1),
            round(HEIGHT - _MARGIN - reading.value / highest * height, 1),
        )
        for reading in readings
    ]
    corrected = [position for position, reading in zip(positions, readings, strict=True) if reading.corrected]
    words = ", ".join(words_of(reading.value) for reading in readings) or "none"
    if corrected:
        words += f"; {len(corrected)} corrected"
    if until_next and positions:
        ends = [position.x for position in positions[1:]] + [float(WIDTH - _MARGIN)]
        positions = [
            corner for (x, y), end in zip(positions, ends, strict=True) for corner in (Position(x, y), Position(end, y))
        ]
    if len(positions) == 1:  # a polyline of one point is invisible
        ((x, y),) = positions
        return Line(f"{x:g},{y:g} {x + _MARGIN:g},{y:g}", corrected, words)
    return Line(" ".join(f"{x:g},{y:g}" for x, y in positions), corrected, words)


def filled(value: float, capacity: float) -> float:
    """Return the filled length of a bar of length 100, which ends above the capacity."""
    return round(min(value / capacity, _BAR_END) / _BAR_END * 100, 1)
