"""Settled readings at their own times, as OpenMetrics text.

A scrape of it reads, in part:

    # HELP butlr_zone_occupancy_settled People in the zone at that time, as finally computed; an instant query needs ...
    # TYPE butlr_zone_occupancy_settled gauge
    butlr_zone_occupancy_settled{building_name="HQ",floor_name="1st Floor",...,zone_name="Desk 01"} 4.0 1792915200.0

Always OpenMetrics, since several points of one series are undefined in the text format. It knows nothing of HTTP or
files.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from exporter.events.measures import Measure
from exporter.events.model import AnyMetadata
from exporter.metrics.families import SETTLED, labels_of
from exporter.metrics.text import head, label_values, labelled, number, timestamp
from exporter.rule.settled import Settled

END = "# EOF\n"
"""The last line of a text."""


def openmetrics(
    settled: Iterable[Settled], labels: Sequence[str], more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[str]:
    """Write settled readings, the lines of each series together.

    `labels` are the metadata fields that label a space; every series has the labels of `more` as well.
    """
    by_measure: dict[Measure, list[Settled]] = {measure: [] for measure in SETTLED}
    for each in settled:
        by_measure[each.measure].append(each)
    for measure, those in by_measure.items():
        yield from family_lines(measure, those, labels, more)
    yield END


def family_lines(
    measure: Measure, settled: Iterable[Settled], labels: Sequence[str], more: Mapping[str, str]
) -> Iterator[str]:
    """Write the family of one measure: settled readings of that measure, each with all lines of its series."""
    series_of = _SeriesName(measure, labels, more)
    yield head(SETTLED[measure], measure.declared.settled_help)
    for metadata, _, points in settled:
        series = series_of(metadata)
        yield "".join([f"{series} {number(value)} {timestamp(t)}\n" for t, value in points])


class _SeriesName:
    """Writes the family and labels of the series of one measure."""

    def __init__(self, measure: Measure, labels: Sequence[str], more: Mapping[str, str]) -> None:
        own = labels_of(measure.kind, labels)
        self._family = SETTLED[measure]
        self._values_of = label_values(measure.kind, own)
        self._names, self._more = (*own, *more), tuple(more.values())

    def __call__(self, metadata: AnyMetadata) -> str:
        return self._family + labelled(self._names, (*self._values_of(metadata), *self._more))
