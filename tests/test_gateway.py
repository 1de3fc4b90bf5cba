"""The gateway between the server and a WSGI app."""

import asyncio
import socket
import threading
from typing import Any
from wsgiref.validate import validator

from exporter.gateway import THREADS, Gateway
from tests.running import Threaded
from tests.sockets import answers

SCOPE: dict[str, Any] = {
    "method": "POST",
    "path": "/",
    "query_string": b"",
    "http_version": "1.1",
    "scheme": "http",
    "server": None,
    "client": None,
    "headers": [],
    "state": {"gone": lambda: False},
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

    def test_a_sender_that_leaves_gets_no_answer(self) -> None:
        """Nothing is called for half a body."""
        sent: list[object] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        def app(*_: object) -> Any:
            raise AssertionError("called")

        asyncio.run(Gateway(app, 10)(SCOPE, receive, send))
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
            return SCOPE | {"method": "GET", "path": path, "state": {"gone": lambda: gone}}

        async def crowd() -> None:
            gateway = Gateway(app, 10, quick={"/quick"})
            tasks = [asyncio.create_task(gateway(get("/slow", gone=False), receive, send)) for _ in range(THREADS)]
            tasks += [asyncio.create_task(gateway(get("/left", gone=True), receive, send)) for _ in range(50)]
            await asyncio.sleep(0.05)
            await asyncio.wait_for(gateway(get("/quick", gone=False), receive, send), 5)
            release.set()
            await asyncio.gather(*tasks)

        asyncio.run(crowd())
        assert sorted(called) == ["/quick"] + ["/slow"] * THREADS  # the quick one while the slow ones had every thread
