"""The samples of an exporter, read over HTTP as Prometheus reads them."""

from collections import defaultdict
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from exporter.events.measures import Measure
from exporter.simulate.client import NoAnswer, Target, fetch

SCRAPE_TIMEOUT_SECONDS = 60.0

MAX_SCRAPE_BYTES = 1 << 30
"""Largest exposition that is read: a million zones."""

COUNTS = {
    Measure.ZONE_OCCUPANCY: "butlr_zone_occupancy",
    Measure.ZONE_OCCUPANCY_1MIN: "butlr_zone_occupancy_1min",
}
"""The family of each measure's counts."""

TIMES = {measure: f"{family}_timestamp_seconds" for measure, family in COUNTS.items()}
"""The family with the time at which each count was sensed."""

INFO = "butlr_zone_info"

_IN_EVERY_EXPORTER = "butlr_exporter_build_info"
"""A family by which an exporter is recognized."""


class ScrapeFailed(Exception):  # noqa: N818 - the name reads as what happened
    """There are no metrics of an exporter; the text gives people the reason."""


class Sample(NamedTuple):
    """One line of an exposition."""

    labels: dict[str, str]
    value: float


Scraped = dict[str, dict[str, list[Sample]]]
"""Samples by family and zone id."""


async def scrape(target: Target) -> Scraped:
    """Return the samples that an exporter shows now. Raises ScrapeFailed."""
    try:
        answer = await fetch(target, SCRAPE_TIMEOUT_SECONDS, MAX_SCRAPE_BYTES)
    except NoAnswer as error:
        raise ScrapeFailed(f"{target.url}: {error}") from None
    if answer.status != 200:
        raise ScrapeFailed(f"{target.url}: {answer.error_text()}")
    try:
        scraped = parse(answer.body.decode())
    except ValueError:
        scraped = {}
    if _IN_EVERY_EXPORTER not in scraped:
        raise ScrapeFailed(f"{target.url}: shows no metrics of butlr-exporter")
    return scraped


def parse(exposition: str) -> Scraped:
    """Return the samples of an exposition by family and zone id. Raises ValueError."""
    samples: Scraped = defaultdict(lambda: defaultdict(list))
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            samples[sample.name][sample.labels.get("zone_id", "")].append(Sample(sample.labels, sample.value))
    return samples


def newest_readings_ms(scraped: Scraped) -> dict[tuple[str, Measure], int]:
    """Return when the newest reading of each zone and measure was sensed, milliseconds since the epoch."""
    return {
        (zone, measure): round(1000 * max(sample.value for sample in samples))
        for measure, family in TIMES.items()
        for zone, samples in scraped[family].items()
    }


def process_start_ms(scraped: Scraped) -> float:
    """Return when the exporter was started, milliseconds since the epoch, rounded down to a second; 0 if unknown."""
    samples = scraped["process_start_time_seconds"][""]
    return 1000 * samples[0].value if samples else 0.0
