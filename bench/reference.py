"""The families of zones by prometheus_client, as its documentation says: the reference for speed and text of ours.

`python -m bench.reference PORT ZONES` serves them over HTTP, also as its documentation says.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import GaugeMetricFamily

from bench.building import Building
from bench.processes import HOST
from exporter.events.measures import Kind
from exporter.events.model import Metadata
from exporter.metrics.families import CAPACITY, HELP, INFO, OCCUPANCY, SPACES, TIMESTAMP, labels_of
from exporter.metrics.text import label_values
from exporter.rule.store import Snapshot
from exporter.settings.declared import Settings


class Reference:
    """A collector of the families of the zones in a snapshot."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], labels: Sequence[str], capacity: Callable[[Metadata], float | None]
    ) -> None:
        """Collect `snapshot()`, with these metadata fields as labels and the capacities of `capacity(metadata)`."""
        self._snapshot = snapshot
        self._labels = labels_of(Kind.ZONE, labels)
        self._capacity = capacity
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def collect(self) -> Iterable[Metric]:
        """Return the families; called by prometheus_client."""
        names = {INFO[Kind.ZONE]: Metadata._fields, SPACES: ("kind", "state")}
        families = {name: GaugeMetricFamily(name, HELP[name], labels=names.get(name, self._labels)) for name in HELP}
        values_of = label_values(self._labels)
        snapshot = self._snapshot()
        fresh = 0
        for space in snapshot.spaces:
            values = values_of(space.metadata)
            families[INFO[space.kind]].add_metric(space.metadata, 1)
            if (people := self._capacity(space.metadata)) is not None:
                families[CAPACITY[space.kind]].add_metric(values, people)
            for count in space.counts:
                families[TIMESTAMP[count.measure]].add_metric(values, count.timestamp / 1000)
                if not snapshot.is_stale(count):
                    families[OCCUPANCY[count.measure]].add_metric(values, count.value)
            fresh += snapshot.is_fresh(space)
        families[SPACES].add_metric([Kind.ZONE, "fresh"], fresh)
        families[SPACES].add_metric([Kind.ZONE, "stale"], len(snapshot.by_kind[Kind.ZONE]) - fresh)
        return families.values()


def main() -> None:
    """Serve the families on the port and for the number of zones in the arguments."""
    building = Building(int(sys.argv[2]))
    labels = Settings().labels
    start_http_server(int(sys.argv[1]), HOST, Reference(building.snapshot, labels, lambda _: None).registry)
    threading.Event().wait()


if __name__ == "__main__":
    main()
