"""What an exporter shows and has answered, compared with what it must."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.events.model import Metadata
from exporter.simulate.verify.oracle import Judgement, Oracle
from exporter.simulate.verify.scrape import COUNTS, INFO, TIMES, Sample, Scraped


class Difference(NamedTuple):
    """One thing that is not as it must be."""

    zone: str
    what: str
    must_be: str
    is_: str


def shown_wrong(oracle: Oracle, scraped: Scraped, since: float, until: float) -> Iterator[Difference]:
    """Return what is shown otherwise than it must be, zone by zone.

    The scrape was between `since` and `until`, milliseconds since the epoch.
    """
    for (zone, measure), shown in oracle.shown().items():
        stale = {oracle.is_stale(shown, now) for now in (since, until)}
        counts, times, infos = (scraped[family][zone] for family in (COUNTS[measure], TIMES[measure], INFO))
        chosen = {name for sample in [*counts, *times] for name in sample.labels} & set(Metadata._fields)
        rows = [
            ("count", [] if True in stale else [f"{shown.value:g}"], [f"{sample.value:g}" for sample in counts]),
            ("time", [_seconds(shown.timestamp / 1000)], [_seconds(sample.value) for sample in times]),
            *_labels(shown.metadata, chosen, [*counts, *times]),
            ("info", ["1"], [f"{sample.value:g}" for sample in infos]),
            *_labels(shown.metadata, Metadata._fields, infos),
        ]
        if len(stale) > 1:  # it became stale while it was scraped: both is right
            del rows[0]
        # A wrong label is wrong in several samples, and told once.
        for what, must_be, is_ in dict.fromkeys((what, _text(a), _text(b)) for what, a, b in rows if a != b):
            yield Difference(f"{shown.metadata.zone_name} {zone}", f"{measure} {what}", must_be, is_)


def answered_wrong(judgements: Iterable[Judgement]) -> Iterator[Difference]:
    """Return the answers that were others than they must have been."""
    for event, must_be, is_ in judgements:
        if must_be != is_:
            yield Difference(f"{event.metadata.zone_name} {event.space_id}", f"answer to {event.id}", must_be, is_)


def _labels(
    metadata: Metadata, names: Iterable[str], samples: list[Sample]
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Return each label with the value that it must have and all that it has."""
    for name in names:
        if samples:
            found = {repr(sample.labels[name]) if name in sample.labels else "no label" for sample in samples}
            yield name, [repr(getattr(metadata, name))], sorted(found)


def _seconds(time: float) -> str:
    return f"{time:.3f}"


def _text(values: list[str]) -> str:
    return " and ".join(values) or "none"
