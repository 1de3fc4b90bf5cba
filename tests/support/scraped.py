"""A store behind its families, read as Prometheus reads them."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.capacity.file import CapacityFile
from exporter.events.model import Event
from exporter.metrics.registry import Metrics
from exporter.rule.limits import Limits
from exporter.rule.store import Store
from exporter.settings.declared import Settings
from tests.support.deliveries import NOW, Clock
from tests.support.stores import LIMITS

LABELS = Settings().labels

DESK = {
    "building_name": "",
    "floor_name": "1st Floor",
    "room_name": "",
    "site_name": "",
    "zone_id": "zone_a",
    "zone_name": "Desk 01",
}
"""The labels of the zone in `delivery()`."""

Samples = dict[str, list[tuple[dict[str, str], float]]]
"""Labels and value of each sample, by the sample's name."""


class Scraped:
    """A store that received some events, and its families."""

    def __init__(
        self,
        *events: Event,
        labels: tuple[str, ...] = LABELS,
        limits: Limits = LIMITS,
        now: int = NOW,
        capacity: CapacityFile | None = None,
        points: int = 1,
        certificate_end: float | None = None,
    ) -> None:
        """Apply the events at `now` (ms)."""
        self.clock = Clock(now)
        capacity = capacity or CapacityFile(None, self.clock)
        self.store = Store(limits)
        self.metrics = Metrics(
            lambda: self.store.snapshot(self.clock.now),
            lambda: self.store.settled(self.clock.now, points),
            labels,
            capacity,
            limits.settle_after / 1000,
            lambda: certificate_end,
        )
        for event in events:
            self.store.apply(event, now)

    def families(self, *, openmetrics: bool = False, names: Iterable[str] = ()) -> dict[str, Metric]:
        """Scrape, and return the families by name."""
        text = b"".join(self.metrics.exposition(openmetrics=openmetrics, names=names)).decode()
        return {family.name: family for family in (parse_openmetrics if openmetrics else parse_text)(text)}

    def samples(self, *, openmetrics: bool = False, names: Iterable[str] = ()) -> Samples:
        """Scrape, and return the samples by name; none may have a timestamp."""
        samples: Samples = {}
        for family in self.families(openmetrics=openmetrics, names=names).values():
            for sample in family.samples:
                assert sample.timestamp is None
                samples.setdefault(sample.name, []).append((sample.labels, sample.value))
        return samples
