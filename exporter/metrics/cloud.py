"""Counters of the requests to Butlr's API, and of the readings that they brought. They know nothing of the API."""

from collections.abc import Iterable

import prometheus_client as client
from prometheus_client.core import GaugeMetricFamily, Metric

from exporter.events.measures import Measure
from exporter.rule.outcome import Outcome

DURATION_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Upper bounds in seconds, up to the time limit of a request."""


class CloudFamilies:
    """The families of Butlr's cloud; without samples until they are used. Thread-safe."""

    def __init__(self, registry: client.CollectorRegistry) -> None:
        self._requests = client.Counter(
            "butlr_exporter_cloud_requests_total",
            "Requests to Butlr's API, by outcome.",
            ["api", "outcome"],
            registry=registry,
        )
        self._durations = client.Histogram(
            "butlr_exporter_cloud_request_duration_seconds",
            "Duration of the requests to Butlr's API.",
            ["api"],
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self._polled = client.Counter(
            "butlr_exporter_polled_readings_total",
            "Readings from Butlr's Reporting API, by outcome.",
            ["event_type", "outcome"],
            registry=registry,
        )
        self.last_poll_seconds: float | None = None
        """End of the last poll without a failed request, Unix seconds; 0 before the first, None without polling."""
        self.last_assets_seconds: float | None = None
        """When Butlr's assets were last read, Unix seconds."""
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Return the families that may be absent, so that the registry learns their names."""
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        """Return the families that have no sample while their value is unknown."""
        polled = GaugeMetricFamily(
            "butlr_exporter_last_poll_success_timestamp_seconds", "End of the last poll without a failed request."
        )
        if self.last_poll_seconds is not None:
            polled.add_metric([], self.last_poll_seconds)
        read = GaugeMetricFamily(
            "butlr_exporter_assets_last_success_timestamp_seconds", "When Butlr's assets were last read."
        )
        if self.last_assets_seconds is not None:
            read.add_metric([], self.last_assets_seconds)
        return [polled, read]

    def begin(self, apis: Iterable[str], outcomes: Iterable[str]) -> None:
        """Have every combination at 0, as the service uses Butlr's API."""
        results = [*outcomes]
        for api in apis:
            self._durations.labels(api)
            for outcome in results:
                self._requests.labels(api, outcome)

    def expect_polled(self, measures: Iterable[Measure]) -> None:
        """Have the readings of these measures at 0, as the service asks for them."""
        for measure in measures:
            for outcome in Outcome:
                if outcome is not Outcome.UNSUPPORTED:
                    self._polled.labels(measure.only_type, outcome)

    def polled(self) -> dict[str, int]:
        """Return the number of readings by outcome, without outcomes that did not occur."""
        numbers: dict[str, int] = {}
        for metric in self._polled.collect():
            for sample in metric.samples:
                if sample.value and sample.name.endswith("_total"):
                    outcome = sample.labels["outcome"]
                    numbers[outcome] = numbers.get(outcome, 0) + int(sample.value)
        return numbers

    def observe(self, api: str, outcome: str, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(api, outcome).inc()
        self._durations.labels(api).observe(seconds)

    def count_polled(self, event_type: str, outcome: Outcome, number: int = 1) -> None:
        """Count readings; an invalid one is a point of an answer that is none."""
        self._polled.labels(event_type, outcome).inc(number)
