"""The adapter between the server and a WSGI app."""

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import Any
from wsgiref.validate import validator

import pytest

from exporter.server import wsgi
from exporter.server.service import Service
from exporter.server.wsgi import PIECE, THREADS, WsgiAdapter
from tests.support.running import PATIENCE, Threaded
from tests.support.sockets import answers

SCOPE: dict[str, Any] = {
    "method": "POST",
    "path": "/",
    "query_string": b"",
    "http_version": "1.1",
    "scheme": "http",
    "server": None,
    "client": None,
    "headers": [],
}
"""The scope of a request, as an ASGI server describes it."""


class Client:
    """A client that has left or not, and notes that it was aborted."""

    def __init__(self, *, gone: bool = False, on_abort: Callable[[], None] = lambda: None) -> None:
        self._gone = gone
        self._on_abort = on_abort

    def is_gone(self) -> bool:
        """Return whether the client has left."""
        return self._gone

    def abort(self) -> None:
        """Note it."""
        self._on_abort()


async def no_body() -> dict[str, Any]:
    """Fail, as the adapter does not read the body of a GET."""
    raise AssertionError("a GET has no body")


async def ignore(_: Any) -> None:
    """Send nothing."""


class TestCalls:
    """Calls of the app."""

    def test_a_wsgi_app_is_called_by_the_book(self) -> None:
        """The adapter keeps PEP 3333: the environment, close(), the latest start_response, wsgi.errors."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            environ["wsgi.errors"].write("a word\n")
            environ["wsgi.errors"].writelines(["two ", "words"])
            environ["wsgi.errors"].flush()
            text = environ["wsgi.input"].read(100)
            start_response("201 Created", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
            return [text]

        with (
            Threaded(Service(validator(app), 1000)) as (port, _),
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection,
        ):
            head = b"POST /%C3%A9?a=b HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 5\r\n\r\n"
            assert answers(connection, head + b"hello") == [(201, "text/plain", b"hello")]

    @pytest.mark.parametrize("sizes", [[], [1, 2], [3000, 3000], [PIECE - 1, 1, 2 * PIECE + 5, 0, PIECE]])
    def test_a_response_in_pieces(self, sizes: list[int]) -> None:
        """A response, small or large, is sent whole, and never more than a piece of it at a time."""
        pieces = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        def app(_: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return pieces

        asyncio.run(WsgiAdapter(Service(app, 10))(Client(), SCOPE, receive, send))
        bodies = [message["body"] for message in sent[1:]]
        assert b"".join(bodies) == b"".join(pieces)
        assert max(map(len, bodies)) <= PIECE
        assert [message.get("more_body", False) for message in sent[1:]] == [True] * (len(bodies) - 1) + [False]

    def test_a_client_that_leaves_within_a_body(self) -> None:
        """The app is not called for half a body, and nothing is sent."""
        sent: list[object] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        def app(*_: object) -> Any:
            raise AssertionError("called")

        asyncio.run(WsgiAdapter(Service(app, 10))(Client(), SCOPE, receive, send))
        assert sent == []

    def test_a_client_that_leaves_while_it_waits(self) -> None:
        """The app is not called for clients that left while they waited, and a quick path waits for no thread."""
        called: list[str] = []
        release = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            called.append(environ["PATH_INFO"])
            if environ["PATH_INFO"] != "/quick":
                release.wait(PATIENCE)
            start_response("200 OK", [])
            return []

        async def ask() -> None:
            adapter = WsgiAdapter(Service(app, 10, quick_paths={"/quick"}))

            def get(path: str, *, gone: bool = False) -> Any:
                return adapter(Client(gone=gone), SCOPE | {"method": "GET", "path": path}, no_body, ignore)

            tasks = [asyncio.create_task(get("/slow")) for _ in range(THREADS)]
            tasks += [asyncio.create_task(get("/left", gone=True)) for _ in range(50)]
            await asyncio.sleep(0.05)
            await asyncio.wait_for(get("/quick"), PATIENCE)
            release.set()
            await asyncio.gather(*tasks)

        asyncio.run(ask())
        assert sorted(called) == ["/quick"] + ["/slow"] * THREADS


class TestBodies:
    """Bodies that are awaited, and bodies that are quick."""

    @pytest.mark.parametrize("wanted", [True, False])
    def test_a_body_that_is_not_wanted_is_not_awaited(self, wanted: bool) -> None:
        """The app is called at once, without the body, if it does not want it."""
        received, seen = [], []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            seen.append((environ["HTTP_X"], environ["wsgi.input"].read()))
            start_response("401 Unauthorized", [])
            return []

        async def receive() -> dict[str, Any]:
            received.append(1)
            return {"type": "http.request", "body": b"hello", "more_body": False}

        scope = SCOPE | {"headers": [(b"x", b"key"), (b"content-length", b"5")]}
        adapter = WsgiAdapter(Service(app, 10, wants_body=lambda environ: wanted and environ["HTTP_X"] == "key"))
        asyncio.run(adapter(Client(), scope, receive, ignore))
        assert received == ([1] if wanted else [])
        assert seen == [("key", b"hello" if wanted else b"")]

    @pytest.mark.parametrize("quick", [True, False])
    def test_only_a_quick_body_is_answered_in_the_event_loop(self, quick: bool) -> None:
        """A thread answers any other body, so that the event loop goes on."""
        seen = []

        def app(_: dict[str, Any], start_response: Any) -> list[bytes]:
            seen.append(threading.current_thread() is threading.main_thread())
            start_response("200 OK", [])
            return []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"hello", "more_body": False}

        adapter = WsgiAdapter(Service(app, 10, is_quick=lambda body: quick and body == b"hello"))
        asyncio.run(adapter(Client(), SCOPE, receive, ignore))
        assert seen == [quick]


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
