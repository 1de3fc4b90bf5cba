"""Delivers as Butlr's cloud does: over a few connections that stay, each delivery tried again where that can help.

Source: docs.butlr.io, FAQ: up to three retries within ten seconds.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext

from exporter.simulate.client import Answer, Connection, Target, Unanswered
from exporter.simulate.load.report import Totals
from exporter.simulate.verify.oracle import Answered
from exporter.simulate.world.delivery import Delivery

RETRIES = (1.0, 3.0, 5.0)
"""Seconds before each retry."""

_BUSY = (408, 429, 500, 502, 503, 504)
"""Statuses after which the same delivery may be taken later."""

_REFUSED = (400, 413, 422)
"""Statuses that are about the delivery and not about the way to the exporter: the next one may be taken."""

_IDLE = 0.05
"""Seconds after which to look again where none had come."""

_AT_ONCE = nullcontext()

_MAX_REFUSED = 10
"""Refusals after which it is no use to go on, if nothing was ever taken."""


class Stopped(Exception):  # noqa: N818 - the name reads as what happened
    """It is no use to go on; the text says why, for people."""


class Sender:
    """Sends deliveries, each when it is due."""

    def __init__(
        self,
        target: Target,
        *,
        connections: int,
        retry: bool,
        one_by_one: bool,
        pace: Callable[[Delivery], float],
        clock: Callable[[], float],
        answered: Callable[[Delivery, Answered], None],
        waiting: Callable[[str], None],
    ) -> None:
        """Take when a delivery is to be sent (Unix seconds), a clock (the same), and who is told of answers and waits.

        With `retry` a delivery is tried until it is answered, from the first on; without, as often as Butlr does.
        With `one_by_one` no two deliveries of a zone are under way at a time, so that their order is known.
        """
        self.tally = Totals()
        self.unanswered: list[bytes] = []
        """Deliveries of which nobody knows whether they arrived: the run was stopped before."""
        self._target = target
        self._connections = connections
        self._retry = retry
        self._pace = pace
        self._clock = clock
        self._answered = answered
        self._waiting = waiting
        self._turns: defaultdict[str, asyncio.Lock] | None = defaultdict(asyncio.Lock) if one_by_one else None
        self._in_outage = False
        self._stop = asyncio.Event()

    async def send(self, deliveries: Iterable[Delivery | None]) -> None:
        """Send all of them, or those that come before `stop` is called. Raises Stopped.

        None among them means that none has come yet.
        """
        shared = iter(deliveries)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self._connections):
                    workers.create_task(self._work(shared))
        except* Stopped as stopped:
            raise stopped.exceptions[0] from None

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Wait for the answers that are due and send nothing more."""
        self._stop.set()

    async def _work(self, deliveries: Iterator[Delivery | None]) -> None:
        line = _Line(self._target, self._clock)
        try:
            for delivery in deliveries:
                if delivery is not None and delivery.lost:
                    self.tally.lost += 1
                    continue
                if await self._stops_within(self._pace(delivery) - self._clock() if delivery else _IDLE):
                    break
                if delivery:
                    async with self._turns[delivery.zone] if self._turns is not None and delivery.zone else _AT_ONCE:
                        await self._deliver(delivery, line)
        finally:
            line.close()

    async def _deliver(self, delivery: Delivery, line: "_Line") -> None:
        """Try until there is an answer, or the run is stopped."""
        sent = self._clock()
        tries = 0
        while True:
            tries += 1
            tried = self._clock()
            try:
                answer = await line.send(delivery.body)
            except Unanswered as unanswered:
                reason = str(unanswered)
            else:
                if answer.status not in _BUSY:
                    now = self._clock()
                    self.tally.took(now - tried)
                    outcomes = self._count(answer)
                    connected, first, last = (1000 * seconds for seconds in (line.connected, sent, now))
                    self._answered(delivery, Answered(delivery.body, connected, first, last, tries, outcomes))
                    return
                line.close()
                reason = answer.words()
            if await self._stops_within(self._pause(tries, reason)):
                self.unanswered.append(delivery.body)
                return
            self.tally.retries += 1

    def _pause(self, tries: int, reason: str) -> float:
        """Return the seconds to wait before the next try. Raises Stopped if there is to be none."""
        words = f"{self._target.url}: {reason}"
        # Before anything was answered, it is not the weather but a mistake in the command.
        if not self._retry and (self.tally.deliveries == 0 or tries > len(RETRIES)):
            raise Stopped(words)
        if not self._in_outage:
            self._in_outage = True
            self._waiting(words)
        return RETRIES[0] if self._retry else RETRIES[tries - 1]

    def _count(self, answer: Answer) -> dict[str, int]:
        """Count one answer; return its outcomes. Raises Stopped if the next would be no better."""
        self._in_outage = False
        taken = 200 <= answer.status < 300
        if not taken and answer.status not in _REFUSED:
            raise Stopped(f"{self._target.url}: {answer.words()}")
        outcomes = _outcomes(answer)
        if taken and outcomes is None:
            raise Stopped(f"{self._target.url}: {answer.words()}, but that is not how butlr-exporter answers")
        outcomes = outcomes or {}
        self.tally.deliveries += 1
        self.tally.outcomes.update(outcomes)
        if taken:
            self.tally.accepted += 1
        else:
            self.tally.refused += 1
            self.tally.refusal = self.tally.refusal or answer.words()
            if self.tally.accepted == 0 and self.tally.refused >= _MAX_REFUSED:
                raise Stopped(f"{self._target.url}: all is refused: {answer.words()}")
        return outcomes

    async def _stops_within(self, seconds: float) -> bool:
        """Wait; tell whether the run was stopped before or meanwhile."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._stop.wait()
            except TimeoutError:
                return False
        return self._stop.is_set()


class _Line:
    """One connection after another, as each is needed."""

    def __init__(self, target: Target, clock: Callable[[], float]) -> None:
        self._target = target
        self._clock = clock
        self._connection: Connection | None = None
        self.connected = 0.0
        """Since when, Unix seconds."""

    async def send(self, body: bytes) -> Answer:
        """Send one delivery and wait for the answer. Raises Unanswered."""
        if self._connection is None or not self._connection.usable:
            self._connection = await Connection.open(self._target)
            self.connected = self._clock()
        return await self._connection.send(body)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def _outcomes(answer: Answer) -> dict[str, int] | None:
    """Return how many events had which outcome; None if the answer does not tell."""
    outcomes = answer.parsed().get("outcomes")
    if not isinstance(outcomes, dict):
        return None
    return {name: number for name, number in outcomes.items() if isinstance(number, int) and number > 0}
