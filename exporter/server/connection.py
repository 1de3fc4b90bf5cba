"""uvicorn's HTTP connection, made safe for the open internet.

A connection that makes no progress is aborted, a request that is not HTTP is answered with a problem, and nothing in
the head of a request can turn its body into another request. This module relies on the inside of uvicorn's httptools
connection, so pyproject.toml pins the version of uvicorn.
"""

import asyncio
import json
import logging
import re
from functools import partial

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from exporter.server.connections import ConnectionLimit
from exporter.server.service import Service

log = logging.getLogger(__name__)

REQUEST_TIMEOUT = 20.0
"""Seconds from the first byte of a request to its last, and from the start of a connection to its first request."""

WRITE_TIMEOUT = 30.0
"""Seconds in which a client must read the next piece of a response."""

GRACE = 3.0
"""Seconds in which requests under way may finish when the process stops."""

MAX_HEAD = 1 << 14
"""Bytes of a request line with its headers, or of trailers."""

MAX_HEADERS = 100
"""Headers of one request."""

MAX_PIPELINE = 8
"""Requests that a client may send before it has received the responses to earlier ones."""

_NAME = b"upgrade"
_UPGRADE = re.compile(rb"(?<=\n)u(?=pgrade[ \t]*:)", re.IGNORECASE)
_UPGRADE_FIRST = re.compile(rb"(?:(?<=\n)|\A)u(?=pgrade[ \t]*:)", re.IGNORECASE)
"""The header that offers another protocol. A server may ignore the offer (RFC 9110, 7.8), but the parser stops there
and loses the body, so the header gets another name before the parser reads it."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, aborted when a request or the reading of a response makes no progress."""

    def __init__(self, service: Service, config: uvicorn.Config, limit: ConnectionLimit) -> None:
        """Serve `service`; the app of `config` is called with this connection before the arguments of ASGI."""
        super().__init__(config, limit, {})
        self.app = partial(self.app, self)  # ASGI has no way to ask for the client, or to abort
        self.service = service
        self._limit = limit
        self._in_request = self._in_head = self._head_refused = False
        self._head = 0
        """Bytes of the headers parsed so far."""
        self._unframed = 0
        """Bytes received since the end of the last head, or the last piece of a body."""
        self._held = b""
        """Bytes that may begin the header Upgrade, and wait for the rest of their line."""
        self._line_begins = False
        """Whether the next byte for the parser is the first of a line."""
        self._cycles: list[RequestResponseCycle] = []
        """Requests that the app has not answered yet."""
        self._gone = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request; have `pause_writing` called for a single byte that cannot be sent yet."""
        super().connection_made(transport)
        self._request = _Deadline(self, REQUEST_TIMEOUT, "request incomplete")
        self._answer = _Deadline(self, WRITE_TIMEOUT, "response not read")
        self._stop = _Deadline(self, GRACE, "stopping")
        # A TLS transport pauses at the limit, a plain one above it; at 0 a TLS transport would never write.
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("sslcontext") else 0)
        self._request.start()
        self._limit.touch(self)

    @property
    def peer(self) -> str:
        """The address of the client, for the log."""
        return self.client[0] if self.client else ""

    def is_gone(self) -> bool:
        """Return whether the client has left."""
        return self._gone

    def abort(self) -> None:
        """End the connection at once; close() would wait for a client that does not read."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Receive bytes; limit the time of a request that they leave incomplete, and the size of all but bodies."""
        data, self._held = self._held + data, b""
        if b"upgrade" in data.lower():
            data = (_UPGRADE_FIRST if self._line_begins else _UPGRADE).sub(b"X", data)
        line = data[data.rfind(b"\n") + 1 :]
        if 0 < len(line) < len(_NAME) * 2 and _NAME.startswith(line.rstrip(b" \t").lower()):
            data, self._held = data[: -len(line)], line
        if data:
            self._feed(data)
        if self._held and not self._in_head:
            data, self._held = self._held, b""
            self._feed(data)
        if self._unframed > MAX_HEAD:
            self._refuse_head()
        if self._in_request or not self._is_answered():
            self._request.start()

    def _is_answering(self) -> bool:
        """Return whether the app is answering a request."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_answered(self) -> bool:
        """Return whether the request received last is being answered, or was answered."""
        return self._is_answering()

    def _feed(self, data: bytes) -> None:
        self._line_begins = data.endswith(b"\n")
        self._unframed += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._in_request = self._in_head = True
        self._head = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; ignore a trailer, which would pass for a header and which nothing here needs."""
        if not self._in_head:
            return
        self._head += len(name) + len(value)
        if len(self.headers) >= MAX_HEADERS or self._head + len(self.url) > MAX_HEAD:
            self._head_refused = True
            raise ValueError("too many headers, or too long")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer the request, as its head is whole."""
        self._in_head = False
        self._unframed = 0
        if len(self.pipeline) >= MAX_PIPELINE:
            raise ValueError("too many requests at once")
        self._begin()

    def _begin(self) -> None:
        """Have the app answer the request."""
        super().on_headers_complete()
        self._cycles = [*(cycle for cycle in self._cycles if not cycle.response_complete), self.cycle]

    def on_body(self, body: bytes) -> None:
        """Receive a piece of the body."""
        self._unframed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._in_request = False
        self._unframed = 0
        self._request.cancel()
        self._limit.touch(self)
        self._complete()

    def _complete(self) -> None:
        """Pass the end of the body on."""
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Limit the time in which the client must read the bytes written so far."""
        super().pause_writing()
        self._answer.start()

    def resume_writing(self) -> None:
        """Note that the client has read them."""
        super().resume_writing()
        self._answer.cancel()

    def shutdown(self) -> None:
        """Finish the request under way, in a limited time."""
        super().shutdown()
        self._stop.start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for deadline in (self._request, self._answer, self._stop):
            deadline.cancel()
        self._gone = True
        self._limit.remove(self)
        # uvicorn marks the last request only; an earlier one that is being answered would write to nobody.
        for cycle in self._cycles:
            cycle.disconnected = True
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP with a problem, like any other error."""
        del msg
        if self._head_refused:
            self._refuse_head()
        else:
            self._refuse(400, "Bad Request", "the request is not valid HTTP")

    def _unsupported_upgrade_warning(self) -> None:
        # The parser has stopped where another protocol was to begin, so a body would pass for a request.
        self.transport.abort()

    def _refuse_head(self) -> None:
        limits = f"at most {MAX_HEADERS} headers, and {MAX_HEAD} bytes with the request line, are accepted"
        self._refuse(431, "Request Header Fields Too Large", limits)

    def _refuse(self, status: int, title: str, detail: str) -> None:
        fields = {"status": status, "reason": detail, "client": self.peer, "listener": self.service.name}
        log.warning("request refused", fields)
        self.service.count_malformed()
        body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
        head = f"HTTP/1.1 {status} {title}\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        self.transport.close()


class _Deadline:
    """Aborts a connection some seconds after `start`, unless it is cancelled before; may be started again."""

    __slots__ = ("_connection", "_reason", "_seconds", "_timer")

    def __init__(self, connection: Connection, seconds: float, reason: str) -> None:
        self._connection, self._seconds, self._reason = connection, seconds, reason
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._timer is None:
            self._timer = self._connection.loop.call_later(self._seconds, self._abort)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _abort(self) -> None:
        fields = {"client": self._connection.peer, "listener": self._connection.service.name}
        log.debug("connection aborted", {"reason": self._reason, **fields})
        self._connection.abort()
