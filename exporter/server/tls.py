"""TLS handshakes, counted among the connections, limited in time, and logged when they fail.

The event loop could accept connections and do handshakes by itself, but then nothing could count the handshakes under
way: strangers could use up every file descriptor with connections that never begin.
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
"""Seconds in which a client must finish its TLS handshake."""

CLOSE_TIMEOUT = 5.0
"""Seconds in which a client must agree to the end of a TLS connection."""

PAUSE = 0.1
"""Seconds until connections are accepted again after accepting one failed."""


class TlsAcceptor:
    """Accepts connections, and serves those that finish their handshake; uvicorn ends it like an `asyncio.Server`."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        connect: Callable[[], Connection],
        limit: ConnectionLimit,
        name: str = "",
    ) -> None:
        """Begin to accept; `connect` makes the connection that follows a handshake, `name` is the port's in the log."""
        listener.setblocking(False)
        self._listener = listener
        self._context = context
        self._connect = connect
        self._limit = limit
        self._name = name
        self._accepting = asyncio.ensure_future(self._accept())

    def close(self) -> None:
        """Accept no more; handshakes under way go on."""
        self._accepting.cancel()

    async def wait_closed(self) -> None:
        """Wait until no connection is accepted any more."""
        await asyncio.wait([self._accepting])

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(self._listener)
            except OSError as error:  # the client has left already, or no file descriptor is free
                log.warning("cannot accept", {"reason": error.strerror, "listener": self._name})
                await asyncio.sleep(PAUSE)
                continue
            _Handshake(accepted, address[0], self._limit, self._name).start(self._context, self._connect)


class _Handshake:
    """A handshake that is under way."""

    def __init__(self, accepted: socket.socket, peer: str, limit: ConnectionLimit, listener: str) -> None:
        self._accepted = accepted
        self.peer = peer
        self._limit = limit
        self._listener = listener

    def start(self, context: ssl.SSLContext, connect: Callable[[], Connection]) -> None:
        self._task = asyncio.ensure_future(self._do(context, connect))
        self._limit.touch(self)

    def abort(self) -> None:
        """End the handshake at once."""
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
            fields = {"reason": reason, "client": self.peer, "listener": self._listener}
            log.warning("TLS handshake failed", fields)
        finally:
            self._limit.remove(self)
