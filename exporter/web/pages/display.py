"""How numbers, ages and readings are written and drawn for people. A leaf: plain values in, text out."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 120, 28
"""Of a line of readings, in units of its own."""

_MARGIN = 3

_ROOM = 1.5
"""How full a bar can be, as a share of the capacity."""

LIMIT = 66.6
"""Where in a bar of 100 the capacity is."""

NONE = "\N{EN DASH}"
"""Where there is nothing to show."""


class Line(NamedTuple):
    """A line of readings, as SVG has it."""

    points: str
    corrected: list[tuple[float, float]]
    """Where the points are that were corrected."""
    words: str
    """The same for who does not see it."""


def number(value: float) -> str:
    """Return a count: whole ones without a fraction, large ones with commas, and what nobody counts in short."""
    if value >= 1e9:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:.3g}"


def name(name: str, otherwise: str) -> str:
    """Return a name that can be seen, or the other one."""
    return name if any(character.isprintable() and not character.isspace() for character in name) else otherwise


def age(seconds: float) -> str:
    """Return how long ago something was, in the largest unit that fits; what is of the future is now."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"


def delay(seconds: float | None) -> str:
    """Return how long something took."""
    if seconds is None:
        return NONE
    return f"{seconds:.1f} s" if seconds < 10 else age(seconds)


def line(readings: Sequence[tuple[int, float, bool]], now: int) -> Line:
    """Draw readings from the oldest of them to now, or to the newest if that is ahead.

    Each is a timestamp in milliseconds, a value, and whether it was corrected; the oldest is first.
    """
    start = readings[0][0] if readings else now
    across = (WIDTH - 2 * _MARGIN) / max(1, now - start, readings[-1][0] - start if readings else 0)
    up, highest = HEIGHT - 2 * _MARGIN, max((value for _, value, _ in readings), default=0) or 1
    places = [
        (round(_MARGIN + (t - start) * across, 1), round(HEIGHT - _MARGIN - value / highest * up, 1))
        for t, value, _ in readings
    ]
    corrected = [place for place, (_, _, was) in zip(places, readings, strict=True) if was]
    words = ", ".join(number(value) for _, value, _ in readings) or "none"
    if corrected:
        words += f"; {len(corrected)} corrected"
    if len(places) == 1:  # a point is no line, and would not be seen
        ((x, y),) = places
        return Line(f"{x:g},{y:g} {x + _MARGIN:g},{y:g}", corrected, words)
    return Line(" ".join(f"{x:g},{y:g}" for x, y in places), corrected, words)


def share(value: float, of: float) -> float:
    """Return how much of a bar of 100 is filled; it has room above the capacity."""
    return round(min(value / of, _ROOM) / _ROOM * 100, 1)
