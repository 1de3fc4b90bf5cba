"""The gateway between the server and a WSGI app."""

import asyncio
import socket
from typing import Any
from wsgiref.validate import validator

from exporter.gateway import Gateway
from tests.running import Threaded
from tests.sockets import answers


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

        scope: dict[str, Any] = {
            "method": "POST",
            "path": "/",
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "http",
            "server": None,
            "client": None,
            "headers": [],
        }
        asyncio.run(Gateway(app, 10)(scope, receive, send))
        assert sent == []
