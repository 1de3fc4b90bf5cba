"""The process that serves WSGI apps, each on its port: one event loop, its signals, and a look now and then.

Why this server: docs/server.md. It knows WSGI and nothing of the exporter.
"""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from wsgiref.types import WSGIApplication

import uvicorn
import uvloop

from exporter.server.batch import Batch, FastPath
from exporter.server.connection import Connection
from exporter.server.connections import ConnectionLimit
from exporter.server.fast import FastConnection
from exporter.server.tls import TlsAcceptor
from exporter.server.wsgi import WsgiAdapter

log = logging.getLogger(__name__)

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept for the next request."""

PERIOD = 5.0
"""Seconds between two runs of a periodic task."""

MAX_FILES = 1 << 12
"""Open files, and so connections, that are asked of the system."""

MAX_CONNECTIONS = 1000
"""Connections of one port; less if the system gives fewer files."""

RESERVED_FILES = 32
"""Files that are not for connections."""

QUICK = frozenset({"/-/healthy", "/-/ready"})
"""Paths that are answered in the event loop, however many scrapes wait."""

IGNORED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals whose default is to end the process, and with it the state."""


BACKLOG = 2048
"""Connections that may wait to be let in: more come at once after an outage than a loop lets in between two looks."""


class Listener(NamedTuple):
    """A port, and what it serves."""

    socket: socket.socket
    wsgi: WSGIApplication
    max_body: int
    """Bytes of the largest body that the app takes."""
    wants_body: Callable[[Mapping[str, Any]], bool] = lambda _: True
    """Tells by the WSGI environment of a POST whether the app reads its body."""
    is_quick: Callable[[bytes], bool] = lambda _: True
    """Tells whether the app answers a body in no time."""
    tls: ssl.SSLContext | None = None
    malformed: Callable[[], None] = lambda: None
    """Called for each request that is not HTTP, and so is not seen by the app."""
    fast_path: FastPath | None = None
    """Answers what it can without the app."""


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, most_connections: int, fast_path: FastPath | None) -> None:
        super().__init__(config)
        self.server_state: ConnectionLimit = ConnectionLimit(most_connections)
        self._batch = None if fast_path is None else Batch(fast_path)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`, which ends with a status of its own instead of by the signal."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen as uvicorn does, but do TLS handshakes ourselves."""
        connect: Callable[[], Connection] = partial(Connection, self.config, self.server_state, {})
        if self._batch is not None:
            connect = partial(FastConnection, self._batch, self.config, self.server_state)
        context = self.config.ssl
        if context:
            acceptors = [TlsAcceptor(each, context, connect, self.server_state) for each in sockets or []]
            self.servers = acceptors  # type: ignore[assignment]
        else:
            loop = asyncio.get_running_loop()
            self.servers = [await loop.create_server(connect, sock=each, backlog=BACKLOG) for each in sockets or []]
        self.started = True


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket, of both families if the host is empty and the system has both. Raises OSError."""
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def serve(listeners: Sequence[Listener], reload: Callable[[], None], *periodic: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT, calling each of `periodic` every `PERIOD` seconds in a thread of its own.

    SIGHUP calls `reload`, in a thread as well.

    Requests under way are finished, within connection.GRACE seconds.
    """
    most = min(MAX_CONNECTIONS, max(1, (_raise_file_limit() - RESERVED_FILES) // len(listeners)))
    servers = [configure(listener, most) for listener in listeners]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, servers, number)
        for number in IGNORED_SIGNALS:
            loop.add_signal_handler(number, log.info, "signal ignored", {"signal": number.name})
        loop.add_signal_handler(signal.SIGHUP, loop.run_in_executor, None, reload)
        watching = [asyncio.create_task(every(PERIOD, run_once)) for run_once in periodic]
        try:
            serving = [server.serve([listener.socket]) for server, listener in zip(servers, listeners, strict=True)]
            await asyncio.gather(*serving)
        finally:
            for task in watching:
                task.cancel()
            for run_once in periodic:
                run_once()  # what came since the last time

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def configure(listener: Listener, most_connections: int = MAX_CONNECTIONS) -> uvicorn.Server:
    """Return the server of one listener, not yet started."""
    config = uvicorn.Config(
        WsgiAdapter(
            listener.wsgi,
            listener.max_body,
            QUICK,
            listener.wants_body,
            listener.is_quick,
            listener.malformed,
        ),
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    config.load()
    config.ssl = listener.tls
    return _Uvicorn(config, most_connections, listener.fast_path)


def _stop(servers: Iterable[uvicorn.Server], number: signal.Signals) -> None:
    log.info("stopping", {"signal": number.name})
    for server in servers:
        server.should_exit = True


async def every(seconds: float, task: Callable[[], None]) -> None:
    """Call `task` in a thread every so many seconds; an error of it is logged and ends nothing."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(task)
        except Exception as error:
            log.error("periodic task failed", exc_info=error)


def _raise_file_limit() -> int:
    """Take more connections than the soft limit, which is meant for select(); return how many files there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return max(soft, wanted)
