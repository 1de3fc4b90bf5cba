"""The process that serves WSGI apps, each on its port: one event loop, its signals and its periodic tasks.

docs/server.md has the reasons for this server. This module knows WSGI, and nothing of the exporter.
"""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import uvicorn
import uvloop

from exporter.server.batch import Batch
from exporter.server.connection import Connection
from exporter.server.connections import ConnectionLimit
from exporter.server.fast import FastConnection
from exporter.server.service import Service
from exporter.server.tls import TlsAcceptor
from exporter.server.wsgi import WsgiAdapter

log = logging.getLogger(__name__)

KEEP_ALIVE = 75
"""Seconds that an idle connection stays open for the next request."""

PERIOD = 5.0
"""Seconds between two runs of a periodic task."""

MAX_FILES = 1 << 12
"""Open files, and so connections, that the process asks of the system."""

MAX_CONNECTIONS = 1000
"""Connections of one port; fewer if the system allows fewer files."""

RESERVED_FILES = 32
"""Open files that are not for connections."""

IGNORED_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
"""Signals that end a process by default, and with it the state."""


BACKLOG = 2048
"""Connections that may wait to be accepted: after an outage, more arrive at once than one event-loop iteration
accepts."""


class Listener(NamedTuple):
    """An open port and its service."""

    socket: socket.socket
    service: Service
    tls: ssl.SSLContext | None = None


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service, max_connections: int) -> None:
        super().__init__(config)
        self.server_state: ConnectionLimit = ConnectionLimit(max_connections, service.name)
        self._service = service

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`, which ends with a status of its own instead of by the signal."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen as uvicorn does, but with connections and TLS handshakes of our own."""
        service, limit = self._service, self.server_state
        connect: Callable[[], Connection] = partial(Connection, service, self.config, limit)
        if service.fast_path is not None:
            connect = partial(FastConnection, Batch(service.fast_path), service, self.config, limit)
        context = self.config.ssl
        if context:
            acceptors = [TlsAcceptor(each, context, connect, limit, service.name) for each in sockets or []]
            self.servers = acceptors  # type: ignore[assignment]
        else:
            loop = asyncio.get_running_loop()
            self.servers = [await loop.create_server(connect, sock=each, backlog=BACKLOG) for each in sockets or []]
        self.started = True


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket, for IPv6 and IPv4 if the host is empty and the system has both. Raises OSError."""
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    family = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def serve(listeners: Sequence[Listener], reload: Callable[[], None], *periodic: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests under way may then finish within `connection.GRACE` seconds.

    A thread runs each of the `periodic` tasks every PERIOD seconds and once more at the end, never twice at a time.
    SIGHUP runs `reload` in a thread.
    """
    max_connections = min(MAX_CONNECTIONS, max(1, (_raise_file_limit() - RESERVED_FILES) // len(listeners)))
    servers = [configure(listener, max_connections) for listener in listeners]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, servers, number)
        for number in IGNORED_SIGNALS:
            loop.add_signal_handler(number, log.info, "signal ignored", {"signal": number.name})
        loop.add_signal_handler(signal.SIGHUP, loop.run_in_executor, None, reload)
        stopped = asyncio.Event()
        repeating = [asyncio.create_task(every(PERIOD, task, stopped)) for task in periodic]
        try:
            serving = [server.serve([listener.socket]) for server, listener in zip(servers, listeners, strict=True)]
            await asyncio.gather(*serving)
        finally:
            stopped.set()
            await asyncio.gather(*repeating)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def configure(listener: Listener, max_connections: int = MAX_CONNECTIONS) -> uvicorn.Server:
    """Return the server of one listener, not yet started."""
    config = uvicorn.Config(
        WsgiAdapter(listener.service),
        interface="asgi3",
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
    return _Uvicorn(config, listener.service, max_connections)


def _stop(servers: Iterable[uvicorn.Server], number: signal.Signals) -> None:
    log.info("stopping", {"signal": number.name})
    for server in servers:
        server.should_exit = True


async def every(seconds: float, task: Callable[[], None], stopped: asyncio.Event) -> None:
    """Run `task` in a thread every `seconds`, and once more when `stopped` is set; log its errors and go on."""
    last = False
    while not last:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), seconds)
        last = stopped.is_set()
        try:
            await asyncio.to_thread(task)
        except Exception as error:
            log.error("periodic task failed", exc_info=error)


def _raise_file_limit() -> int:
    """Raise the soft limit of open files, which is meant for select(), and return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return max(soft, wanted)
