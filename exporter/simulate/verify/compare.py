"""The differences of an exporter's values and answers from those that the oracle expects."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from exporter.events.measures import Measure
from exporter.events.model import AnyMetadata
from exporter.simulate.verify.arrivals import Judgement, SeriesKey
from exporter.simulate.verify.oracle import Oracle
from exporter.simulate.verify.scrape import INFO, TIMES, VALUES, Sample, Scraped


class Difference(NamedTuple):
    """One value, label or answer that is not as expected: a row of the printed table."""

    space: str
    """Name and id."""
    what: str
    """Such as `ZONE_OCCUPANCY count`, or `answer to` and the id of an event."""
    expected: str
    actual: str


def exposition_differences(oracle: Oracle, scraped: Scraped, since_ms: float, until_ms: float) -> Iterator[Difference]:
    """Return the differences of a scrape, space by space.

    The scrape was between `since_ms` and `until_ms`, milliseconds since the epoch.
    """
    for key, count in oracle.expected_counts().items():
        stale = {oracle.is_stale(key[1], count, now_ms) for now_ms in (since_ms, until_ms)}
        shown = _shown(scraped, key)
        comparisons = [
            _Comparison("count", [] if True in stale else [f"{count.value:.15g}"], _values(shown.values)),
            _Comparison("time", [_seconds(count.timestamp_ms)], _times(shown.times)),
        ]
        if len(stale) > 1:  # the count became stale during the scrape, so both is right
            del comparisons[0]
        yield from _differences(key, count.metadata, comparisons, shown)
    for key, (metadata, totals) in oracle.expected_totals().items():
        shown = _shown(scraped, key)
        directions = {"in": totals.entered, "out": totals.left}
        comparisons = [
            _Comparison(
                direction,
                [f"{expected:d}"],
                _values(sample for sample in shown.values if sample.labels.get("direction") == direction),
            )
            for direction, expected in directions.items()
        ]
        expected_time = [_seconds(totals.last_crossing_ms)] if totals.last_crossing_ms >= 0 else []
        comparisons.append(_Comparison("time", expected_time, _times(shown.times)))
        yield from _differences(key, metadata, comparisons, shown)


def answer_differences(judgements: Iterable[Judgement]) -> Iterator[Difference]:
    """Return the differences of the exporter's answers to deliveries."""
    for event, expected, actual in judgements:
        if expected != actual:
            space = _space((event.space_id, event.measure), event.metadata)
            yield Difference(space, f"answer to {event.id}", expected, actual)


class _Shown(NamedTuple):
    """The samples of one measure of one space."""

    values: list[Sample]
    times: list[Sample]
    infos: list[Sample]


def _shown(scraped: Scraped, key: SeriesKey) -> _Shown:
    space, measure = key
    return _Shown(*(scraped[family][space] for family in (VALUES[measure], TIMES[measure], INFO[measure.kind])))


class _Comparison(NamedTuple):
    """The expected and the actual values of one thing, one for each series."""

    what: str
    expected: list[str]
    actual: list[str]


def _differences(
    key: SeriesKey, metadata: AnyMetadata, comparisons: list[_Comparison], shown: _Shown
) -> Iterator[Difference]:
    """Return the differences among some comparisons, and of the labels and the info of a space."""
    samples = [*shown.values, *shown.times]
    labels = {name for sample in samples for name in sample.labels} & set(metadata._fields)
    comparisons = [
        *comparisons,
        *_compare_labels(metadata, labels, samples),
        _Comparison("info", ["1"], _values(shown.infos)),
        *_compare_labels(metadata, _fields(key[1], metadata), shown.infos),
    ]
    # A wrong label is wrong in several samples, but one difference.
    for what, expected, actual in dict.fromkeys(
        (each.what, _text(each.expected), _text(each.actual)) for each in comparisons if each.expected != each.actual
    ):
        yield Difference(_space(key, metadata), f"{key[1]} {what}", expected, actual)


def _compare_labels(metadata: AnyMetadata, names: Iterable[str], samples: Sequence[Sample]) -> Iterator[_Comparison]:
    """Compare labels of some samples of a space with its metadata."""
    for name in names:
        if samples:
            found = {repr(sample.labels[name]) if name in sample.labels else "no label" for sample in samples}
            yield _Comparison(name, [repr(getattr(metadata, name))], sorted(found))


def _fields(measure: Measure, metadata: AnyMetadata) -> list[str]:
    """Return the names of the metadata that a kind of space can have: a room is in no zone, a floor in no room."""
    inner = {"room": ("zone_",), "floor": ("zone_", "room_")}.get(measure.kind, ())
    return [name for name in metadata._fields if not name.startswith(inner)]


def _space(key: SeriesKey, metadata: AnyMetadata) -> str:
    """Return the name and id of a space; a sensor has the name of its place."""
    space, measure = key
    names = metadata._asdict()
    name = names.get(f"{measure.kind}_name") or names["room_name"] or names["floor_name"]
    return f"{name} {space}".strip()


def _values(samples: Iterable[Sample]) -> list[str]:
    return [f"{sample.value:.15g}" for sample in samples]


def _times(samples: Iterable[Sample]) -> list[str]:
    return [_seconds(1000 * sample.value) for sample in samples]


def _seconds(time_ms: float) -> str:
    return f"{time_ms / 1000:.3f}"


def _text(values: list[str]) -> str:
    return " and ".join(values) or "none"
