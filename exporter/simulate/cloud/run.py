"""One run of the simulated cloud: serves Butlr's API, and delivers events, while the simulated time passes."""

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, suppress
from random import Random

from exporter.simulate.cloud.account import Account
from exporter.simulate.cloud.courier import Couriers, Log
from exporter.simulate.cloud.faults import Faults
from exporter.simulate.cloud.service import serving
from exporter.simulate.cloud.tokens import CLIENT_ID, CLIENT_SECRET
from exporter.simulate.load.progress import Progress
from exporter.simulate.load.report import Totals, printable
from exporter.simulate.verify.arrivals import Exchange
from exporter.simulate.world.delivery import Delivery, Plan
from exporter.simulate.world.stream import OnSensed

POLL_SECONDS = 180
"""Longest wait at the end for an exporter that polls."""


class CloudRun:
    """A run that serves an account."""

    def __init__(
        self,
        plan: Plan,
        clock: Callable[[], float],
        progress: Progress,
        *,
        connections: int,
        tls: ssl.SSLContext | None,
        keeps: bool,
        has_faults: bool,
    ) -> None:
        """Take the plan, a clock (Unix seconds), and the connections to a webhook.

        With `keeps` the exchanges are kept for the oracle; with `has_faults` requests fail and deliveries are dropped.
        """
        self._clock = clock
        self._keeps = keeps
        self._progress = progress
        self.exchanges: list[Exchange] = []
        """Everything that was delivered, if it is kept."""
        self._stop, self._hurry = asyncio.Event(), asyncio.Event()
        self._serving = AsyncExitStack()
        record = self.exchanges.append if keeps else _forget
        self._faults = Faults(Random(f"faults {plan.seed}")) if has_faults else None
        self.account = Account(plan, clock, tls, self._print, record, self._faults)
        self.log = Log(Totals(), record, [], self._print)
        self._couriers = Couriers(self.account.webhooks, connections, clock, self.log)

    @property
    def on_sensed(self) -> OnSensed:
        """Takes the readings of the simulation."""
        return self.account.readings.add

    async def run(self, listening: socket.socket, stream: Iterable[Delivery | None]) -> None:
        """Serve until the simulation ends, or until SIGINT or SIGTERM; the API is served on until `stop`.

        It waits for the answers under way, and then, for POLL_SECONDS at most, until an exporter that polls has asked
        for the last readings; a second signal ends both. Only an oracle has it wait so after a first signal.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._handle_signal)
        await self._serving.enter_async_context(serving(self.account.service, listening))
        host, port = listening.getsockname()[:2]
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self._print(f"Butlr's API at {url}, client id {CLIENT_ID}, client secret {CLIENT_SECRET}")
        for delivery in filter(None, stream):
            if await self._stops_within(delivery.due_ms / 1000 - self._clock()):
                break
            self._progress.count(delivery)
            is_dropped = self._faults is not None and self._faults.drops()
            self._couriers.send(delivery._replace(lost=True) if is_dropped else delivery)
        await _until(self._hurry, self._couriers.finish())
        self.account.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await _until(self._hurry if self._keeps else self._stop, self.account.polled.wait())

    def summary(self) -> str:
        """Return a line with the number of requests by fault; an empty one without faults."""
        if self._faults is None:
            return ""
        counts = self._faults.counts.most_common()
        return "faults: " + (", ".join(f"{number:,} {fault}" for fault, number in counts) or "none")

    async def stop(self) -> None:
        """Serve no more."""
        await self._serving.aclose()

    def _print(self, line: str) -> None:
        self._progress.print_above(printable(line))

    def _handle_signal(self) -> None:
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def _stops_within(self, seconds: float) -> bool:
        """Wait this long, or until the run is stopped; tell whether it is."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True


async def _until(event: asyncio.Event, waiting: Coroutine[None, None, None]) -> None:
    """Wait for something, or for an event."""
    tasks = {asyncio.ensure_future(waiting), asyncio.ensure_future(event.wait())}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _forget(_exchange: Exchange) -> None:
    pass
