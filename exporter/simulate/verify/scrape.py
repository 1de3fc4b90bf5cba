"""The samples of an exporter, read over HTTP as Prometheus reads them."""

from collections import defaultdict
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from exporter.events.measures import Cadence, Kind, Measure
from exporter.simulate.client import NoAnswer, Target, fetch
from exporter.simulate.verify.arrivals import SeriesKey
from exporter.simulate.verify.crossings import Totals

SCRAPE_TIMEOUT_SECONDS = 60.0

MAX_SCRAPE_BYTES = 1 << 30
"""Largest exposition that is read: a million zones."""

READINGS = [measure for measure in Measure if measure.declared.cadence is not Cadence.EVENT]
"""The measures with readings."""

CROSSINGS = [measure for measure in Measure if measure.declared.cadence is Cadence.EVENT]
"""The measures that are counters."""

VALUES = {
    **{measure: measure.declared.family for measure in READINGS},
    **dict.fromkeys(CROSSINGS, "butlr_entryway_crossings_total"),
}
"""The family of each measure's values."""

TIMES = {
    **{measure: f"{measure.declared.family}_timestamp_seconds" for measure in READINGS},
    **dict.fromkeys(CROSSINGS, "butlr_entryway_last_crossing_timestamp_seconds"),
}
"""The family with the time at which each value was sensed."""

INFO = {kind: f"butlr_{kind}_info" for kind in Kind}
"""The family with the metadata of each kind of space."""

_ID_LABEL = {family: measure.kind.id_field for families in (VALUES, TIMES) for measure, family in families.items()} | {
    family: kind.id_field for kind, family in INFO.items()
}
"""The label with the id of the space, for each family of spaces."""

_IN_EVERY_EXPORTER = "butlr_exporter_build_info"
"""A family by which an exporter is recognized."""


class ScrapeFailed(Exception):  # noqa: N818 - the name reads as what happened
    """There are no metrics of an exporter; the text gives people the reason."""


class Sample(NamedTuple):
    """One line of an exposition."""

    labels: dict[str, str]
    value: float


Scraped = dict[str, dict[str, list[Sample]]]
"""Samples by family and id of the space; the id is empty in a family that is not of spaces."""


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
    """Return the samples of an exposition by family and id of the space. Raises ValueError."""
    samples: Scraped = defaultdict(lambda: defaultdict(list))
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            space = sample.labels.get(_ID_LABEL.get(sample.name, ""), "")
            samples[sample.name][space].append(Sample(sample.labels, sample.value))
    return samples


def newest_readings_ms(scraped: Scraped) -> dict[SeriesKey, int]:
    """Return when the newest reading of each space and measure was sensed, milliseconds since the epoch."""
    return {
        (space, measure): _newest_ms(scraped, measure, space)
        for measure in READINGS
        for space in scraped[TIMES[measure]]
    }


def crossing_totals(scraped: Scraped) -> dict[SeriesKey, Totals]:
    """Return the counters of each sensor of an entryway."""
    found = {}
    for measure in CROSSINGS:
        for sensor, samples in scraped[VALUES[measure]].items():
            counts = {sample.labels.get("direction"): round(sample.value) for sample in samples}
            last_crossing_ms = _newest_ms(scraped, measure, sensor)
            found[sensor, measure] = Totals(counts.get("in", 0), counts.get("out", 0), last_crossing_ms)
    return found


def _newest_ms(scraped: Scraped, measure: Measure, space: str) -> int:
    return max([round(1000 * sample.value) for sample in scraped[TIMES[measure]][space]], default=-1)


def process_start_ms(scraped: Scraped) -> float:
    """Return when the exporter was started, milliseconds since the epoch, rounded down to a second; 0 if unknown."""
    samples = scraped["process_start_time_seconds"][""]
    return 1000 * samples[0].value if samples else 0.0
