"""The adapter between the server and a WSGI app."""

import asyncio
import socket
import threading
from typing import Any
from wsgiref.validate import validator

import pytest

from exporter.server.service import ADMITTED, Service
from exporter.server.wsgi import PIECE, THREADS, WsgiAdapter
from tests.support.asgi import SCOPE, Client, ignore, no_body
from tests.support.running import PATIENCE, Threaded
from tests.support.sockets import answers


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
            adapter = WsgiAdapter(Service(app, 10, is_quick=lambda environ, _: environ["PATH_INFO"] == "/quick"))

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

    def test_clients_that_may_be_gone_share_one_thread(self) -> None:
        """Requests of clients that closed their sending side never hold up a client that is still there."""
        called: list[str] = []
        release = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            called.append(environ["PATH_INFO"])
            if environ["PATH_INFO"] == "/slow":
                release.wait(PATIENCE)
            start_response("200 OK", [])
            return []

        async def ask() -> None:
            adapter = WsgiAdapter(Service(app, 10))

            def get(path: str, *, half_closed: bool = False) -> Any:
                scope = SCOPE | {"method": "GET", "path": path}
                return adapter(Client(half_closed=half_closed), scope, no_body, ignore)

            tasks = [asyncio.create_task(get("/slow", half_closed=True)) for _ in range(20)]
            await asyncio.sleep(0)
            for _ in range(3):
                await asyncio.wait_for(get("/there"), PATIENCE)
            assert called.count("/slow") <= 1
            release.set()
            await asyncio.gather(*tasks)

        asyncio.run(ask())
        assert (called.count("/there"), called.count("/slow")) == (3, 20)

    def test_slow_requests_share_one_thread(self) -> None:
        """However many slow requests there are, one thread is there for the others, and each slow one is answered."""
        called: list[str] = []
        release = threading.Event()

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            called.append(environ["PATH_INFO"])
            if environ["PATH_INFO"] == "/slow":
                release.wait(PATIENCE)
            start_response("200 OK", [])
            return []

        async def ask() -> None:
            adapter = WsgiAdapter(Service(app, 10, is_slow=lambda environ: environ["PATH_INFO"] == "/slow"))

            def get(path: str) -> Any:
                return adapter(Client(), SCOPE | {"method": "GET", "path": path}, no_body, ignore)

            tasks = [asyncio.create_task(get("/slow")) for _ in range(20)]
            await asyncio.sleep(0)
            for _ in range(3):
                await asyncio.wait_for(get("/scrape"), PATIENCE)
            assert called.count("/slow") <= 1
            release.set()
            await asyncio.gather(*tasks)

        asyncio.run(ask())
        assert (called.count("/scrape"), called.count("/slow")) == (3, 20)

    @pytest.mark.parametrize("trusted", [True, False])
    def test_the_app_admits_a_client(self, trusted: bool) -> None:
        """A client is admitted if the app says so."""

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            environ[ADMITTED] = trusted
            start_response("200 OK", [])
            return []

        client = Client()
        asyncio.run(WsgiAdapter(Service(app, 10))(client, SCOPE | {"method": "GET"}, no_body, ignore))
        assert client.admitted is trusted

    @pytest.mark.parametrize(
        ("method", "status", "headers", "length"),
        [
            ("GET", "200 OK", [], [b"4"]),
            ("GET", "200 OK", [("content-length", "4")], [b"4"]),
            ("HEAD", "200 OK", [], []),
            ("GET", "304 Not Modified", [], []),
        ],
    )
    def test_every_response_has_a_length(
        self, method: str, status: str, headers: list[tuple[str, str]], length: list[bytes]
    ) -> None:
        """A response with a body always has its length, as HTTP/1.0 knows no chunks."""
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        def app(_: dict[str, Any], start_response: Any) -> list[bytes]:
            start_response(status, headers)
            return [b"ab", b"cd"]

        asyncio.run(WsgiAdapter(Service(app, 10))(Client(), SCOPE | {"method": method}, no_body, send))
        assert [value for name, value in sent[0]["headers"] if name.lower() == b"content-length"] == length


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

        adapter = WsgiAdapter(Service(app, 10, is_quick=lambda _, body: quick and body == b"hello"))
        asyncio.run(adapter(Client(), SCOPE, receive, ignore))
        assert seen == [quick]

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
    @pytest.mark.parametrize("wanted", [True, False])
    def test_a_thread_answers_what_is_not_known_to_be_quick(self, method: str, wanted: bool) -> None:
        """A thread answers a request of any method, and one without a wanted body, so the event loop goes on."""
        seen = []

        def app(_: dict[str, Any], start_response: Any) -> list[bytes]:
            seen.append(threading.current_thread() is threading.main_thread())
            start_response("204 No Content", [])
            return []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        adapter = WsgiAdapter(Service(app, 10, wants_body=lambda _: wanted))
        asyncio.run(adapter(Client(), SCOPE | {"method": method}, receive, ignore))
        assert seen == [False]
