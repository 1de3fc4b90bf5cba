"""One run of the simulated cloud: serves Butlr's API while the simulated time passes."""

import asyncio
import signal
import socket
from collections.abc import Callable, Iterable

from exporter.simulate.cloud.account import Account
from exporter.simulate.cloud.service import serving
from exporter.simulate.world.delivery import Delivery


class CloudRun:
    """A run that serves an account."""

    def __init__(self, account: Account, clock: Callable[[], float], on_delivery: Callable[[Delivery], None]) -> None:
        """Take the account, a clock (Unix seconds), and a function that is called for each event that is due."""
        self._account = account
        self._clock = clock
        self._on_delivery = on_delivery
        self._stop = asyncio.Event()

    async def run(self, listening: socket.socket, stream: Iterable[Delivery | None]) -> None:
        """Serve until the simulation ends, or until SIGINT or SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        async with serving(self._account.service, listening):
            for delivery in filter(None, stream):
                if await self._stops_within(delivery.due_ms / 1000 - self._clock()):
                    return
                self._on_delivery(delivery)

    async def _stops_within(self, seconds: float) -> bool:
        """Wait this long, or until the run is stopped; tell whether it is."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stop.wait()
        except TimeoutError:
            return False
        return True
