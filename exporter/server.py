"""The process that serves: uvicorn's connections in front of a plain WSGI app.

A body is awaited in the event loop before the app is called, so a sender that stops in the middle holds up
nobody; a short POST is then answered in the loop itself, everything else in a thread, so that a long scrape
does not hold up events. Answers are sent by the loop, so a reader that stops holds up nobody either. What
stands still for too long is cut off. Why this server: docs/server.md.

It knows WSGI and nothing of the exporter.
"""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from wsgiref.types import WSGIApplication

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)

REQUEST_TIMEOUT = 20.0
"""Seconds from a request's first byte to its last, and from a connection to its first request."""

WRITE_TIMEOUT = 30.0
"""Seconds in which a client must take the next PIECE of an answer."""

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept for the next request."""

GRACE = 3.0
"""Seconds that requests under way are given when the process is to stop."""

WATCH_EVERY = 5.0
"""Seconds between two looks at the zones."""

PIECE = 1 << 18
"""Bytes of an answer given to a connection at a time."""

INLINE_BODY = 1 << 16
"""Bytes of the largest POST that is answered in the event loop: about a hundred events."""

THREADS = 2
"""Requests answered at a time outside the event loop."""

MAX_FILES = 1 << 16
"""Open files, and so connections, that are asked of the system."""

IGNORED_SIGNALS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals whose default is to end the process, and with it the state."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Gateway:
    """An ASGI app that calls a WSGI app with whole bodies."""

    def __init__(self, wsgi: WSGIApplication, max_body: int) -> None:
        """Take the app and the size in bytes beyond which it refuses a body, so that no more need be read."""
        self._wsgi = wsgi
        self._max_body = max_body
        self._threads = ThreadPoolExecutor(THREADS, "request")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        environ = _environ(scope)
        if scope["method"] == "POST" and int(environ["CONTENT_LENGTH"] or 0) <= self._max_body:
            body = await self._read(receive)
            if body is None:
                return
            environ["wsgi.input"] = BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
            short = len(body) <= INLINE_BODY
        else:
            short = False
        if short:
            status, headers, answer = self._call(environ)
        else:
            status, headers, answer = await asyncio.get_running_loop().run_in_executor(
                self._threads, self._call, environ
            )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for start in range(0, len(answer), PIECE):
            await send({"type": "http.response.body", "body": answer[start : start + PIECE], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body, at most a piece longer than the app takes; None if the sender is gone."""
        pieces, size, more = [], 0, True
        while more and size <= self._max_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            pieces.append(message["body"])
            size += len(message["body"])
            more = message["more_body"]
        return b"".join(pieces)

    def _call(self, environ: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., object]:
            del exc_info
            started.append((status, headers))
            return lambda _: None

        answer = self._wsgi(environ, start_response)
        try:
            body = b"".join(answer)
        finally:
            if close := getattr(answer, "close", None):
                close()
        status, headers = started[-1]
        return int(status[:3]), [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers], body


def _environ(scope: Scope) -> dict[str, Any]:
    """Return the WSGI environment of a request without its body (PEP 3333)."""
    server, client = scope["server"] or ("", 0), scope["client"] or ("", 0)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1") or "/",
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
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
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        if name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[name] = value
        elif name != "TRANSFER_ENCODING":  # the body is whole when the app sees it
            name = f"HTTP_{name}"
            environ[name] = f"{environ[name]},{value}" if name in environ else value
    return environ


class _Errors:
    """`wsgi.errors`: what an app writes there is logged."""

    def write(self, text: str) -> None:
        log.error("wsgi error", {"text": text.rstrip()})

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        pass


class Connection(HttpToolsProtocol):
    """uvicorn's connection, cut off when a request or the reading of an answer stands still."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start waiting for the first request; count every byte that a reader has not taken as unread."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)
        self._in_request = False
        self._request = _Deadline(self, REQUEST_TIMEOUT, "request incomplete")
        self._answer = _Deadline(self, WRITE_TIMEOUT, "answer not read")
        self._stop = _Deadline(self, GRACE, "stopping")
        self._request.start()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and limit the time of a request that they do not complete."""
        super().data_received(data)
        if self._in_request:
            self._request.start()
        else:
            self._request.cancel()

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        self._in_request = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Note that it has come whole."""
        self._in_request = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Limit the time in which the reader must take what is waiting."""
        super().pause_writing()
        self._answer.start()

    def resume_writing(self) -> None:
        """Note that it was taken."""
        super().resume_writing()
        self._answer.cancel()

    def shutdown(self) -> None:
        """Finish the request under way, but not for ever."""
        super().shutdown()
        self._stop.start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for deadline in (self._request, self._answer, self._stop):
            deadline.cancel()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP as a problem, like any other error."""
        del msg
        body = b'{"type":"about:blank","title":"Bad Request","status":400,"detail":"the request is not valid HTTP"}'
        head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
        self.transport.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        self.transport.close()


class _Deadline:
    """Aborts a connection some seconds after its start unless cancelled; may be started again."""

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
        client = self._connection.client
        log.debug("connection cut off", {"reason": self._reason, "client": client[0] if client else ""})
        # Not close(), which would wait for the reader that does not read.
        self._connection.transport.abort()


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`, which ends with a status of its own instead of by the signal."""
        yield


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket, of both families if the host is empty and the system has both. Raises OSError."""
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=2048)
    family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    return socket.create_server((host, port), family=family, backlog=2048)


def serve(wsgi: WSGIApplication, listener: socket.socket, max_body: int, watch: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, calling `watch` every now and then in a thread of its own.

    Requests under way are finished, within GRACE seconds.
    """
    _raise_file_limit()
    server = configure(wsgi, max_body)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, server, number)
        for number in IGNORED_SIGNALS:
            loop.add_signal_handler(number, log.info, "signal ignored", {"signal": number.name})
        watching = asyncio.create_task(every(WATCH_EVERY, watch))
        try:
            await server.serve(sockets=[listener])
        finally:
            watching.cancel()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def configure(wsgi: WSGIApplication, max_body: int) -> uvicorn.Server:
    """Return the server of one listener, not yet started."""
    config = uvicorn.Config(
        Gateway(wsgi, max_body),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    return _Uvicorn(config)


def _stop(server: uvicorn.Server, number: signal.Signals) -> None:
    log.info("stopping", {"signal": number.name})
    server.should_exit = True


async def every(seconds: float, look: Callable[[], None]) -> None:
    """Call `look` in a thread again and again; its failing is logged and ends nothing."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(look)
        except Exception as error:
            log.error("watch failed", exc_info=error)


def _raise_file_limit() -> None:
    """Take more connections than the soft limit, which is meant for select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
