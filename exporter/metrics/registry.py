"""Every family of the exporter in one registry, and the exposition that a scrape reads.

prometheus_client renders the families of the exporter itself; `spaces` writes those of spaces, for there may be a
hundred thousand of them. It knows nothing of HTTP. Source of the naming:
prometheus.io/docs/instrumenting/writing_exporters.
"""

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

import prometheus_client as client
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition

from exporter import __version__
from exporter.capacity.file import CapacityFile
from exporter.inventory import Inventory
from exporter.metrics.assets import AssetFamilies
from exporter.metrics.cloud import CloudFamilies
from exporter.metrics.counters import EventCounters, Result
from exporter.metrics.spaces import SpaceFamilies
from exporter.rule.outcome import Outcome
from exporter.rule.settled import Settlement
from exporter.rule.store import Snapshot

# A counter's creation time is a series of its own in Prometheus, as large as the counter and rarely wanted.
client.disable_created_metrics()

TEXT_CONTENT_TYPE = client.CONTENT_TYPE_PLAIN_0_0_4
OPENMETRICS_CONTENT_TYPE = openmetrics_exposition.CONTENT_TYPE_LATEST

SAMPLE_SUFFIXES = ("", "_total", "_bucket", "_sum", "_count")
"""Suffixes that the name of a sample may have behind that of its family."""


class Rejection(StrEnum):
    """The reason for which a request is rejected before any event is read."""

    UNAUTHORIZED = "unauthorized"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"


class Metrics:
    """All families of one app. Thread-safe."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        settled: Callable[[], Settlement],
        labels: Sequence[str],
        capacity: CapacityFile,
        settle_after_seconds: float,
        certificate_end: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Take functions that return the spaces at a scrape and their settled readings, their labels, their capacity.

        Labels are metadata fields. A correction with a delay of `settle_after_seconds` or more is counted as too late.
        `certificate_end` returns when the certificate in use ends, Unix seconds, or None without TLS.
        """
        self._certificate_end = certificate_end
        self._capacity = capacity
        self._spaces = SpaceFamilies(labels, lambda: capacity.current)
        self._assets = AssetFamilies(labels)
        self.registry = client.CollectorRegistry(auto_describe=True)
        self.last_event: float | None = None
        """Arrival of the last valid event, Unix seconds."""
        self._snapshot = snapshot
        self._settled = settled
        self._counters = EventCounters(settle_after_seconds)
        self.registry.register(self)
        self._own_families()
        self.cloud = CloudFamilies(self.registry)
        client.ProcessCollector(registry=self.registry)
        client.PlatformCollector(registry=self.registry)
        client.GCCollector(registry=self.registry)

    def _own_families(self) -> None:
        rejected = client.Counter(
            "butlr_exporter_rejected_requests_total",
            "Requests rejected before any event was read.",
            ["reason"],
            registry=self.registry,
        )
        self._journal_failures = client.Counter(
            "butlr_exporter_journal_failures_total", "Failed writes of the journal.", registry=self.registry
        )
        build = client.Gauge(
            "butlr_exporter_build_info",
            "Version of the exporter and of the Python that runs it; always 1.",
            ["version", "python_version"],
            registry=self.registry,
        )
        build.labels(__version__, platform.python_version()).set(1)
        # Children made here start at 0.
        self._rejected = {reason: rejected.labels(reason) for reason in Rejection}

    def count(self, results: Sequence[Result], arrival_seconds: float) -> None:
        """Count events that arrived together at `arrival_seconds`, Unix time."""
        self._counters.count(results)
        if any(outcome is not Outcome.INVALID for _, outcome, _, _ in results):
            self.last_event = arrival_seconds

    def count_polled(self, results: Sequence[Result]) -> None:
        """Count readings of Butlr's API, which are no events."""
        self._counters.count_without_events(results)
        numbers = Counter((event_type, outcome) for event_type, outcome, _, _ in results)
        for (event_type, outcome), number in numbers.items():
            self.cloud.count_polled(event_type, outcome, number)

    def count_rejection(self, reason: Rejection) -> None:
        """Count one request that was rejected as a whole."""
        self._rejected[reason].inc()

    def count_journal_failure(self) -> None:
        """Count one write that the journal could not do."""
        self._journal_failures.inc()

    def show_assets(self, inventory: Inventory) -> None:
        """Expose what Butlr lists from now on, and the number of spaces that are missing."""
        self._assets.show(inventory)
        self._spaces.listed = inventory.spaces

    def exposition(self, *, openmetrics: bool = False, names: Iterable[str] = ()) -> Iterator[bytes]:
        """Return the exposition in pieces, in OpenMetrics or the text format; with `names`, only these families."""
        wanted = [f"{name}{suffix}" for name in names for suffix in SAMPLE_SUFFIXES]
        registry: Any = self.registry.restricted_registry(wanted) if wanted else self.registry
        own = openmetrics_exposition.generate_latest(registry) if openmetrics else client.generate_latest(registry)
        chosen = set(wanted) if wanted else None
        yield from self._spaces.render(self._snapshot, chosen, openmetrics=openmetrics)
        yield from self._assets.render(chosen)
        yield own

    def settled_exposition(self) -> Iterator[bytes]:
        """Return the settled readings in pieces, always in OpenMetrics.

        Several points of one series are undefined in the text format.
        """
        yield from self._spaces.render_settled(self._settled)
        yield b"# EOF\n"

    def describe(self) -> Iterable[Metric]:
        """Return the families that may be absent, so that the registry learns their names."""
        return self.collect()

    def collect(self) -> Iterable[Metric]:
        """Return the counters of events, and the families that have no sample while their value is unknown."""
        received = GaugeMetricFamily(
            "butlr_exporter_last_event_received_timestamp_seconds", "Arrival of the last valid event."
        )
        if self.last_event is not None:
            received.add_metric([], self.last_event)
        successful = GaugeMetricFamily(
            "butlr_exporter_config_last_reload_successful", "Whether the last read of the capacity file succeeded."
        )
        succeeded = GaugeMetricFamily(
            "butlr_exporter_config_last_reload_success_timestamp_seconds",
            "Time of the last successful read of the capacity file.",
        )
        if self._capacity.path:
            successful.add_metric([], self._capacity.last_read_succeeded)
            succeeded.add_metric([], self._capacity.last_success_seconds)
        ends = GaugeMetricFamily(
            "butlr_exporter_tls_certificate_not_after_timestamp_seconds", "When the certificate in use ends."
        )
        if (end := self._certificate_end()) is not None:
            ends.add_metric([], end)
        return [*self._counters.collect(), received, successful, succeeded, ends]
