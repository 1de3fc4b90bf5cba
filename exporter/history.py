"""The corrected history: settled readings at their own times, as OpenMetrics text.

A scrape of it reads, in part:

    # HELP butlr_zone_occupancy_settled People in the zone at that time, as finally computed.
    # TYPE butlr_zone_occupancy_settled gauge
    butlr_zone_occupancy_settled{building_name="HQ",floor_name="1st Floor",...,zone_name="Desk 01"} 4.0 1792915200.0

Always OpenMetrics: several points of one series are undefined in the text format. It knows nothing of HTTP or files.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from exporter.events import Measure, OccupancyEvent
from exporter.exposition import head, labelled, number, timestamp
from exporter.occupancy import Limits, Occupancy, Outcome, Settled
from exporter.zone_families import OCCUPANCY, label_values

SETTLED = {measure: f"{family}_settled" for measure, family in OCCUPANCY.items()}
"""The family of each measure."""

HELP = {
    Measure.ZONE_OCCUPANCY: "People in the zone at that time, as finally computed.",
    Measure.ZONE_OCCUPANCY_1MIN: "People in the zone at that time, smoothed over a minute, as finally computed.",
}

_DECISIVE = frozenset({Outcome.NEW, Outcome.BACKFILLED, Outcome.CORRECTED})
"""Outcomes after which a reading has the value of the event."""


def openmetrics(
    settled: Iterable[Settled], labels: Sequence[str], more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """Write settled readings, each series in one piece.

    `labels` are the metadata fields that label a zone, and `more` are labels that every series has as well.
    """
    values_of = label_values(labels)
    names, values = (*labels, *more), tuple(more.values())
    lines: dict[Measure, list[str]] = {measure: [] for measure in Measure}
    for metadata, measure, points in settled:
        series = SETTLED[measure] + labelled(names, (*values_of(metadata), *values))
        lines[measure].append("".join(f"{series} {number(value)} {timestamp(t)}\n" for t, value in points))
    for measure, family in SETTLED.items():
        yield head(family, HELP[measure])
        yield from lines[measure]
    yield "# EOF\n"


class History:
    """The whole history of some deliveries, in the order of their arrival: what every reading came to.

    The service's own rule decides, but nothing is too old to be told, and there may be any number of zones and
    deliveries. When one arrived is not known, but that it was computed before, at a time that most ids hold: what
    is ahead of all of these was sensed by a clock that is wrong.
    """

    def __init__(self, window: int, settle_after: int, future_tolerance: int, now: int) -> None:
        """Take the rule's numbers in milliseconds, and the time, milliseconds since the epoch."""
        limits = Limits(
            window=window,
            stale_after=0,
            forget_after=0,
            settle_after=settle_after,
            future_tolerance=future_tolerance,
            max_spaces=sys.maxsize,
            max_deliveries=sys.maxsize,
        )
        self._limits = limits
        self._now = now
        self.computed = 0
        """When the newest delivery was computed, milliseconds since the epoch; 0 if no id tells."""
        self._occupancy = Occupancy(limits)
        self._values: dict[tuple[str, Measure], dict[int, float]] = defaultdict(dict)

    def take(self, event: OccupancyEvent) -> Outcome:
        """Take one delivery."""
        if event.generation is not None:
            self.computed = max(self.computed, min(event.generation * 1000, self._now))
        outcome = self._occupancy.apply(event, self.computed or self._now)
        if outcome in _DECISIVE:
            self._values[event.space_id, event.measure][event.timestamp] = event.value
        return outcome

    def settled(self, until: int | None = None) -> Iterator[Settled]:
        """Return every settled reading under the zones' newest names, oldest first, but none from `until` on."""
        newest = self._now - self._limits.settle_after
        if until is not None:
            newest = min(newest, until - 1)
        for space in self._occupancy.snapshot(self._now).spaces:
            for count in space.counts:
                values = self._values[space.id, count.measure]
                points = sorted(point for point in values.items() if point[0] <= newest)
                if points:
                    yield Settled(space.metadata, count.measure, points)
