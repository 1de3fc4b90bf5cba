"""What an exporter shows, compared with what it must show."""

import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from exporter.events import Measure, Metadata
from exporter.simulate.client import authorization, without_credentials
from exporter.simulate.oracle import Oracle

SCRAPE_TIMEOUT = 60.0
"""Seconds."""

_FAMILIES = {
    Measure.ZONE_OCCUPANCY: ("butlr_zone_occupancy", "butlr_zone_occupancy_timestamp_seconds"),
    Measure.ZONE_OCCUPANCY_1MIN: ("butlr_zone_occupancy_1min", "butlr_zone_occupancy_1min_timestamp_seconds"),
}
"""The count of each measure, and when it was sensed."""
_INFO = "butlr_zone_info"
_OURS = "butlr_exporter_build_info"


class NotScraped(Exception):  # noqa: N818 - the name reads as what happened
    """There are no metrics of an exporter; the text says why, for people."""


class Sample(NamedTuple):
    """One line of an exposition."""

    labels: dict[str, str]
    value: float


Scraped = dict[str, dict[str, list[Sample]]]
"""Samples by family and zone id."""


class Difference(NamedTuple):
    """One thing that is not as it must be."""

    zone: str
    what: str
    must_be: str
    is_: str


def scrape(url: str) -> Scraped:
    """Return what an exporter shows now at an `http://` or `https://` URL. Raises NotScraped."""
    plain = without_credentials(url)
    try:
        request = urllib.request.Request(plain, headers=authorization(url))  # noqa: S310
        with urllib.request.urlopen(request, timeout=SCRAPE_TIMEOUT) as answer:  # noqa: S310 - as the user wishes
            scraped = parse(answer.read().decode())
    except urllib.error.HTTPError as error:
        error.close()
        raise NotScraped(f"{plain}: {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise NotScraped(f"{plain}: {getattr(error.reason, 'strerror', None) or error.reason}") from None
    except OSError as error:
        raise NotScraped(f"{plain}: {error.strerror or error}") from None
    except ValueError:  # no exposition
        scraped = {}
    if _OURS not in scraped:
        raise NotScraped(f"{plain}: shows no metrics of butlr-exporter")
    return scraped


def parse(exposition: str) -> Scraped:
    """Sort the samples of an exposition. Raises ValueError."""
    samples: Scraped = defaultdict(lambda: defaultdict(list))
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            samples[sample.name][sample.labels.get("zone_id", "")].append(Sample(sample.labels, sample.value))
    return samples


def process_start(scraped: Scraped) -> float:
    """Return when the exporter was started, milliseconds since the epoch, to the second before; 0 if unknown."""
    samples = scraped["process_start_time_seconds"][""]
    return 1000 * samples[0].value if samples else 0.0


def differences(oracle: Oracle, scraped: Scraped, since: float, until: float) -> Iterator[Difference]:
    """Return what is shown otherwise than it must be, zone by zone.

    The scrape was between `since` and `until`, milliseconds since the epoch.
    """
    for (zone, measure), shown in oracle.shown().items():
        stale = {oracle.is_stale(shown, now) for now in (since, until)}
        counts, times, infos = (scraped[family][zone] for family in (*_FAMILIES[measure], _INFO))
        rows: list[tuple[str, list[float] | list[str], list[float] | list[str]]] = [
            ("count", [] if True in stale else [shown.value], [sample.value for sample in counts]),
            ("seconds of its time", [shown.timestamp / 1000], [sample.value for sample in times]),
            *_labels(shown.metadata, [*counts, *times, *infos]),
        ]
        if len(stale) > 1:  # it became stale while it was scraped: both is right
            del rows[0]
        for what, must_be, is_ in rows:
            if must_be != is_:
                yield Difference(f"{shown.metadata.zone_name} {zone}", f"{measure} {what}", _text(must_be), _text(is_))


def _labels(metadata: Metadata, samples: list[Sample]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Return each label that any sample has, with the value that it must have and those that it has."""
    for name, must_be in metadata._asdict().items():
        if values := {sample.labels[name] for sample in samples if name in sample.labels}:
            yield name, [must_be], sorted(values)


def _text(values: list[float] | list[str]) -> str:
    return " and ".join(f"{value:.14g}" if isinstance(value, float) else repr(value) for value in values) or "none"
