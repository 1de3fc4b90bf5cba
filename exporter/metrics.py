"""Every family this exporter exposes: its name, its help, and how a snapshot becomes its samples.

One `Metrics` per app, in a registry of its own. The families of zones are built from a snapshot at each
scrape, so that no series outlives its zone or its name; a scrape reads, in part:

    # HELP butlr_zone_occupancy People in the zone now, deduplicated and corrected.
    # TYPE butlr_zone_occupancy gauge
    butlr_zone_occupancy{building_name="HQ",floor_name="1st Floor",...,zone_name="Desk 01"} 4.0

It knows nothing of HTTP. Source of the naming: prometheus.io/docs/instrumenting/writing_exporters.
"""

import platform
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Any

import prometheus_client as client
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics_exposition

from exporter import __version__
from exporter.capacity import CapacityFile
from exporter.events import Measure, Metadata
from exporter.occupancy import APPLIED, Outcome, Snapshot

# A counter's creation time is a series of its own in Prometheus, as large as the counter and rarely wanted.
client.disable_created_metrics()

TEXT_CONTENT_TYPE = client.CONTENT_TYPE_PLAIN_0_0_4
OPENMETRICS_CONTENT_TYPE = openmetrics_exposition.CONTENT_TYPE_LATEST

OCCUPANCY = {
    Measure.ZONE_OCCUPANCY: "butlr_zone_occupancy",
    Measure.ZONE_OCCUPANCY_1MIN: "butlr_zone_occupancy_1min",
}
"""The family of each measure; its timestamp family is named after it."""

_HELP = {
    Measure.ZONE_OCCUPANCY: "People in the zone now, deduplicated and corrected.",
    Measure.ZONE_OCCUPANCY_1MIN: "People in the zone now, smoothed by Butlr over a minute.",
}

EVENT_TYPES: dict[Measure | None, str] = {**{measure: measure.value for measure in Measure}, None: "other"}
"""The `event_type` label of an event by its measure; None is any type that is not exported."""

OUTCOMES: dict[Measure | None, list[Outcome]] = {
    **{measure: [outcome for outcome in Outcome if outcome is not Outcome.UNSUPPORTED] for measure in Measure},
    None: [Outcome.INVALID, Outcome.UNSUPPORTED],
}
"""What can become of an event, by its measure."""

DELAY_BUCKETS = (1, 2.5, 5, 10, 30, 60, 120, 180, 240, 300, 360, 600, 1800, 3600)
"""Seconds. Fine where live deliveries fall, a minute each through the five in which Butlr recomputes."""


SAMPLE_SUFFIXES = ("", "_total", "_bucket", "_sum", "_count")
"""What the name of a sample may have beyond that of its family."""


class Rejection(StrEnum):
    """Why a request was refused before any event was read."""

    UNAUTHORIZED = "unauthorized"
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"


class Metrics:
    """All families of one app. Thread-safe."""

    def __init__(self, snapshot: Callable[[], Snapshot], labels: Sequence[str], capacity: CapacityFile) -> None:
        """Take what gives the zones at a scrape, the metadata fields that label them, and their capacity."""
        self._capacity = capacity
        self.registry = client.CollectorRegistry(auto_describe=True)
        self.last_event: float | None = None
        """Arrival of the last valid event, Unix seconds."""
        self._snapshot = snapshot
        self._labels = tuple(labels)
        self.registry.register(self)
        self._own_families()
        client.ProcessCollector(registry=self.registry)
        client.PlatformCollector(registry=self.registry)
        client.GCCollector(registry=self.registry)

    def _own_families(self) -> None:
        events = client.Counter(
            "butlr_exporter_events_total",
            "Events received, by what became of them.",
            ["event_type", "outcome"],
            registry=self.registry,
        )
        rejected = client.Counter(
            "butlr_exporter_rejected_requests_total",
            "Requests refused before any event was read.",
            ["reason"],
            registry=self.registry,
        )
        delay = client.Histogram(
            "butlr_exporter_event_delay_seconds",
            "Arrival minus sensing time of the events that were applied.",
            ["event_type"],
            buckets=DELAY_BUCKETS,
            registry=self.registry,
        )
        corrections = client.Counter(
            "butlr_exporter_settled_corrections_total",
            "Corrections that came after the reading had settled.",
            ["event_type"],
            registry=self.registry,
        )
        self._journal_failures = client.Counter(
            "butlr_exporter_journal_failures_total", "Writes the journal refused.", registry=self.registry
        )
        build = client.Gauge(
            "butlr_exporter_build_info",
            "Version of the exporter and of the Python that runs it; always 1.",
            ["version", "python_version"],
            registry=self.registry,
        )
        build.labels(__version__, platform.python_version()).set(1)
        # Children made here start at 0, and an event need not look for its own by label.
        self._events = {
            (measure, outcome): events.labels(event_type, outcome)
            for measure, event_type in EVENT_TYPES.items()
            for outcome in OUTCOMES[measure]
        }
        self._rejected = {reason: rejected.labels(reason) for reason in Rejection}
        self._corrections = {measure: corrections.labels(EVENT_TYPES[measure]) for measure in Measure}
        self._delay = {measure: delay.labels(EVENT_TYPES[measure]) for measure in Measure}

    def count_event(self, measure: Measure | None, outcome: Outcome, arrival: float) -> None:
        """Count one event that arrived at `arrival`, Unix seconds; None is a type that is not exported."""
        self._events[measure, outcome].inc()
        if outcome is not Outcome.INVALID:
            self.last_event = arrival

    def observe_delay(self, measure: Measure, outcome: Outcome, delay: float) -> None:
        """Take the delay of an event in seconds, if it was applied; one from a fast clock counts as none."""
        if outcome in APPLIED:
            self._delay[measure].observe(max(delay, 0.0))

    def count_settled_correction(self, measure: Measure) -> None:
        """Count one correction that came after its reading had settled."""
        self._corrections[measure].inc()

    def count_rejection(self, reason: Rejection) -> None:
        """Count one request that was refused whole."""
        self._rejected[reason].inc()

    def count_journal_failure(self) -> None:
        """Count one write that the journal refused."""
        self._journal_failures.inc()

    def exposition(self, *, openmetrics: bool = False, names: Iterable[str] = ()) -> bytes:
        """Return what a scrape reads, in OpenMetrics or the text format, only the named families if any."""
        wanted = [f"{name}{suffix}" for name in names for suffix in SAMPLE_SUFFIXES]
        registry: Any = self.registry.restricted_registry(wanted) if wanted else self.registry
        return openmetrics_exposition.generate_latest(registry) if openmetrics else client.generate_latest(registry)

    def describe(self) -> Iterable[Metric]:
        """Return the families of zones without samples, which is how a registry learns their names."""
        return self._families(Snapshot(now=0, stale_after=0, spaces=[]), None)

    def collect(self) -> Iterable[Metric]:
        """Return the families of zones as they are now."""
        return self._families(self._snapshot(), self.last_event)

    def _families(self, snapshot: Snapshot, last_event: float | None) -> Iterable[Metric]:
        labels_of = label_values(self._labels)
        occupancy = {m: GaugeMetricFamily(OCCUPANCY[m], _HELP[m], labels=self._labels) for m in Measure}
        timestamp = {
            m: GaugeMetricFamily(
                f"{OCCUPANCY[m]}_timestamp_seconds",
                f"When the reading of {OCCUPANCY[m]} was sensed, also while it is stale.",
                labels=self._labels,
            )
            for m in Measure
        }
        info = GaugeMetricFamily(
            "butlr_zone_info", "Every id and name Butlr gives for the zone; always 1.", labels=Metadata._fields
        )
        capacity = GaugeMetricFamily(
            "butlr_zone_capacity", "People the zone is meant for, from the capacity file.", labels=self._labels
        )
        zones = GaugeMetricFamily("butlr_exporter_zones", "Zones known, by whether they are silent.", labels=["state"])
        received = GaugeMetricFamily(
            "butlr_exporter_last_event_received_timestamp_seconds", "Arrival of the last valid event."
        )
        fresh = 0
        for space in snapshot.spaces:
            labels = labels_of(space.metadata)
            info.add_metric(space.metadata, 1)
            if (people := self._capacity.of(space.metadata)) is not None:
                capacity.add_metric(labels, people)
            for count in space.counts:
                timestamp[count.measure].add_metric(labels, count.timestamp / 1000)
                if not snapshot.is_stale(count):
                    occupancy[count.measure].add_metric(labels, count.value)
            fresh += snapshot.is_fresh(space)
        zones.add_metric(["fresh"], fresh)
        zones.add_metric(["stale"], len(snapshot.spaces) - fresh)
        if last_event is not None:
            received.add_metric([], last_event)
        return [*occupancy.values(), *timestamp.values(), info, capacity, zones, received, *self._reloads()]

    def _reloads(self) -> Iterable[Metric]:
        successful = GaugeMetricFamily(
            "butlr_exporter_config_last_reload_successful", "Whether the capacity file was taken when it was last read."
        )
        succeeded = GaugeMetricFamily(
            "butlr_exporter_config_last_reload_success_timestamp_seconds", "When the capacity file was last taken."
        )
        if self._capacity.path:
            successful.add_metric([], self._capacity.successful)
            succeeded.add_metric([], self._capacity.succeeded)
        return [successful, succeeded]


def label_values(labels: Sequence[str]) -> Callable[[Metadata], tuple[str, ...]]:
    """Return what gives the values of these labels, each a field of the metadata."""
    if len(labels) > 1:
        return attrgetter(*labels)
    (label,) = labels
    return lambda metadata: (getattr(metadata, label),)
