"""uvicorn's HTTP connection, made safe for the open internet.

A connection that makes no progress is aborted, a request that is not HTTP is answered with a problem in its turn, and
nothing in the head of a request can turn its body into another request. This module relies on the inside of uvicorn's
httptools connection, so pyproject.toml pins the version of uvicorn.
"""

import asyncio
import logging
from functools import partial

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from exporter.server import head
from exporter.server.connections import ConnectionLimit
from exporter.server.flow import Deadline, Flow
from exporter.server.head import Refusal, Refused
from exporter.server.service import Service

log = logging.getLogger(__name__)

REQUEST_TIMEOUT = 20.0
"""Seconds from the first byte of a request to its last, and from the start of a connection to its first request."""

WRITE_TIMEOUT = 30.0
"""Seconds in which a client must read the next piece of a response."""

GRACE = 3.0
"""Seconds in which requests under way may finish when the process stops."""

MAX_PIPELINE = 8
"""Requests that a client may send before it has received the responses to earlier ones."""

TOO_MANY_AHEAD = head.bad_request(f"at most {MAX_PIPELINE} requests may be sent ahead of their responses")

PIECE = 1 << 13
"""Bytes of a connection that are parsed in one event-loop iteration: some forty small events in a row."""

_FRAMING = (b"content-length", b"transfer-encoding", b"connection")
"""Headers that decide where a request ends, and whether another one may follow."""


class Connection(HttpToolsProtocol):
    """uvicorn's connection, aborted when a request or the reading of a response makes no progress."""

    def __init__(self, service: Service, config: uvicorn.Config, limit: ConnectionLimit) -> None:
        """Serve `service`; the app of `config` is called with this connection before the arguments of ASGI."""
        super().__init__(config, limit, {})
        self._tune_parser()
        self.app = partial(self.app, self)  # ASGI has no way to ask for the client, or to abort
        self.service = service
        self._limit = limit
        self._in_request = self._in_head = self._parsed_again = False
        self._head = 0
        """Bytes of the headers parsed so far."""
        self._unframed = 0
        """Bytes received since the end of the last head, or the last piece of a body."""
        self._rest = b""
        """Bytes that wait for the next event-loop iteration."""
        self._cycles: list[RequestResponseCycle] = []
        """Requests that the app has not answered yet."""
        self._last = False
        """Whether the request received last is the last one of the connection; later bytes are ignored."""
        self._refusal = b""
        """The response to a refused request, while earlier ones are not answered."""
        self._half_closed = self._gone = False
        self._method, self._version = b"", ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request; have `pause_writing` called for a single byte that cannot be sent yet."""
        super().connection_made(transport)
        self.flow: Flow = Flow(transport)
        self._request = Deadline(self, REQUEST_TIMEOUT, "request incomplete")
        self._answer = Deadline(self, WRITE_TIMEOUT, "response not read")
        self._stop = Deadline(self, GRACE, "stopping")
        # A TLS transport pauses at the limit, a plain one above it; at 0 a TLS transport would never write.
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("sslcontext") else 0)
        self._request.start()
        self._limit.touch(self)

    @property
    def peer(self) -> str:
        """The address of the client, for the log."""
        return self.client[0] if self.client else ""

    @property
    def listener(self) -> str:
        """The name of the port, for the log."""
        return self.service.name

    def is_gone(self) -> bool:
        """Return whether the client has left."""
        return self._gone

    def may_be_gone(self) -> bool:
        """Return whether the client has closed its sending side; nothing tells whether it still reads."""
        return self._half_closed

    def admit(self) -> None:
        """Prefer the connection to those of strangers when room is needed."""
        self._limit.admit(self)

    def abort(self) -> None:
        """End the connection at once; close() would wait for a client that does not read."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Receive bytes; parse a piece of them in each event-loop iteration, and read no more meanwhile."""
        if self._rest:
            self._rest += data
            return
        self._receive(data[:PIECE])
        if len(data) > PIECE and not self._last:
            self._rest = data[PIECE:]
            self.flow.hold()
            self.loop.call_soon(self._receive_rest)

    def _receive_rest(self) -> None:
        data, self._rest = self._rest, b""
        if not self.transport.is_closing():
            self.flow.release()
            Connection.data_received(self, data)

    def _receive(self, data: bytes) -> None:
        """Receive bytes; limit the time of a request that they leave incomplete, and the size of all but bodies."""
        if self._last:
            return
        self._unset_keepalive_if_required()
        self._unframed += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError as error:
            refusal = head.refusal_for(error)
            if refusal is None:
                self.abort()
                raise
            if not self._last:
                self._refuse(refusal)
        else:
            if self._unframed > head.MAX_HEAD:
                self._refuse(head.TOO_LARGE)
        if not self._last and (self._in_request or not self._is_answered()):
            self._request.start()

    def _parse(self, data: bytes) -> None:
        """Parse bytes. An offer of another protocol, which a server may ignore (RFC 9110, 7.8), stops the parser.

        A new parser then reads on, behind a head that frames the body and offers nothing.
        """
        rest: bytes | memoryview = data
        while rest:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as stopped:
                rest = memoryview(rest)[stopped.args[0] :]
            lines = [b"%b / HTTP/%b" % (self.parser.get_method(), self.parser.get_http_version().encode())]
            lines += [b"%b: %b" % header for header in self.headers if header[0] in _FRAMING]
            self.parser = httptools.HttpRequestParser(self)
            self._tune_parser()
            self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _tune_parser(self) -> None:
        """Have versions checked by `head`, and bytes behind the last request ignored here."""
        self.parser.set_dangerous_leniencies(lenient_version=True, lenient_data_after_close=True)

    def _is_answering(self) -> bool:
        """Return whether the app is answering a request."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_answered(self) -> bool:
        """Return whether the request received last is being answered, or was answered."""
        return self._is_answering()

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        if self._parsed_again:
            return
        if self._last:
            raise Refused(head.bad_request("a request behind the last one"))
        self._in_request = self._in_head = True
        self._head = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Receive a piece of the target."""
        if self._parsed_again:
            return
        super().on_url(url)
        if len(self.url) > head.MAX_HEAD:
            raise Refused(head.TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; ignore a trailer, which would pass for a header and which nothing here needs."""
        if self._parsed_again or not self._in_head:
            return
        self._head += len(name) + len(value)
        if len(self.headers) >= head.MAX_HEADERS or self._head + len(self.url) > head.MAX_HEAD:
            raise Refused(head.TOO_LARGE)
        super().on_header(name, value.rstrip(b" \t"))

    def on_headers_complete(self) -> None:
        """Begin to answer the request, as its head is whole."""
        if not self._parsed_again:
            self._check_head()
            if self.parser.should_upgrade():
                self._parsed_again = True
                return
        self._parsed_again = self._in_head = False
        self._unframed = 0
        self._begin()

    def _check_head(self) -> None:
        """Check the head, and bring its target and host into their usual form. Raises Refused."""
        if len(self.pipeline) >= MAX_PIPELINE:
            raise Refused(TOO_MANY_AHEAD)
        method, version = self._method, self._version = self.parser.get_method(), self.parser.get_http_version()
        head.check(method, version, self.headers)
        self.url, host = head.origin_form(method, self.url)
        if host is not None:
            self.headers[:] = [(b"host", host), *(header for header in self.headers if header[0] != b"host")]
        if version == "1.0":  # RFC 9110, 10.1.1
            self.expect_100_continue = False

    def _begin(self) -> None:
        """Have the app answer the request."""
        super().on_headers_complete()
        self._cycles = [*self._unanswered(), self.cycle]

    def _unanswered(self) -> list[RequestResponseCycle]:
        return [cycle for cycle in self._cycles if not (cycle.response_complete or cycle.disconnected)]

    def on_body(self, body: bytes) -> None:
        """Receive a piece of the body."""
        self._unframed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        if self._parsed_again:
            return
        self._in_request = False
        self._unframed = 0
        self._request.cancel()
        self._limit.touch(self)
        self._complete()

    def _complete(self) -> None:
        """Pass the end of the body on."""
        super().on_message_complete()
        self._last = not self.cycle.keep_alive

    def on_response_complete(self) -> None:
        """Go on with the next request; refuse the one that was refused while this one was answered."""
        super().on_response_complete()
        self._send_refusal()

    def pause_writing(self) -> None:
        """Limit the time in which the client must read the bytes written so far."""
        super().pause_writing()
        self._answer.start()

    def resume_writing(self) -> None:
        """Note that the client has read them."""
        super().resume_writing()
        self._answer.cancel()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer the whole requests of a client that sends no more, then close the connection; return whether to wait.

        TLS cannot wait: its end of sending is that of the connection.
        """
        self._half_closed = True
        self._end()
        self._drop_request()
        unanswered = self._unanswered()
        if not unanswered or self.scheme == "https":
            return False
        if not self._refusal:
            unanswered[-1].keep_alive = False  # so the last response closes the connection
        return True

    def shutdown(self) -> None:
        """Finish the request under way, in a limited time."""
        super().shutdown()
        self._stop.start()
        if self._last and not self._unanswered():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for deadline in (self._request, self._answer, self._stop):
            deadline.cancel()
        self._half_closed = self._gone = True
        self._limit.remove(self)
        # uvicorn marks the last request only; an earlier one that is being answered would write to nobody.
        for cycle in self._cycles:
            cycle.disconnected = True
        super().connection_lost(exc)

    def _end(self) -> None:
        """Ignore all bytes from now on."""
        self._last = True
        self._request.cancel()

    def _drop_request(self) -> bool:
        """Drop the request under way, which will never be whole; return whether its response has begun already."""
        if not self._in_request or self._in_head:
            return False
        self._in_request = False
        cycle = self.cycle
        if cycle.response_started:
            return True
        if self.pipeline and self.pipeline[0][0] is cycle:
            self.pipeline.popleft()
        cycle.disconnected = True
        cycle.message_event.set()
        return False

    def _refuse(self, refusal: Refusal) -> None:
        """Answer the request under way with a problem, after the responses to earlier requests, and close."""
        fields = {"status": refusal.status, "reason": refusal.detail, "client": self.peer}
        log.warning("request refused", fields | {"listener": self.listener})
        self.service.count_malformed()
        self._end()
        if self._drop_request():  # a second response would pass for that of the next request
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()
            return
        is_head = self._in_request and self.url != b"" and self.parser.get_method() == b"HEAD"
        self._refusal = refusal.response(self.server_state.default_headers, head_only=is_head)
        self._send_refusal()

    def _send_refusal(self) -> None:
        if self._refusal and not self._unanswered() and not self.transport.is_closing():
            response, self._refusal = self._refusal, b""
            self.transport.write(response)
            self._close_after_client()

    def _close_after_client(self) -> None:
        """Send no more, and close after the client: if its bytes were left unread, it might lose the response."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.resume_reading()
            self._request.start()
        else:
            self.transport.close()
