"""Delivers events to the registered webhooks, as Butlr does: with retries for ten seconds, and then no more.

Source: docs.butlr.io, FAQ: up to three retries within ten seconds; then the message is dropped.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import NamedTuple
from zlib import crc32

from exporter.simulate.client import NoAnswer
from exporter.simulate.cloud.names import is_delivered
from exporter.simulate.cloud.webhooks import Webhook
from exporter.simulate.load.report import Totals
from exporter.simulate.load.sender import RETRY_DELAYS_SECONDS, LastingConnection, outcomes_of
from exporter.simulate.verify.arrivals import Exchange
from exporter.simulate.world.delivery import Delivery, EventType

_RETRY_SECONDS = 10.0
"""Time from the first try within which a delivery is tried again."""

_MAX_WAITING = 10_000
"""Deliveries that wait for a connection to one webhook; further ones are dropped."""

_STANDARD_TYPES = {spelling: each.value for each in EventType for spelling in (each.value, each.other_spelling)}
"""The types of events by each spelling that the simulation has for them."""


class Log(NamedTuple):
    """The results of all deliveries."""

    totals: Totals
    record: Callable[[Exchange], None]
    """Called after each delivery that was accepted."""
    unanswered: list[bytes]
    """Deliveries that may have arrived or not."""
    print: Callable[[str], None]
    """Called with the reason when an outage begins."""


class Couriers:
    """The way of each event to the webhooks that want it."""

    def __init__(self, webhooks: Iterable[Webhook], connections: int, clock: Callable[[], float], log: Log) -> None:
        """Take the webhooks, which may change, the connections to each, and a clock (Unix seconds)."""
        self._webhooks = webhooks
        self._connections = connections
        self._clock = clock
        self._log = log
        self._by_webhook: dict[Webhook, _Courier] = {}
        self._values: dict[tuple[str, str, str], object] = {}
        """The value that was sent last, by webhook, type and space."""

    def send(self, delivery: Delivery) -> None:
        """Deliver one event to each webhook that wants it."""
        if delivery.lost:
            self._log.totals.lost += 1
            return
        event = json.loads(delivery.body)
        event_type = _STANDARD_TYPES[event["type"]]
        for webhook in self._webhooks:
            if not webhook.wants(event_type, event):
                continue
            key = webhook.id, event_type, delivery.space
            if webhook.only_changes and "data" in event and self._values.get(key) == event["data"]:
                continue
            self._values[key] = event.get("data")
            if webhook not in self._by_webhook:
                self._by_webhook[webhook] = _Courier(webhook, self._connections, self._clock, self._log)
            self._by_webhook[webhook].send(delivery)

    async def finish(self) -> None:
        """Wait for the answers to all deliveries."""
        for courier in self._by_webhook.values():
            await courier.finish()


class _Courier:
    """Delivers to one webhook, over some connections; the events of a space go over one of them, in order."""

    def __init__(self, webhook: Webhook, connections: int, clock: Callable[[], float], log: Log) -> None:
        self._webhook = webhook
        self._clock = clock
        self._log = log
        self._in_outage = False
        self._queues: list[asyncio.Queue[Delivery]] = [asyncio.Queue() for _ in range(connections)]
        self._workers = [asyncio.create_task(self._work(queue)) for queue in self._queues]

    def send(self, delivery: Delivery) -> None:
        queue = self._queues[crc32(delivery.space.encode()) % len(self._queues)]
        if queue.qsize() < _MAX_WAITING // len(self._queues):
            queue.put_nowait(delivery)
        else:
            self._log.totals.dropped += 1

    async def finish(self) -> None:
        for queue in self._queues:
            await queue.join()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self, queue: asyncio.Queue[Delivery]) -> None:
        connection = LastingConnection(self._webhook.target, self._clock, self._webhook.timeout_seconds)
        try:
            while True:
                await self._deliver(await queue.get(), connection)
                queue.task_done()
        finally:
            connection.close()

    async def _deliver(self, delivery: Delivery, connection: LastingConnection) -> None:
        """Try until the delivery is accepted, or ten seconds have passed since it was due; at least once."""
        totals, began = self._log.totals, self._clock()
        may_have_arrived = False
        for tries, delay_seconds in enumerate((*RETRY_DELAYS_SECONDS, None), start=1):
            tried = self._clock()
            try:
                opened = await connection.open()
                may_have_arrived = True
                answer = await opened.send(delivery.body)
            except NoAnswer as error:
                reason = str(error)
            else:
                now = self._clock()
                totals.answered += 1
                totals.record_latency(now - tried)
                if is_delivered(answer.status):
                    self._in_outage = False
                    outcomes = outcomes_of(answer) or {}
                    totals.accepted += 1
                    totals.outcomes.update(outcomes)
                    connected_ms, sent_ms, now_ms = (
                        1000 * seconds for seconds in (connection.connected_seconds, began, now)
                    )
                    self._log.record(Exchange(delivery.body, connected_ms, sent_ms, now_ms, tries, outcomes))
                    return
                connection.close()
                reason = answer.error_text()
                totals.refused += 1
                totals.refusal = totals.refusal or reason
            if not self._in_outage:
                self._in_outage = True
                self._log.print(f"{self._webhook.target.url}: {reason}")
            if delay_seconds is None or self._clock() + delay_seconds > delivery.due_ms / 1000 + _RETRY_SECONDS:
                break
            await asyncio.sleep(delay_seconds)
            totals.retries += 1
        totals.dropped += 1
        if may_have_arrived:
            self._log.unanswered.append(delivery.body)
