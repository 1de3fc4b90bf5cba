"""A WSGI app behind an ASGI server, called with whole bodies.

A body is awaited in the event loop before the app is called, so a client that stops in the middle of one holds up
nobody; a body that the app does not want is not awaited. The event loop itself calls the app for a request that is
known to be quick; a thread does so for any other, so that a long scrape does not hold up events. The event loop sends
the responses, so a client that stops reading holds up nobody either.

This module knows WSGI and ASGI, and nothing of the exporter.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple, Protocol

from exporter.server.service import ADMITTED, Service

log = logging.getLogger(__name__)

PIECE = 1 << 18
"""Bytes of a response given to a connection at a time."""

SMALL = 1 << 12
"""Bytes of the largest response that is not counted among those that wait for their clients."""

MAX_WAITING = 1 << 28
"""Bytes of incomplete bodies, and of responses that wait for their clients, on one port."""

THREADS = 2
"""Threads that call the app for one port."""

_NOT_FOR_THE_APP = ("TRANSFER_ENCODING", "UPGRADE")
"""Headers that the server settles: the app gets a whole body, and no offer of a protocol that nobody here speaks."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Client(Protocol):
    """The connection of a request: the methods that ASGI has no place for."""

    def is_gone(self) -> bool:
        """Return whether the client has left."""

    def may_be_gone(self) -> bool:
        """Return whether the client has closed its sending side: it may read the response, or may have left."""

    def admit(self) -> None:
        """Prefer the client to strangers when connections must make room."""

    def abort(self) -> None:
        """End the connection at once."""


class _Response(NamedTuple):
    """The response of a WSGI app."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: list[bytes]


class WsgiAdapter:
    """Calls the WSGI app of a service with whole bodies; an ASGI app, but for the client as its first argument."""

    def __init__(self, service: Service) -> None:
        """Call the app of `service`."""
        self._service = service
        self._threads = ThreadPoolExecutor(THREADS, "request")
        self._slots = asyncio.Semaphore(THREADS)
        self._shared_slot = asyncio.Semaphore(1)
        """Slow requests, and those of clients that may be gone, share one thread, so they hold up no others."""
        self._buffers = _Buffers()

    async def __call__(self, client: Client, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["path"] == "*":  # OPTIONS for the whole server (RFC 9110, 9.3.7)
            await self._send(client, _Response(200, [(b"content-length", b"0")], []), send)
            return
        service = self._service
        environ = _environ(scope)
        body = None
        if scope["method"] == "POST" and _length(environ) <= service.max_body and service.wants_body(environ):
            body = await self._read(client, receive)
            if body is None:
                return
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        if service.is_quick(environ, body):
            response = self._call(environ)
        elif (answer := await self._call_in_thread(client, environ)) is not None:
            response = answer
        else:
            return
        if environ.get(ADMITTED):
            client.admit()
        await self._send(client, response, send)

    async def _call_in_thread(self, client: Client, environ: dict[str, Any]) -> _Response | None:
        """Return the response of the app; None if the client left while it waited for a thread."""
        call = partial(asyncio.get_running_loop().run_in_executor, self._threads, self._call, environ)
        if not self._service.is_slow(environ):
            async with self._slots:
                if not client.may_be_gone():
                    return await call()
        async with self._shared_slot, self._slots:
            return None if client.is_gone() else await call()

    async def _send(self, client: Client, response: _Response, send: Send) -> None:
        start_message = {"type": "http.response.start", "status": response.status, "headers": response.headers}
        size = sum(map(len, response.body))
        if size <= SMALL:
            await send(start_message)
            await send({"type": "http.response.body", "body": b"".join(response.body)})
            return
        with self._buffers.open(client) as buffer:
            buffer.add(size)
            await send(start_message)
            for part in response.body:
                for start in range(0, len(part), PIECE):
                    await send({"type": "http.response.body", "body": part[start : start + PIECE], "more_body": True})
            # A piece is sent once the client has read the one before, so after this one it has read them all.
            await send({"type": "http.response.body", "body": b""})

    async def _read(self, client: Client, receive: Receive) -> bytes | None:
        """Return the body, at most a piece longer than the app accepts; None if the client has left."""
        message = await receive()
        if message["type"] != "http.disconnect" and not message["more_body"]:
            body: bytes = message["body"]
            return body
        pieces, size = [], 0
        with self._buffers.open(client) as buffer:
            while message["type"] != "http.disconnect":
                pieces.append(message["body"])
                size += len(message["body"])
                if size > self._service.max_body or not message["more_body"]:
                    return b"".join(pieces)
                buffer.add(len(message["body"]))
                message = await receive()
        return None

    def _call(self, environ: dict[str, Any]) -> _Response:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., object]:
            del exc_info
            started.append((status, headers))
            return lambda _: None

        parts = self._service.wsgi(environ, start_response)
        try:
            body = list(parts)
        finally:
            if close := getattr(parts, "close", None):
                close()
        status = int(started[-1][0][:3])
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in started[-1][1]]
        has_length = any(name.lower() == b"content-length" for name, _ in headers)
        if not (has_length or environ["REQUEST_METHOD"] == "HEAD" or status in (204, 304)):
            # Without a length the response would be chunked, which a client of HTTP/1.0 does not know.
            headers.append((b"Content-Length", b"%d" % sum(map(len, body))))
        return _Response(status, headers, body)


class _Buffers:
    """All bytes that wait for clients. Beyond MAX_WAITING, the client that has waited longest is aborted."""

    def __init__(self) -> None:
        self._open: dict[_Buffer, None] = {}
        self.size = 0

    @contextlib.contextmanager
    def open(self, client: Client) -> Iterator["_Buffer"]:
        """Count the bytes added to the buffer until the end of the block."""
        buffer = _Buffer(self, client)
        self._open[buffer] = None
        try:
            yield buffer
        finally:
            self._close(buffer)

    def _close(self, buffer: "_Buffer") -> None:
        self._open.pop(buffer, None)
        self.size -= buffer.size
        buffer.size = 0

    def make_room(self) -> None:
        while self.size > MAX_WAITING and len(self._open) > 1:
            oldest = next(iter(self._open))
            self._close(oldest)
            oldest.client.abort()


class _Buffer:
    """The bytes that wait for one client."""

    def __init__(self, buffers: _Buffers, client: Client) -> None:
        self._buffers = buffers
        self.client = client
        self.size = 0

    def add(self, size: int) -> None:
        self.size += size
        self._buffers.size += size
        self._buffers.make_room()


def _length(environ: dict[str, Any]) -> int:
    return int(environ["CONTENT_LENGTH"] or 0)


def _environ(scope: Scope) -> dict[str, Any]:
    """Return the WSGI environment of a request without its body (PEP 3333)."""
    server, client = scope["server"] or ("", 0), scope["client"] or ("", 0)
    raw_path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1") or "/",
        "QUERY_STRING": query,
        "RAW_URI": raw_path + ("?" if query else "") + query,
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": str(client[0]),
        "CONTENT_LENGTH": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(),
        "wsgi.errors": _Errors(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:  # in CGI's spelling it would pass for the name with a dash
            continue
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1").strip(" \t")
        if name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[name] = value
        elif name not in _NOT_FOR_THE_APP:
            name = f"HTTP_{name}"
            environ[name] = f"{environ[name]},{value}" if name in environ else value
    return environ


class _Errors:
    """`wsgi.errors`: logs every text that an app writes there."""

    def write(self, text: str) -> None:
        log.error("wsgi error", {"text": text.rstrip()})

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        pass
