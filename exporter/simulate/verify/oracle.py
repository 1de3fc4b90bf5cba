"""The values that an exporter must show after some deliveries, and the outcomes that it must have answered.

Written from the words of the contract with the whole list in hand, where the exporter has to decide event by
event; it shares nothing with the rule that it judges but the parser of events, which also reads the time in an
id. Times are milliseconds since the epoch.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from exporter.events.measures import Cadence, Kind, Measure
from exporter.events.model import AnyMetadata
from exporter.simulate.verify import crossings, readings
from exporter.simulate.verify.arrivals import (
    Arrival,
    Exchange,
    Judgement,
    Rule,
    SeriesKey,
    by_series,
    decisive,
    distinct,
)
from exporter.simulate.verify.crossings import Totals


class ExpectedCount(NamedTuple):
    """The value that must be shown for one measure of one space."""

    metadata: AnyMetadata
    value: float
    timestamp_ms: int
    """When it was sensed."""


class ExpectedTotals(NamedTuple):
    """The counters that must be shown for one sensor of an entryway."""

    metadata: AnyMetadata
    totals: Totals


class Before(NamedTuple):
    """All that an exporter showed before the first delivery."""

    newest_ms: Mapping[SeriesKey, int] = MappingProxyType({})
    """The timestamps of the newest readings."""
    totals: Mapping[SeriesKey, Totals] = MappingProxyType({})
    """The counters of crossings."""


NOTHING_BEFORE = Before()


class Oracle:
    """Judges an exporter by all deliveries that it answered, in the order of the answers."""

    def __init__(
        self,
        exchanges: Iterable[Exchange],
        rule: Rule,
        *,
        unanswered: Iterable[bytes] = (),
        before: Before = NOTHING_BEFORE,
        started_ms: float = 0,
    ) -> None:
        """Take the exchanges, the bodies that were not answered, and the values from before.

        The exporter was started at `started_ms`; it has forgotten the measures that no journal keeps if they were
        delivered over connections from before.
        """
        self.rule = rule
        self._before = before
        self._started_ms = started_ms
        self._series = by_series(exchanges, rule, unanswered)
        for key, arrivals in list(self._series.items()):
            if key[1].declared.cadence is Cadence.STREAM:
                kept = [arrival for arrival in arrivals if arrival.exchange.connected_ms >= started_ms]
                self._series[key] = kept

    @property
    def series_sent(self) -> int:
        """Number of delivered pairs of space and measure."""
        return sum(bool(arrivals) for arrivals in self._series.values())

    def expected_counts(self) -> dict[SeriesKey, ExpectedCount]:
        """Return the value of each space and measure that must be shown unless it is stale, but for crossings.

        Spaces are left out if the exporter had newer readings of them before the first delivery.
        """
        return {
            key: ExpectedCount(metadata, readings.value(newest), newest[0].event.timestamp)
            for key, metadata, newest in self._newest()
            if key[1].declared.cadence is not Cadence.EVENT
        }

    def expected_totals(self) -> dict[SeriesKey, ExpectedTotals]:
        """Return the counters of each sensor of an entryway.

        Sensors are left out if the exporter may have had some of their crossings before the first delivery.
        """
        expected = {}
        for key, metadata, _ in self._newest():
            if key[1].declared.cadence is Cadence.EVENT:
                totals = crossings.totals(self._series[key], self.rule, self._totals_before(key))
                if totals is not None:
                    expected[key] = ExpectedTotals(metadata, totals)
        return expected

    def _newest(self) -> Iterator[tuple[SeriesKey, AnyMetadata, list[Arrival]]]:
        """Return the arrivals for the newest timestamp of each series, after the newest metadata of its space."""
        newest: dict[tuple[Kind, str], dict[Measure, list[Arrival]]] = defaultdict(dict)
        for (space, measure), arrivals in self._series.items():
            if accepted := [arrival for arrival in arrivals if arrival.is_future is not True]:
                n = max(arrival.event.timestamp for arrival in accepted)
                of_newest = [arrival for arrival in accepted if arrival.event.timestamp == n]
                newest[measure.kind, space][measure] = distinct(of_newest)
        for (kind, space), measures in newest.items():
            times = {measure: arrivals[0].event.timestamp for measure, arrivals in measures.items()}
            if any(time <= self._n_before((space, measure)) for measure, time in times.items()):
                continue
            # A space has one name: that of its newest reading of any measure.
            latest = max(times.values())
            if latest <= max(self._n_before((space, measure)) for measure in Measure if measure.kind is kind):
                continue
            of_latest = [a for measure, arrivals in measures.items() if times[measure] == latest for a in arrivals]
            metadata = decisive(sorted(of_latest)).metadata
            for measure, arrivals in measures.items():
                yield (space, measure), metadata, arrivals

    def _n_before(self, key: SeriesKey) -> int:
        """Return the timestamp of the newest reading before the first delivery; -1 if none."""
        if key[1].declared.cadence is Cadence.STREAM and self._started_ms:
            return -1
        return max(self._before.newest_ms.get(key, -1), self._totals_before(key).last_crossing_ms)

    def _totals_before(self, key: SeriesKey) -> Totals:
        return self._before.totals.get(key, Totals())

    def history(self) -> dict[SeriesKey, dict[int, float]]:
        """Return the final value of every reading by its timestamp, for each space and measure with readings.

        A reading that was older than the window when it arrived is left out. Deliveries are assumed to arrive in the
        order of their answers.
        """
        return {
            key: readings.history(arrivals, self.rule, self._n_before(key))
            for key, arrivals in self._series.items()
            if key[1].declared.cadence is not Cadence.EVENT
        }

    def is_stale(self, measure: Measure, count: ExpectedCount, now_ms: float) -> bool:
        """Tell whether a value is too old to be shown at `now_ms`."""
        return 0 < readings.stale_after_ms(measure, self.rule) < now_ms - count.timestamp_ms

    def judgements(self) -> Iterator[Judgement]:
        """Judge every event that can only have had one outcome.

        Not judged are deliveries that overlapped with another of the same space, or that were sent more than once:
        only the exporter knows the order of their arrival. Arrays of events, and readings that the exporter may
        have had before, are not judged either.
        """
        for key, arrivals in self._series.items():
            if key[1].declared.cadence is Cadence.EVENT:
                yield from crossings.judgements(arrivals, self.rule, self._totals_before(key))
            else:
                yield from readings.judgements(arrivals, self.rule, self._n_before(key))
