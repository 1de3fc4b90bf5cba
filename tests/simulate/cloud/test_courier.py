"""Deliveries to webhooks: butlr.md, delivery semantics."""

import json
import time
from collections.abc import Awaitable, Callable

import pytest

from exporter.simulate.client import Target
from exporter.simulate.cloud import courier
from exporter.simulate.cloud.courier import Couriers, Log
from exporter.simulate.cloud.webhooks import Webhook
from exporter.simulate.load.report import Totals
from exporter.simulate.verify.arrivals import Exchange
from exporter.simulate.world.delivery import Delivery
from tests.support.running import free_port
from tests.support.scripted import Cut, Scripted, answer, served


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "RETRY_DELAYS_SECONDS", (0.01, 0.01, 0.01))


class Sent:
    """Couriers to a few webhooks, with all that they reported."""

    def __init__(self, *webhooks: Webhook) -> None:
        self.exchanges: list[Exchange] = []
        self.printed: list[str] = []
        self.log = Log(Totals(), self.exchanges.append, [], self.printed.append)
        self.couriers = Couriers(webhooks, 2, time.time, self.log)

    async def send(self, *deliveries: Delivery) -> None:
        """Send deliveries, and wait for the answers."""
        for each in deliveries:
            self.couriers.send(each)
        await self.couriers.finish()


def webhook(url: str, *types: str, only_changes: bool = False) -> Webhook:
    """Return a webhook that sends these types."""
    endpoint = {"url": url, "httpTimeout": 5}
    return Webhook("webhook_1", "exporter", types, endpoint, Target(url, {}), None, only_changes)


def delivery(data: int = 1, event_type: str = "ZONE_OCCUPANCY", zone: str = "zone_1", age_ms: int = 0) -> Delivery:
    """Return a delivery that is due now, or was some time ago."""
    body = {"id": "event_1", "type": event_type, "metadata": {"zone_id": zone}, "data": data}
    return Delivery(int(time.time() * 1000) - age_ms, json.dumps(body).encode(), zone)


def tried(test: Callable[[Sent], Awaitable[None]], *script: bytes, only_changes: bool = False) -> list[bytes]:
    """Run a test with a webhook of zones, and return the bodies that arrived."""
    bodies: list[bytes] = []

    async def run(server: Scripted) -> None:
        await test(Sent(webhook(server.url, "ZONE_OCCUPANCY", "ZONE_OCCUPANCY_1MIN", only_changes=only_changes)))
        bodies.extend(body for _, _, body in server.requests)

    served(run, *script)
    return bodies


def test_only_the_types_of_a_webhook_are_delivered() -> None:
    """A webhook gets its types, however they are spelled, and nothing that the plan loses."""
    wanted = [delivery(1), delivery(2, "zone_occupancy"), delivery(3, "zone_occupancy_1m")]
    others = [delivery(4, "ROOM_OCCUPANCY"), delivery(5)._replace(lost=True)]

    async def test(sent: Sent) -> None:
        await sent.send(*wanted, *others)
        assert [exchange.body for exchange in sent.exchanges] == [each.body for each in wanted]
        assert sent.log.totals.lost == 1

    assert tried(test) == [each.body for each in wanted]


def test_only_changes() -> None:
    """With `send_on_value_change` an event is sent if its value is not the one before of its space and type."""
    events = [delivery(1), delivery(1), delivery(2), delivery(1, zone="zone_2"), delivery(2), delivery(1)]

    async def test(sent: Sent) -> None:
        await sent.send(*events)

    bodies = tried(test, only_changes=True)
    assert sorted(bodies) == sorted(events[n].body for n in (0, 2, 3, 5))


def test_retries() -> None:
    """A delivery is tried again after a failure, and three times at most; the spaces of those given up are in doubt."""
    events = [delivery(1), delivery(2)]

    async def test(sent: Sent) -> None:
        await sent.send(*events)
        assert [(exchange.body, exchange.tries) for exchange in sent.exchanges] == [(events[0].body, 4)]
        assert sent.log.unanswered == [events[1].body]
        assert (sent.log.totals.retries, sent.log.totals.dropped, len(sent.printed)) == (6, 1, 2)

    failures = [Cut(), answer(503), answer(401)]
    assert tried(test, *failures, answer(), *failures, answer(500)) == [events[0].body] * 4 + [events[1].body] * 4


def test_an_old_delivery_is_tried_once() -> None:
    """A delivery that was due more than ten seconds before is tried once."""

    async def test(sent: Sent) -> None:
        await sent.send(delivery(1, age_ms=10_001), delivery(2))
        assert (sent.log.totals.dropped, len(sent.exchanges)) == (1, 1)

    assert len(tried(test, answer(503))) == 2


def test_a_delivery_without_a_connection_never_arrived() -> None:
    """A delivery for which no connection could be made is given up, and its space is not in doubt."""

    async def test(_: Scripted) -> None:
        sent = Sent(webhook(f"http://127.0.0.1:{free_port()}/", "ZONE_OCCUPANCY"))
        await sent.send(delivery())
        assert (sent.log.totals.dropped, sent.log.unanswered) == (1, [])
        assert "refused" in sent.printed[0]

    served(test)
