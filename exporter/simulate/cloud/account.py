"""The simulated account: all that Butlr's API knows of one building."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from exporter.simulate.cloud.assets import Assets
from exporter.simulate.cloud.graph import Graph
from exporter.simulate.cloud.service import GRAPHQL_PATH, Service
from exporter.simulate.cloud.tokens import Tokens
from exporter.simulate.cloud.webhooks import Webhooks
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
    ) -> None:
        """Take the plan of the simulation, and a clock that returns Unix seconds and advances steadily.

        `tls` is the context of the https URLs of webhooks; `on_change` is called with a sentence for people after each
        change of a webhook.
        """
        random = Random(f"cloud {plan.seed}")
        self.assets = Assets(floors_of(zones_of(plan.zones, plan.seed), plan.seed), plan.seed, lambda: _shown(clock()))
        self.tokens = Tokens(clock, random)
        self.webhooks = Webhooks(self.assets.org_id, random, lambda: 1000 * clock(), tls, on_change)
        graph = Graph({**self.assets.resolvers(), **self.webhooks.resolvers()})
        self.service = Service(self.tokens, {GRAPHQL_PATH: graph.answer})


def _shown(seconds: float) -> str:
    """Return a time as RFC 3339 has it, in UTC and whole seconds."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")
