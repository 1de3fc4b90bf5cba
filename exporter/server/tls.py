"""TLS handshakes that are counted among the connections, limited in time, and logged when they fail.

The event loop could accept and do them by itself, but then nobody would know of those under way: strangers could
take every file with connections that never begin.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable

from exporter.server.connection import Connection
from exporter.server.connections import ConnectionLimit

log = logging.getLogger(__name__)

HANDSHAKE_TIMEOUT = 20.0
"""Seconds in which a client must have finished its TLS handshake."""

CLOSE_TIMEOUT = 5.0
"""Seconds in which a client must agree to the end of a TLS connection."""

PAUSE = 0.1
"""Seconds until connections are accepted again after that failed."""


class TlsAcceptor:
    """Accepts connections, and lets those in that finish their handshake. Has the two methods of a server's end."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        connect: Callable[[], Connection],
        limit: ConnectionLimit,
    ) -> None:
        """Begin to accept; `connect` makes what takes a connection over."""
        listener.setblocking(False)
        self._listener = listener
        self._context = context
        self._connect = connect
        self._limit = limit
        self._accepting = asyncio.ensure_future(self._accept())

    def close(self) -> None:
        """Accept no more; handshakes under way go on."""
        self._accepting.cancel()

    async def wait_closed(self) -> None:
        """Wait until nothing is accepted any more."""
        await asyncio.wait([self._accepting])

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(self._listener)
            except OSError as error:  # the client is gone again, or there is no file left
                log.warning("cannot accept", {"reason": error.strerror})
                await asyncio.sleep(PAUSE)
                continue
            _Handshake(accepted, address[0], self._limit).start(self._context, self._connect)


class _Handshake:
    """One that is under way."""

    def __init__(self, accepted: socket.socket, peer: str, limit: ConnectionLimit) -> None:
        self._accepted = accepted
        self.peer = peer
        self._limit = limit

    def start(self, context: ssl.SSLContext, connect: Callable[[], Connection]) -> None:
        self._task = asyncio.ensure_future(self._do(context, connect))
        self._limit.touch(self)

    def abort(self) -> None:
        """End it."""
        self._task.cancel()

    async def _do(self, context: ssl.SSLContext, connect: Callable[[], Connection]) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                connect,
                self._accepted,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
                ssl_shutdown_timeout=CLOSE_TIMEOUT,
            )
        except OSError as error:
            reason = getattr(error, "reason", None) or error.strerror or str(error) or "timed out"
            log.warning("TLS handshake failed", {"reason": reason, "client": self.peer})
        finally:
            self._limit.remove(self)
