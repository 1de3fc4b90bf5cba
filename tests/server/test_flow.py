"""The pace of a connection: many requests in one read leave time for other connections."""

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest
import uvicorn

from exporter.app import build
from exporter.server.batch import Batch
from exporter.server.connection import PIECE
from exporter.server.connections import ConnectionLimit
from exporter.server.fast import FastConnection
from exporter.server.flow import Flow
from exporter.server.service import Response, Service
from tests.support.running import PATIENCE, Threaded
from tests.support.sockets import drained, fresh, responses


class Wire(asyncio.Transport):
    """A transport that notes whether it reads, and the number of writes."""

    def __init__(self) -> None:
        super().__init__()
        self.reads, self.writes = True, 0

    def pause_reading(self) -> None:
        """Note it."""
        self.reads = False

    def resume_reading(self) -> None:
        """Note it."""
        self.reads = True

    def write(self, _: Any) -> None:
        """Count it."""
        self.writes += 1

    def is_closing(self) -> bool:
        """Return that it is open."""
        return False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("steps", "reads"),
    [
        ("hold", False),
        ("hold release", True),
        ("hold resume_reading", False),
        ("hold pause_reading release", False),
        ("hold pause_reading release resume_reading", True),
        ("hold pause_reading resume_reading release", True),
        ("pause_reading hold release", False),
        ("pause_reading hold resume_reading", False),
        ("pause_reading hold resume_reading release", True),
        ("hold hold release", True),
        ("release pause_reading resume_reading", True),
    ],
)
def test_a_held_connection_reads_nothing(steps: str, reads: bool) -> None:
    """A connection reads if it is neither held nor paused, in whatever order that happens."""
    wire = Wire()
    flow = Flow(wire)
    for step in steps.split():
        getattr(flow, step)()
    assert wire.reads is reads


class Ok:
    """A fast path for POST /w."""

    path, max_body = b"/w", 100

    def accepts(self, _: Sequence[tuple[bytes, bytes]]) -> bool:
        """Accept every request."""
        return True

    def refuse(self, _: Sequence[tuple[bytes, bytes]], __: str) -> None:
        """Refuse no request."""

    def respond(self, bodies: Sequence[bytes]) -> list[Response | None]:
        """Respond with nothing."""
        return [Response(200, b"\r\n")] * len(bodies)

    def answer(self, _: bytes, __: str) -> None:
        """Leave nothing to be answered."""


class NoApp:
    """An app that is not called, as the fast path answers everything."""

    async def __call__(self, _: object, scope: Any, receive: Any, send: Any) -> None:
        """Fail."""
        raise AssertionError(scope, receive, send)


def test_other_connections_between_the_requests_of_one_read() -> None:
    """A piece of many events in one read is answered in each event-loop iteration, and nothing is read meanwhile."""

    async def test() -> None:
        config = uvicorn.Config(NoApp(), lifespan="off", interface="asgi3", log_config=None, proxy_headers=False)
        config.load()
        service = Service(lambda *_: [], 100, fast_path=Ok())
        wire = Wire()
        connection = FastConnection(Batch(Ok()), service, config, ConnectionLimit(10))
        connection.connection_made(wire)
        one = b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        connection.data_received(one * 1000)
        for _ in range(1000):
            before = wire.writes
            assert before < 1000
            assert not wire.reads
            await asyncio.sleep(0)
            assert 0 < wire.writes - before <= PIECE // len(one) + 1
            if wire.writes == 1000:
                break
        assert wire.reads
        connection.connection_lost(OSError())

    asyncio.run(test())


@pytest.mark.parametrize("rest", [b"", b"GARBAGE\r\n\r\n", b"POST /webhook HTTP/1.1\r\nHost: x\r\n"])
def test_very_many_requests_in_a_row(rest: bytes) -> None:
    """Every one of very many events is answered, also if the client closes its sending side or goes on with garbage."""
    event = fresh()
    one = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(event), event)
    with (
        Threaded(build().ports[0].service) as (port, _),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client,
    ):
        client.sendall(one * 1500 + rest)
        client.shutdown(socket.SHUT_WR)
        statuses = [response.status for response in responses(drained(client))]
    assert statuses == [200] * 1500 + [400] * (rest[:1] == b"G")
