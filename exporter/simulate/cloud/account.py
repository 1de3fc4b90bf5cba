"""The simulated account: all that Butlr's API knows of one building."""

import ssl
from collections.abc import Callable
from random import Random

from exporter.simulate.cloud.assets import Assets
from exporter.simulate.cloud.faults import Faults
from exporter.simulate.cloud.graph import Graph
from exporter.simulate.cloud.reports.polled import Polled
from exporter.simulate.cloud.reports.readings import Readings
from exporter.simulate.cloud.reports.reporting import Reporting, shown_time
from exporter.simulate.cloud.service import GRAPHQL_PATH, REPORTING_PATH, Service
from exporter.simulate.cloud.tokens import Tokens
from exporter.simulate.cloud.webhooks import Webhooks
from exporter.simulate.verify.arrivals import Exchange
from exporter.simulate.world.building import floors_of, zones_of
from exporter.simulate.world.delivery import Plan


class Account:
    """An account, and the service that answers for it."""

    def __init__(
        self,
        plan: Plan,
        clock: Callable[[], float],
        tls: ssl.SSLContext | None = None,
        on_change: Callable[[str], None] = lambda _: None,
        record: Callable[[Exchange], None] = lambda _: None,
        faults: Faults | None = None,
    ) -> None:
        """Take the plan of the simulation, and a clock that returns Unix seconds and advances steadily.

        `tls` is the context of the https URLs of webhooks; `on_change` is called with a sentence for people after each
        change of a webhook, and `record` with every reading that the Reporting API has given. `faults` let requests
        fail.
        """
        self._clock = clock
        self._ended_ms = float("inf")
        random = Random(f"cloud {plan.seed}")
        floors = floors_of(zones_of(plan.zones, plan.seed), plan.seed)
        self.assets = Assets(floors, plan.seed, lambda: shown_time(self._now_ms()))
        self.tokens = Tokens(clock, random)
        self.webhooks = Webhooks(self.assets.org_id, random, self._now_ms, tls, on_change)
        self.readings = Readings(plan.interval_ms)
        self.polled = Polled(self.assets, self._now_ms, record, random)
        self.reporting = Reporting(
            self.assets, self.readings, lambda: min(self._now_ms(), self._ended_ms), random, self.polled.take
        )
        graph = Graph({**self.assets.resolvers(), **self.webhooks.resolvers()})
        handlers = {GRAPHQL_PATH: graph.answer, REPORTING_PATH: self.reporting.answer}
        self.service = Service(self.tokens, handlers, faults)

    def end(self) -> None:
        """Let the Reporting API answer from now on as if no more time passed."""
        self._ended_ms = self._now_ms()

    def _now_ms(self) -> float:
        return 1000 * self._clock()
