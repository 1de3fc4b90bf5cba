"""The gateway between the server and a WSGI app."""

import asyncio
import socket
import threading
from typing import Any
from wsgiref.validate import validator

import pytest

from exporter.server import wsgi as gateway_module
from exporter.server.wsgi import PIECE, THREADS, WsgiAdapter
from tests.support.running import Threaded
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
    "state": {"gone": lambda: False, "abort": lambda: None},
}
"""What a server says of a request."""


class TestGateway:
    """What the requests of a running process do not show."""

    def test_a_wsgi_app_is_called_by_the_book(self) -> None:
        """Its environment, its close(), its latest start_response, and what it writes to wsgi.errors."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            environ["wsgi.errors"].write("a word\n")
            environ["wsgi.errors"].writelines(["two ", "words"])
            environ["wsgi.errors"].flush()
            text = environ["wsgi.input"].read(100)
            start_response("201 Created", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
            return [text]

        with (
            Threaded(validator(app)) as (port, _),
            socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
        ):
            head = b"POST /%C3%A9?a=b HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\nX-Two: 2\r\nContent-Length: 5\r\n\r\n"
            assert answers(connection, head + b"hello") == [(201, "text/plain", b"hello")]

    @pytest.mark.parametrize("sizes", [[], [1, 2], [3000, 3000], [PIECE - 1, 1, 2 * PIECE + 5, 0, PIECE]])
    def test_an_answer_in_pieces(self, sizes: list[int]) -> None:
        """Small or large, it is sent whole, and none of it at more than a piece at a time."""
        pieces = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        def app(_: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return pieces

        asyncio.run(WsgiAdapter(app, 10)(SCOPE, receive, send))  # type: ignore[arg-type]
        bodies = [message["body"] for message in sent[1:]]
        assert b"".join(bodies) == b"".join(pieces)
        assert max(map(len, bodies)) <= PIECE
        assert [message.get("more_body", False) for message in sent[1:]] == [True] * (len(bodies) - 1) + [False]

    def test_a_sender_that_leaves_gets_no_answer(self) -> None:
        """Nothing is called for half a body."""
        sent: list[object] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        def app(*_: object) -> Any:
            raise AssertionError("called")

        asyncio.run(WsgiAdapter(app, 10)(SCOPE, receive, send))
        assert sent == []

    def test_who_leaves_while_waiting_is_not_served(self) -> None:
        """So that a crowd that has gone does not hold up those who are there."""
        called: list[str] = []
        release = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            called.append(environ["PATH_INFO"])
            if environ["PATH_INFO"] != "/quick":
                release.wait(10)
            start_response("200 OK", [])
            return []

        async def receive() -> dict[str, Any]:
            raise AssertionError("a GET has no body")

        async def send(_: Any) -> None:
            pass

        def get(path: str, *, gone: bool) -> dict[str, Any]:
            return SCOPE | {"method": "GET", "path": path, "state": SCOPE["state"] | {"gone": lambda: gone}}

        async def crowd() -> None:
            gateway = WsgiAdapter(app, 10, quick={"/quick"})
            tasks = [asyncio.create_task(gateway(get("/slow", gone=False), receive, send)) for _ in range(THREADS)]
            tasks += [asyncio.create_task(gateway(get("/left", gone=True), receive, send)) for _ in range(50)]
            await asyncio.sleep(0.05)
            await asyncio.wait_for(gateway(get("/quick", gone=False), receive, send), 5)
            release.set()
            await asyncio.gather(*tasks)

        asyncio.run(crowd())
        assert sorted(called) == ["/quick"] + ["/slow"] * THREADS  # the quick one while the slow ones had every thread


class TestBodies:
    """Which bodies are awaited."""

    @pytest.mark.parametrize("takes", [True, False])
    def test_a_body_that_does_not_matter_is_not_awaited(self, takes: bool) -> None:
        """The app is called at once, without it."""
        received, seen = [], []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            seen.append((environ["HTTP_X"], environ["wsgi.input"].read()))
            start_response("401 Unauthorized", [])
            return []

        async def receive() -> dict[str, Any]:
            received.append(1)
            return {"type": "http.request", "body": b"hello", "more_body": False}

        async def send(_: Any) -> None:
            pass

        scope = SCOPE | {"headers": [(b"x", b"key"), (b"content-length", b"5")]}
        gateway = WsgiAdapter(app, 10, wants_body=lambda environ: takes and environ["HTTP_X"] == "key")
        asyncio.run(gateway(scope, receive, send))
        assert received == ([1] if takes else [])
        assert seen == [("key", b"hello" if takes else b"")]

    @pytest.mark.parametrize("quick", [True, False])
    def test_only_a_is_quick_is_answered_in_the_loop(self, quick: bool) -> None:
        """The others have a thread, so that the loop goes on."""
        seen = []

        def app(_: dict[str, Any], start_response: Any) -> list[bytes]:
            seen.append(threading.current_thread() is threading.main_thread())
            start_response("200 OK", [])
            return []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"hello", "more_body": False}

        async def send(_: Any) -> None:
            pass

        gateway = WsgiAdapter(app, 10, is_quick=lambda body: quick and body == b"hello")
        asyncio.run(gateway(SCOPE, receive, send))
        assert seen == [quick]


class TestWaiting:
    """Answers that nobody takes."""

    def test_the_oldest_makes_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beyond the limit; one alone may be larger than it, small ones do not count."""
        monkeypatch.setattr(gateway_module, "MAX_WAITING", 3 * PIECE)
        cut: list[int] = []

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return [b"x" * int(environ["PATH_INFO"][1:])]

        async def run(sizes: list[int], taken: int = 0) -> list[int]:
            cut.clear()
            gateway = WsgiAdapter(app, 10)
            begins, ends = ([asyncio.Event() for _ in sizes] for _ in range(2))

            async def ask(number: int, size: int) -> None:
                async def receive() -> dict[str, Any]:
                    raise AssertionError("a GET has no body")

                async def send(_: Any) -> None:
                    begins[number].set()
                    await ends[number].wait()

                def abort() -> None:
                    cut.append(number)
                    ends[number].set()

                state = SCOPE["state"] | {"abort": abort}
                await gateway(SCOPE | {"method": "GET", "path": f"/{size}", "state": state}, receive, send)

            for end in ends[:taken]:
                end.set()
            tasks = []
            for number, size in enumerate(sizes):
                tasks.append(asyncio.create_task(ask(number, size)))
                await asyncio.wait_for(begins[number].wait(), 10)
                await asyncio.sleep(0)
            told = list(cut)
            for end in ends:
                end.set()
            await asyncio.gather(*tasks)
            return told

        two = 2 * PIECE
        assert asyncio.run(run([two, two, 10, two])) == [0, 1]
        assert asyncio.run(run([two] * 5, taken=4)) == []
        assert asyncio.run(run([9 * PIECE, 10, 10])) == []
        assert asyncio.run(run([9 * PIECE, two])) == [0]
        assert asyncio.run(run([10] * 50)) == []

    def test_bodies_that_do_not_come_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """They count too; one that came whole counts no more."""
        monkeypatch.setattr(gateway_module, "MAX_WAITING", 30)
        cut: list[int] = []

        def app(_: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response("200 OK", [])
            return []

        async def run(senders: int, pieces: int) -> None:
            cut.clear()
            gateway = WsgiAdapter(app, 100)

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

                async def send(_: Any) -> None:
                    pass

                def abort() -> None:
                    cut.append(number)
                    gone.set()

                state = SCOPE["state"] | {"abort": abort}
                task = asyncio.create_task(gateway(SCOPE | {"state": state}, receive, send))
                tasks.append(task)
                await asyncio.sleep(0)

            tasks: list[asyncio.Task[None]] = []
            for number in range(senders):
                await post(number)
                await asyncio.sleep(0.01)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run(run(senders=4, pieces=2))  # 20 bytes each, and more to come
        assert cut == [0, 1, 2]
        asyncio.run(run(senders=10, pieces=3))  # each comes whole
        assert cut == []
