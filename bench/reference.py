"""The families of spaces by prometheus_client, as its documentation says: the reference for speed and text of ours.

`python -m bench.reference PORT ZONES` serves them over HTTP, also as its documentation says.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from bench.building import Building
from bench.processes import HOST
from exporter.events.measures import Kind
from exporter.events.model import FIELDS, AnyMetadata
from exporter.metrics.families import (
    CAPACITY,
    CROSSINGS,
    HELP,
    INFO,
    LAST_CROSSING,
    OCCUPANCY,
    SPACES,
    TIMESTAMP,
    Role,
    families_of,
    labels_of,
)
from exporter.metrics.text import label_values
from exporter.rule.store import Snapshot
from exporter.rule.traffic import Crossed
from exporter.settings.declared import Settings


class Reference:
    """A collector of the families of the spaces in a snapshot."""

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        labels: Sequence[str],
        capacity: Callable[[AnyMetadata, Kind], float | None],
    ) -> None:
        """Collect `snapshot()`, with these fields as labels, and the capacities of `capacity(metadata, kind)`."""
        self._snapshot = snapshot
        self._labels = labels
        self._capacity = capacity
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return the families; called by prometheus_client."""
        snapshot = self._snapshot()
        families: dict[str, Any] = {SPACES: GaugeMetricFamily(SPACES, HELP[SPACES], labels=("kind", "state"))}
        for kind in Kind:
            labels = labels_of(kind, self._labels)
            for family in families_of(kind):
                if family.role is Role.CROSSINGS:
                    own = (*labels, "direction")
                    families[family.name] = CounterMetricFamily(family.name, family.help, labels=own)
                else:
                    names = FIELDS[kind] if family.role is Role.INFO else labels
                    families[family.name] = GaugeMetricFamily(family.name, family.help, labels=names)
            self._collect(snapshot, kind, families, label_values(kind, labels))
        return [families[name] for name in HELP]

    def _collect(
        self,
        snapshot: Snapshot,
        kind: Kind,
        families: dict[str, Any],
        values_of: Callable[[AnyMetadata], Sequence[str]],
    ) -> None:
        fresh, spaces = 0, snapshot.by_kind.get(kind, [])
        for space in spaces:
            values = values_of(space.metadata)
            families[INFO[kind]].add_metric(space.metadata[: len(FIELDS[kind])], 1)
            if (people := self._capacity(space.metadata, kind)) is not None:
                families[CAPACITY[kind]].add_metric(values, people)
            for count in space.counts:
                if isinstance(count, Crossed):
                    families[CROSSINGS].add_metric((*values, "in"), count.value)
                    families[CROSSINGS].add_metric((*values, "out"), count.left)
                    if count.last_crossing >= 0:
                        families[LAST_CROSSING].add_metric(values, count.last_crossing / 1000)
                    continue
                families[TIMESTAMP[count.measure]].add_metric(values, count.timestamp / 1000)
                if not snapshot.is_stale(count):
                    families[OCCUPANCY[count.measure]].add_metric(values, count.value)
            fresh += snapshot.is_fresh(space)
        families[SPACES].add_metric([kind, "fresh"], fresh)
        families[SPACES].add_metric([kind, "stale"], len(spaces) - fresh)


def main() -> None:
    """Serve the families on the port and for the number of zones in the arguments."""
    building = Building(int(sys.argv[2]))
    labels = Settings().labels
    start_http_server(int(sys.argv[1]), HOST, Reference(building.snapshot, labels, lambda *_: None).registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
