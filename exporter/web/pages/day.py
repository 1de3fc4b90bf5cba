"""The last day of an entryway, hour by hour; this module knows plain values only."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from exporter.events.times import utc

HOUR = 3_600_000
"""Milliseconds of an hour."""

SPAN = 24 * HOUR
"""Time (ms) that is shown."""

_WIDTH, _HEIGHT, _GAP = 240.0, 60.0, 2.0
"""Size of the drawing, and the distance between two bars."""


class Bar(NamedTuple):
    """A rectangle of the drawing: people of one direction in one hour."""

    x: float
    y: float
    width: float
    height: float
    direction: str


class Drawing(NamedTuple):
    """The hours as bars for SVG: entries above the middle, exits below it."""

    width: float
    height: float
    bars: list[Bar]


def by_hour(crossings: Sequence[tuple[int, int, int]], now_ms: int) -> dict[str, Any]:
    """Return entries and exits of the last 24 hours, and of each UTC hour of them.

    A crossing is its time (ms), and the numbers of people who came in and went out; they are given oldest first. The
    hours begin with the first crossing, as nothing is known of the time before. One ahead of the clock counts now.
    """
    since_ms = min(max(crossings[0][0] if crossings else 0, now_ms - SPAN), now_ms)
    first, last = since_ms // HOUR, now_ms // HOUR
    hours = [[0, 0] for _ in range(first, last + 1)]
    for timestamp, entered, left in crossings:
        if timestamp >= since_ms:
            hour = hours[min(timestamp // HOUR, last) - first]
            hour[0] += entered
            hour[1] += left
    return {
        "since": utc(since_ms),
        "in": sum(entered for entered, _ in hours),
        "out": sum(left for _, left in hours),
        "hours": [
            {"hour": utc((first + n) * HOUR), "in": entered, "out": left} for n, (entered, left) in enumerate(hours)
        ],
    }


def draw(hours: Sequence[dict[str, Any]]) -> Drawing:
    """Draw the hours of `by_hour`."""
    most = max(max(hour["in"], hour["out"]) for hour in hours) or 1
    step, middle = _WIDTH / len(hours), _HEIGHT / 2
    bars = []
    for n, hour in enumerate(hours):
        for direction in ("in", "out"):
            height = round(hour[direction] / most * middle, 1)
            y = round(middle - height, 1) if direction == "in" else middle
            bars.append(Bar(round(n * step, 1), y, round(step - _GAP, 1), height, direction))
    return Drawing(_WIDTH, _HEIGHT, [bar for bar in bars if bar.height])
