"""What an exporter shows, as anyone can scrape it."""

from collections import defaultdict
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from exporter.events.model import Measure
from exporter.simulate.client import Target, Unanswered, fetch

SCRAPE_TIMEOUT = 60.0
"""Seconds."""

MAX_SCRAPE = 1 << 30
"""Bytes of the largest exposition: a million zones."""

COUNTS = {
    Measure.ZONE_OCCUPANCY: "butlr_zone_occupancy",
    Measure.ZONE_OCCUPANCY_1MIN: "butlr_zone_occupancy_1min",
}
"""The family of each measure's counts."""

TIMES = {measure: f"{family}_timestamp_seconds" for measure, family in COUNTS.items()}
"""The family of the times at which these were sensed."""

INFO = "butlr_zone_info"

_OURS = "butlr_exporter_build_info"


class NotScraped(Exception):  # noqa: N818 - the name reads as what happened
    """There are no metrics of an exporter; the text says why, for people."""


class Sample(NamedTuple):
    """One line of an exposition."""

    labels: dict[str, str]
    value: float


Scraped = dict[str, dict[str, list[Sample]]]
"""Samples by family and zone id."""


async def scrape(target: Target) -> Scraped:
    """Return what an exporter shows now. Raises NotScraped."""
    try:
        answer = await fetch(target, SCRAPE_TIMEOUT, MAX_SCRAPE)
    except Unanswered as unanswered:
        raise NotScraped(f"{target.url}: {unanswered}") from None
    if answer.status != 200:
        raise NotScraped(f"{target.url}: {answer.words()}")
    try:
        scraped = parse(answer.body.decode())
    except ValueError:
        scraped = {}
    if _OURS not in scraped:
        raise NotScraped(f"{target.url}: shows no metrics of butlr-exporter")
    return scraped


def parse(exposition: str) -> Scraped:
    """Sort the samples of an exposition. Raises ValueError."""
    samples: Scraped = defaultdict(lambda: defaultdict(list))
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            samples[sample.name][sample.labels.get("zone_id", "")].append(Sample(sample.labels, sample.value))
    return samples


def newest(scraped: Scraped) -> dict[tuple[str, Measure], int]:
    """Return when the newest reading of every zone and measure was sensed, milliseconds since the epoch."""
    return {
        (zone, measure): round(1000 * max(sample.value for sample in samples))
        for measure, family in TIMES.items()
        for zone, samples in scraped[family].items()
    }


def process_start(scraped: Scraped) -> float:
    """Return when the exporter was started, milliseconds since the epoch, to the second before; 0 if unknown."""
    samples = scraped["process_start_time_seconds"][""]
    return 1000 * samples[0].value if samples else 0.0
