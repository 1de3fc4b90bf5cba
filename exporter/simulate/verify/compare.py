"""The differences of an exporter's counts and answers from those that the oracle expects."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.events.measures import Measure
from exporter.events.model import AnyMetadata, Metadata
from exporter.simulate.verify.oracle import Judgement, Oracle
from exporter.simulate.verify.scrape import COUNTS, INFO, TIMES, Sample, Scraped


class Difference(NamedTuple):
    """One count, label or answer that is not as expected: a row of the printed table."""

    zone: str
    """Name and id."""
    what: str
    """Such as `ZONE_OCCUPANCY count`, or `answer to` and the id of an event."""
    expected: str
    actual: str


def exposition_differences(oracle: Oracle, scraped: Scraped, since_ms: float, until_ms: float) -> Iterator[Difference]:
    """Return the differences of a scrape, zone by zone.

    The scrape was between `since_ms` and `until_ms`, milliseconds since the epoch.
    """
    for (zone, measure), count in oracle.expected_counts().items():
        stale = {oracle.is_stale(count, now_ms) for now_ms in (since_ms, until_ms)}
        counts, times, infos = (scraped[family][zone] for family in (COUNTS[measure], TIMES[measure], INFO))
        labels = {name for sample in [*counts, *times] for name in sample.labels} & set(Metadata._fields)
        comparisons = [
            _Comparison(
                "count", [] if True in stale else [f"{count.value:.15g}"], [f"{sample.value:.15g}" for sample in counts]
            ),
            _Comparison("time", [_seconds(count.timestamp_ms / 1000)], [_seconds(sample.value) for sample in times]),
            *_compare_labels(count.metadata, labels, [*counts, *times]),
            _Comparison("info", ["1"], [f"{sample.value:.15g}" for sample in infos]),
            *_compare_labels(count.metadata, Metadata._fields, infos),
        ]
        if len(stale) > 1:  # the count became stale during the scrape, so both is right
            del comparisons[0]
        # A wrong label is wrong in several samples, but one difference.
        for what, expected, actual in dict.fromkeys(
            (each.what, _text(each.expected), _text(each.actual))
            for each in comparisons
            if each.expected != each.actual
        ):
            yield Difference(f"{_name(measure, count.metadata)} {zone}", f"{measure} {what}", expected, actual)


def answer_differences(judgements: Iterable[Judgement]) -> Iterator[Difference]:
    """Return the differences of the exporter's answers to deliveries."""
    for event, expected, actual in judgements:
        if expected != actual:
            yield Difference(
                f"{_name(event.measure, event.metadata)} {event.space_id}", f"answer to {event.id}", expected, actual
            )


def _name(measure: Measure, metadata: AnyMetadata) -> str:
    name: str = metadata._asdict().get(f"{measure.kind}_name", "")
    return name


class _Comparison(NamedTuple):
    """The expected and the actual values of one thing, one for each series."""

    what: str
    expected: list[str]
    actual: list[str]


def _compare_labels(metadata: AnyMetadata, names: Iterable[str], samples: list[Sample]) -> Iterator[_Comparison]:
    """Compare labels of some samples of a zone with its metadata."""
    for name in names:
        if samples:
            found = {repr(sample.labels[name]) if name in sample.labels else "no label" for sample in samples}
            yield _Comparison(name, [repr(getattr(metadata, name))], sorted(found))


def _seconds(time: float) -> str:
    return f"{time:.3f}"


def _text(values: list[str]) -> str:
    return " and ".join(values) or "none"
