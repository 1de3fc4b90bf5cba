"""Delivers as Butlr's cloud does: over a few lasting connections, with retries where they can help.

Source: docs.butlr.io, FAQ: up to three retries within ten seconds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

from exporter.events.text import NotText
from exporter.simulate.client import ANSWER_TIMEOUT_SECONDS, Answer, Connection, NoAnswer, Target
from exporter.simulate.load.report import Totals
from exporter.simulate.verify.arrivals import Exchange
from exporter.simulate.world.delivery import Delivery

RETRY_DELAYS_SECONDS = (1.0, 3.0, 5.0)
"""Pauses before the first retry, the second, and so on."""

_RETRIED = (408, 429, 500, 502, 503, 504)
"""Statuses after which the same delivery may be accepted later."""

_REFUSED = (400, 413, 422)
"""Statuses that concern the delivery and not the way to the exporter: the next one may be accepted."""

_POLL_SECONDS = 0.05
"""Pause before asking again for a delivery when there was none yet."""

_NO_LOCK = nullcontext()

_MAX_REFUSED = 10
"""Refusals after which the run ends if no delivery was ever accepted."""


class SendingFailed(Exception):  # noqa: N818 - the name reads as what happened
    """The run ends, as no further delivery would be accepted; the text gives people the reason."""


class Sender:
    """Sends deliveries, each when it is due."""

    def __init__(
        self,
        target: Target,
        *,
        connections: int,
        retry: bool,
        one_per_space: bool,
        send_time: Callable[[Delivery], float],
        clock: Callable[[], float],
        on_answer: Callable[[Delivery, Exchange], None],
        on_wait: Callable[[str], None],
    ) -> None:
        """Prepare to send; `send_time` returns when a delivery is to be sent, `clock` the time, both in Unix seconds.

        With `retry` each delivery is tried until it is answered, from the first on; without, as often as Butlr does.
        With `one_per_space` no two deliveries of a space are under way at a time, so that their order is known.
        `on_answer` is called after each answer, `on_wait` with the reason when an outage begins.
        """
        self.totals = Totals()
        self.unanswered: list[bytes] = []
        """Deliveries that may have arrived or not: the run was stopped before their answers."""
        self._target = target
        self._connections = connections
        self._retry = retry
        self._send_time = send_time
        self._clock = clock
        self._on_answer = on_answer
        self._on_wait = on_wait
        self._space_locks: defaultdict[str, asyncio.Lock] | None = defaultdict(asyncio.Lock) if one_per_space else None
        self._in_outage = False
        self._stop = asyncio.Event()

    async def send(self, deliveries: Iterable[Delivery | None]) -> None:
        """Send deliveries until there are no more, or until `stop` is called. Raises SendingFailed, NotText.

        None among them means that none is ready yet.
        """
        shared = iter(deliveries)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._connections):
                    workers.create_task(self._work(shared))
        except* (SendingFailed, NotText) as failed:
            raise failed.exceptions[0] from None

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Send nothing more, but wait for the answers that are due."""
        self._stop.set()

    async def _work(self, deliveries: Iterator[Delivery | None]) -> None:
        """Send deliveries over one connection until there are no more, or the run is stopped."""
        connection = LastingConnection(self._target, self._clock)
        try:
            for delivery in deliveries:
                if delivery is not None and delivery.lost:
                    self.totals.lost += 1
                    continue
                pause_seconds = self._send_time(delivery) - self._clock() if delivery else _POLL_SECONDS
                if await self._stops_within(pause_seconds):
                    break
                if delivery:
                    locks = self._space_locks
                    async with locks[delivery.space] if locks is not None and delivery.space else _NO_LOCK:
                        await self._deliver(delivery, connection)
        finally:
            connection.close()

    async def _deliver(self, delivery: Delivery, connection: "LastingConnection") -> None:
        """Send a delivery until it is answered or the run is stopped."""
        sent = self._clock()
        tries = 0
        while True:
            tries += 1
            tried = self._clock()
            try:
                answer = await connection.send(delivery.body)
            except NoAnswer as error:
                reason = str(error)
            else:
                if answer.status not in _RETRIED:
                    now = self._clock()
                    self.totals.record_latency(now - tried)
                    outcomes = self._count(answer)
                    connected_ms, sent_ms, now_ms = (
                        1000 * seconds for seconds in (connection.connected_seconds, sent, now)
                    )
                    self._on_answer(delivery, Exchange(delivery.body, connected_ms, sent_ms, now_ms, tries, outcomes))
                    return
                connection.close()
                reason = answer.error_text()
            if await self._stops_within(self._retry_delay_seconds(tries, reason)):
                self.unanswered.append(delivery.body)
                return
            self.totals.retries += 1

    def _retry_delay_seconds(self, tries: int, reason: str) -> float:
        """Return the pause before the next try. Raises SendingFailed if there is to be none."""
        failure = f"{self._target.url}: {reason}"
        # A failure before the first answer is more likely a mistake in the command than an outage.
        if not self._retry and (self.totals.answered == 0 or tries > len(RETRY_DELAYS_SECONDS)):
            raise SendingFailed(failure)
        if not self._in_outage:
            self._in_outage = True
            self._on_wait(failure)
        return RETRY_DELAYS_SECONDS[0] if self._retry else RETRY_DELAYS_SECONDS[tries - 1]

    def _count(self, answer: Answer) -> dict[str, int]:
        """Count one answer; return its outcomes. Raises SendingFailed if other deliveries would fare no better."""
        self._in_outage = False
        accepted = 200 <= answer.status < 300
        if not accepted and answer.status not in _REFUSED:
            raise SendingFailed(f"{self._target.url}: {answer.error_text()}")
        outcomes = outcomes_of(answer)
        if accepted and outcomes is None:
            raise SendingFailed(
                f"{self._target.url}: {answer.error_text()}, but that is not how butlr-exporter answers"
            )
        outcomes = outcomes or {}
        self.totals.answered += 1
        self.totals.outcomes.update(outcomes)
        if accepted:
            self.totals.accepted += 1
        else:
            self.totals.refused += 1
            self.totals.refusal = self.totals.refusal or answer.error_text()
            if self.totals.accepted == 0 and self.totals.refused >= _MAX_REFUSED:
                raise SendingFailed(f"{self._target.url}: every delivery is refused: {answer.error_text()}")
        return outcomes

    async def _stops_within(self, seconds: float) -> bool:
        """Wait this long, or until the run is stopped; tell whether it is."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._stop.wait()
            except TimeoutError:
                return False
        return self._stop.is_set()


class LastingConnection:
    """A connection that is opened when it is needed, and again after it ended."""

    def __init__(
        self, target: Target, clock: Callable[[], float], timeout_seconds: float = ANSWER_TIMEOUT_SECONDS
    ) -> None:
        self._target = target
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._connection: Connection | None = None
        self.connected_seconds = 0.0
        """When it was last opened, Unix seconds."""

    async def send(self, body: bytes) -> Answer:
        """Send one delivery and wait for the answer. Raises NoAnswer."""
        return await (await self.open()).send(body)

    async def open(self) -> Connection:
        """Return the open connection. Raises NoAnswer."""
        if self._connection is None or not self._connection.usable:
            self._connection = await Connection.open(self._target, self._timeout_seconds)
            self.connected_seconds = self._clock()
        return self._connection

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._connection is not None:
            self._connection.close()


def outcomes_of(answer: Answer) -> dict[str, int] | None:
    """Return the number of events by outcome; None if the answer does not give it."""
    outcomes = answer.json_object().get("outcomes")
    if not isinstance(outcomes, dict):
        return None
    return {name: number for name, number in outcomes.items() if isinstance(number, int) and number > 0}
