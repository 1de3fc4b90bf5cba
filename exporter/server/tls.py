"""TLS handshakes, counted among the connections, limited in time, and logged when they fail.

The event loop could accept connections and do handshakes by itself, but then nothing could count the handshakes under
way: strangers could use up every file descriptor with connections that never begin. And a thousand clients that begin
in the same moment would hold up everybody for more than a second: a handshake takes a millisecond or two. So each of
them begins in an event-loop iteration of its own, once the client's first message is there.
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

MAX_HELLO = 1 << 15
"""Bytes of the first message of a client, beyond which the handshake begins without the rest."""

MAX_RECORDS = 8
"""TLS records of this message, beyond which it does so too."""

PAUSE = 0.1
"""Seconds until connections are accepted again after accepting one failed."""

_NOT_TRUSTED = "the client does not trust tls_cert, or calls the exporter by a name that is not in it"

_HINTS = {
    "HTTP_REQUEST": "the client speaks plain HTTP; give it a URL that begins with https://",
    **dict.fromkeys(
        (
            "TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_UNKNOWN",
            "SSLV3_ALERT_CERTIFICATE_EXPIRED",
        ),
        _NOT_TRUSTED,
    ),
}  # fmt: skip
"""Hints by OpenSSL's word for the reason. Go's clients send SSLV3_ALERT_BAD_CERTIFICATE for every doubt."""


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
        self._turn = asyncio.Lock()
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
            handshake = _Handshake(accepted, address[0], self._limit, self._name)
            handshake.start(self._context, self._connect, self._turn)


class _Handshake:
    """A handshake that is under way."""

    def __init__(self, accepted: socket.socket, peer: str, limit: ConnectionLimit, listener: str) -> None:
        self._accepted = accepted
        self.peer = peer
        self._limit = limit
        self._listener = listener

    def start(self, context: ssl.SSLContext, connect: Callable[[], Connection], turn: asyncio.Lock) -> None:
        self._task = asyncio.ensure_future(self._do(context, connect, turn))
        self._limit.touch(self)

    def abort(self) -> None:
        """End the handshake at once."""
        self._task.cancel()

    async def _do(self, context: ssl.SSLContext, connect: Callable[[], Connection], turn: asyncio.Lock) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT):
                await self._wait(turn)
                await asyncio.get_running_loop().connect_accepted_socket(
                    connect, self._accepted, ssl=context, ssl_shutdown_timeout=CLOSE_TIMEOUT
                )
        except OSError as error:
            reason, hint = failure(error)
            fields = {"reason": reason, "client": self.peer, "listener": self._listener}
            log.warning("TLS handshake failed", fields | ({"hint": hint} if hint else {}))
        finally:
            self._limit.remove(self)

    async def _wait(self, turn: asyncio.Lock) -> None:
        """Wait for the client's first message, and for an event-loop iteration in which no other handshake begins."""
        try:
            await _wait_for_hello(self._accepted)
            async with turn:
                await asyncio.sleep(0)
        except BaseException:
            self._accepted.close()
            raise


def failure(error: OSError) -> tuple[str, str]:
    """Return the reason of a failed handshake, and a hint about the remedy; "" where none is known."""
    if isinstance(error, TimeoutError):
        return str(error) or "timed out", ""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason, _HINTS.get(error.reason, "")
    reason = error.strerror or str(error)
    if isinstance(error, ConnectionError):
        return reason or "the client closed the connection", f"perhaps {_NOT_TRUSTED}"
    return reason or type(error).__name__, ""


async def _wait_for_hello(accepted: socket.socket) -> None:
    """Wait until the first message of a client can be read whole; leave it to be read. Raises OSError."""
    loop = asyncio.get_running_loop()
    missing, begun = 1, b""
    while missing:
        # The system wakes nobody for fewer bytes, so half a message costs nothing while it waits.
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(begun) + missing)
        readable = asyncio.Event()
        loop.add_reader(accepted, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(accepted)
        before, begun = begun, accepted.recv(MAX_HELLO, socket.MSG_PEEK)
        missing = missing_bytes(begun) if len(begun) > len(before) else 0
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def missing_bytes(begun: bytes) -> int:
    """Return how many bytes at least are missing of a ClientHello (RFC 8446, 4.1.2); 0 if it is whole, or is none."""
    message, at = b"", 0
    for _ in range(MAX_RECORDS):
        if begun[at : at + 1] not in (b"\x16", b"") or len(begun) >= MAX_HELLO:
            break
        if len(begun) < at + 5:
            return at + 5 - len(begun)
        end = at + 5 + int.from_bytes(begun[at + 3 : at + 5])
        if len(begun) < end:
            return end - len(begun)
        message += begun[at + 5 : end]
        if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4]):
            break
        at = end
    return 0
