"""Bytes that wait for clients, in the adapter between the server and a WSGI app."""

import asyncio
from typing import Any

import pytest

from exporter.server import wsgi
from exporter.server.service import Service
from exporter.server.wsgi import PIECE, WsgiAdapter
from tests.support.asgi import SCOPE, Client, ignore, no_body
from tests.support.running import PATIENCE


class TestWaiting:
    """Bytes that wait for clients."""

    def test_the_oldest_response_makes_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond the limit, the client that waited longest is aborted; one alone may exceed it, small ones are free."""
        monkeypatch.setattr(wsgi, "MAX_WAITING", 3 * PIECE)
        aborted: list[int] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [b"x" * int(environ["PATH_INFO"][1:])]

        async def run(sizes: list[int], read: int = 0) -> list[int]:
            aborted.clear()
            adapter = WsgiAdapter(Service(app, 10))
            begins, ends = ([asyncio.Event() for _ in sizes] for _ in range(2))

            async def ask(number: int, size: int) -> None:
                async def send(_: Any) -> None:
                    begins[number].set()
                    await ends[number].wait()

                def on_abort() -> None:
                    aborted.append(number)
                    ends[number].set()

                scope = SCOPE | {"method": "GET", "path": f"/{size}"}
                await adapter(Client(on_abort=on_abort), scope, no_body, send)

            for end in ends[:read]:
                end.set()
            tasks = []
            for number, size in enumerate(sizes):
                tasks.append(asyncio.create_task(ask(number, size)))
                await asyncio.wait_for(begins[number].wait(), PATIENCE)
                await asyncio.sleep(0)
            before_the_end = list(aborted)
            for end in ends:
                end.set()
            await asyncio.gather(*tasks)
            return before_the_end

        two = 2 * PIECE
        assert asyncio.run(run([two, two, 10, two])) == [0, 1]
        assert asyncio.run(run([two] * 5, read=4)) == []
        assert asyncio.run(run([9 * PIECE, 10, 10])) == []
        assert asyncio.run(run([9 * PIECE, two])) == [0]
        assert asyncio.run(run([10] * 50)) == []

    def test_incomplete_bodies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The bytes of an incomplete body count until the body is complete."""
        monkeypatch.setattr(wsgi, "MAX_WAITING", 30)
        aborted: list[int] = []

        def app(_: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return []

        async def run(senders: int, pieces: int) -> None:
            aborted.clear()
            adapter = WsgiAdapter(Service(app, 100))

            async def post(number: int) -> None:
                gone = asyncio.Event()
                sent = 0

                async def receive() -> dict[str, Any]:
                    nonlocal sent
                    sent += 1
                    if sent > pieces:
                        await gone.wait()
                        return {"type": "http.disconnect"}
                    return {"type": "http.request", "body": b"x" * 10, "more_body": sent < 3}

                def on_abort() -> None:
                    aborted.append(number)
                    gone.set()

                tasks.append(asyncio.create_task(adapter(Client(on_abort=on_abort), SCOPE, receive, ignore)))
                await asyncio.sleep(0)

            tasks: list[asyncio.Task[None]] = []
            for number in range(senders):
                await post(number)
                await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run(run(senders=4, pieces=2))  # 20 bytes of each, and more to come
        assert aborted == [0, 1, 2]
        asyncio.run(run(senders=10, pieces=3))  # each comes whole
        assert aborted == []
