"""Settled readings at their own times, as OpenMetrics text.

A scrape of it reads, in part:

    # HELP butlr_zone_occupancy_settled People in the zone at that time, as finally computed.
    # TYPE butlr_zone_occupancy_settled gauge
    butlr_zone_occupancy_settled{building_name="HQ",floor_name="1st Floor",...,zone_name="Desk 01"} 4.0 1792915200.0

Always OpenMetrics: several points of one series are undefined in the text format. It knows nothing of HTTP or files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from exporter.events.model import Measure
from exporter.metrics.families import SETTLED, label_values
from exporter.metrics.text import head, labelled, number, timestamp
from exporter.rule.store import Settled

HELP = {
    Measure.ZONE_OCCUPANCY: "People in the zone at that time, as finally computed.",
    Measure.ZONE_OCCUPANCY_1MIN: "People in the zone at that time, smoothed over a minute, as finally computed.",
}


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
