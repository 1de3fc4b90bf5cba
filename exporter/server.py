"""The process that serves a WSGI app: one event loop, its signals, and a look at the zones now and then.

Why this server: docs/server.md. It knows WSGI and nothing of the exporter.
"""

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from wsgiref.types import WSGIApplication

import uvicorn
import uvloop

from exporter.connection import Connection
from exporter.gateway import Gateway

log = logging.getLogger(__name__)

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept for the next request."""

WATCH_EVERY = 5.0
"""Seconds between two looks at the zones."""

MAX_FILES = 1 << 16
"""Open files, and so connections, that are asked of the system."""

QUICK = frozenset({"/-/healthy", "/-/ready"})
"""Paths that are answered in the event loop, however many scrapes wait."""

IGNORED_SIGNALS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
"""Signals whose default is to end the process, and with it the state."""


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

    Requests under way are finished, within connection.GRACE seconds.
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
            watch()  # what came since the last look

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def configure(wsgi: WSGIApplication, max_body: int) -> uvicorn.Server:
    """Return the server of one listener, not yet started."""
    config = uvicorn.Config(
        Gateway(wsgi, max_body, QUICK),
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
