"""The batch of a port: the heads that it remembers, and the order in which it answers."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import uvicorn

from exporter.server.batch import MAX_HEAD, MAX_HEADS, Batch
from exporter.server.connections import ConnectionLimit
from exporter.server.fast import FastConnection
from exporter.server.service import Response, Service


class Echo:
    """A fast path for POST /w that responds with the body, but leaves a body that begins with - to the app."""

    path, max_body = b"/w", 100

    def __init__(self) -> None:
        self.calls: list[list[bytes]] = []

    def accepts(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Accept every request with a header."""
        return bool(headers)

    def refuse(self, headers: Sequence[tuple[bytes, bytes]], client: str) -> Response | None:
        """Leave every request to the app."""

    def respond(self, bodies: Sequence[bytes]) -> list[Response | None]:
        """Respond with the bodies."""
        self.calls.append([*bodies])
        if b"bug" in bodies:
            raise ValueError("a bug")
        return [None if body[:1] in (b"-", b"!") else Response(200, b"\r\n" + body) for body in bodies]

    def answer(self, body: bytes, client: str) -> Response | None:
        """Answer a body that begins with an exclamation mark, from an unknown address."""
        return Response(422, b"\r\n" + body) if not client and body.startswith(b"!") else None


HEAD = b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"


class TestHeads:
    """The heads that a batch remembers."""

    def test_only_the_same_bytes_are_known(self) -> None:
        """A request is known by exactly the bytes of a remembered head, with a body of its length."""
        batch = Batch(Echo())
        assert batch.body_of(HEAD + b"abc") is None
        batch.remember_head(HEAD + b"abc", 3)
        assert batch.body_of(HEAD + b"xyz") == b"xyz"
        for data in (HEAD, HEAD + b"ab", HEAD + b"abcd", b"\r\n" + HEAD + b"abc", HEAD.lower() + b"abc", b"abc", b""):
            assert batch.body_of(data) is None, data

    @pytest.mark.parametrize(
        "data",
        [
            b"\r\n\r\n" + HEAD,
            b"\r\n" + HEAD,
            b"POST /w HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc\r\n\r\n",
            b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: 3\n\nabc\r\n\r\n",
            b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: 3\n\r\nabc\r\n\r\n",
            b"POST /w/ HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /w HTTP/1.1\r\nHost: %b\r\nContent-Length: 3\r\n\r\n" % (b"x" * MAX_HEAD),
            b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n",
            b"abc",
            b"",
        ],
    )
    def test_a_doubtful_head_is_not_remembered(self, data: bytes) -> None:
        """Bytes that may not be the whole head, or are too long for one, are not remembered."""
        batch = Batch(Echo())
        batch.remember_head(data, 3)
        end = data.find(b"\r\n\r\n") + 4
        assert batch.body_of(data[:end] + b"abc") is None

    def test_the_memory_is_limited(self) -> None:
        """A client that varies its head empties the memory instead of growing it."""
        batch = Batch(Echo())
        heads = [HEAD.replace(b"x", b"%d" % n) for n in range(MAX_HEADS + 1)]
        for n, head in enumerate(heads):
            batch.remember_head(head, 3)
            assert batch.body_of(head + b"abc") == b"abc"
            assert (batch.body_of(heads[0] + b"abc") is None) is (n == MAX_HEADS)


def test_headers_of_every_response() -> None:
    """A response of any status has the headers of the moment, such as the date."""
    batch = Batch(Echo())
    for date in (b"Mon", b"Tue"):
        headers = [(b"date", date), (b"a", b"b")]
        for _ in range(2):
            rest = b"\r\ndate: %b\r\na: b\r\n\r\nx" % date
            assert batch.response(Response(200, b"\r\nx"), headers) == b"HTTP/1.1 200 OK" + rest
            assert batch.response(Response(401, b"\r\nx"), headers) == b"HTTP/1.1 401 Unauthorized" + rest


class Wire(asyncio.Transport):
    """A transport that keeps the bytes written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:
        """Keep the body of a response."""
        assert not self.closing
        self.written.append(bytes(data).rpartition(b"\r\n")[2])

    def is_closing(self) -> bool:
        """Return whether the transport is closed."""
        return self.closing

    def close(self) -> None:
        """Allow no more writing."""
        self.closing = True

    abort = close

    def can_write_eof(self) -> bool:
        """Return that it cannot, as over TLS."""
        return False

    def pause_reading(self) -> None:
        """Do nothing."""

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing."""


class App:
    """An app that keeps the bodies that it receives, and answers ok when it may."""

    def __init__(self, bodies: list[bytes], may_answer: asyncio.Event) -> None:
        self._bodies = bodies
        self._may_answer = may_answer

    async def __call__(self, _: object, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        assert scope["path"] == "/w"
        self._bodies.append((await receive())["body"])
        await self._may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def no_wsgi(*_: object) -> Any:
    """Fail, as `App` answers in place of a WSGI app."""
    raise AssertionError("called")


class Port:
    """The connections of one port, without a network."""

    def __init__(self) -> None:
        self.fast_path = Echo()
        self._batch = Batch(self.fast_path)
        self._batch.remember_head(HEAD, 3)
        self.app_bodies: list[bytes] = []
        self.app_may_answer = asyncio.Event()
        self._config = uvicorn.Config(
            App(self.app_bodies, self.app_may_answer),
            lifespan="off",
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
        )
        self._config.load()

    def connection(self) -> tuple[FastConnection, Wire]:
        """Return a new connection and its transport."""
        service = Service(no_wsgi, 1000, fast_path=self.fast_path)
        connection, wire = FastConnection(self._batch, service, self._config, ConnectionLimit(10)), Wire()
        connection.connection_made(wire)
        return connection, wire


class TestIteration:
    """Requests that come in one iteration of the event loop."""

    def in_a_loop(self, test: Callable[[Port], Awaitable[None]], errors: Sequence[object] = ()) -> None:
        """Run a test with a port, in an event loop that must see exactly these errors."""
        seen: list[object] = []

        async def run() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context["exception"]))
            await test(Port())

        asyncio.run(run())
        assert list(map(str, seen)) == [*errors]

    def test_they_are_answered_together(self) -> None:
        """The requests of an iteration are answered at its end, in their order, by one call; a bad one by itself."""

        async def test(port: Port) -> None:
            ends = [port.connection() for _ in range(3)]
            texts = [b"ab0", b"!b1", b"ab2"]
            for text, (end, _) in zip(texts, ends, strict=True):
                end.data_received(HEAD + text)
            assert [wire.written for _, wire in ends] == [[], [], []]
            await asyncio.sleep(0)
            assert [wire.written for _, wire in ends] == [[text] for text in texts]
            assert port.fast_path.calls == [texts]
            assert port.app_bodies == []

        self.in_a_loop(test)

    @pytest.mark.parametrize("end_by", ["eof_received", "shutdown"])
    def test_the_connection_ends(self, end_by: str) -> None:
        """A request that waits is answered before its connection ends."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            end.data_received(HEAD + b"abc")
            getattr(end, end_by)()
            assert wire.written == [b"abc"]

        self.in_a_loop(test)

    def test_the_connection_is_lost(self) -> None:
        """A request still counts after its connection was lost, but nothing is written."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            end.data_received(HEAD + b"abc")
            wire.close()
            end.connection_lost(None)
            await asyncio.sleep(0)
            assert port.fast_path.calls == [[b"abc"]]

        self.in_a_loop(test)

    def test_a_second_request_on_the_same_connection(self) -> None:
        """The first request is answered as soon as the second one comes."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            end.data_received(HEAD + b"abc")
            end.data_received(HEAD + b"def")
            assert wire.written == [b"abc"]
            await asyncio.sleep(0)
            assert wire.written == [b"abc", b"def"]

        self.in_a_loop(test)

    def test_a_request_for_the_app(self) -> None:
        """The app gets the whole request, and the fast path is called only once for it."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            port.app_may_answer.set()
            end.data_received(HEAD + b"-bc")
            await asyncio.sleep(0.01)
            assert port.app_bodies == [b"-bc"]
            assert port.fast_path.calls == [[b"-bc"]]
            assert b"ok" in b"".join(wire.written)

        self.in_a_loop(test)

    def test_a_request_behind_one_for_the_app(self) -> None:
        """A request is not answered before the one ahead of it, which the app has."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            end.data_received(HEAD + b"-bc")
            await asyncio.sleep(0.01)
            end.data_received(HEAD + b"abc")
            await asyncio.sleep(0.01)
            assert wire.written == []
            port.app_may_answer.set()
            await asyncio.sleep(0.01)
            assert port.app_bodies == [b"-bc", b"abc"]
            assert b"".join(wire.written).count(b"ok") == 2

        self.in_a_loop(test)

    def test_a_client_that_does_not_read(self) -> None:
        """The fast path answers nothing while the client does not read the responses."""

        async def test(port: Port) -> None:
            end, _ = port.connection()
            port.app_may_answer.set()
            end.pause_writing()
            end.data_received(HEAD + b"abc")
            await asyncio.sleep(0.01)
            assert port.fast_path.calls == []
            end.resume_writing()
            await asyncio.sleep(0.01)
            assert port.app_bodies == [b"abc"]

        self.in_a_loop(test)

    def test_a_stop_in_the_middle_of_a_body(self) -> None:
        """A request under way is answered, though its body is complete only after the stop."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            port.app_may_answer.set()
            end.data_received(HEAD + b"a")
            end.shutdown()
            assert not wire.closing
            end.data_received(b"bc")
            await asyncio.sleep(0.01)
            assert port.app_bodies == [b"abc"]
            assert b"ok" in b"".join(wire.written)

        self.in_a_loop(test)

    def test_a_body_that_reads_as_a_request(self) -> None:
        """A body that is a known request, byte for byte, is a body."""

        async def test(port: Port) -> None:
            end, _ = port.connection()
            end.data_received(b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (len(HEAD) + 3))
            end.data_received(HEAD + b"abc")
            await asyncio.sleep(0)
            assert port.fast_path.calls == [[HEAD + b"abc"]]

        self.in_a_loop(test)

    @pytest.mark.parametrize("begun", [b"P", b"U", HEAD[:20], HEAD[:-1]])
    def test_a_request_behind_half_a_head(self, begun: bytes) -> None:
        """A known request that follows half a head is a part of that head."""

        async def test(port: Port) -> None:
            end, _ = port.connection()
            end.data_received(begun)
            end.data_received(HEAD + b"abc")
            await asyncio.sleep(0)
            assert port.fast_path.calls == []

        self.in_a_loop(test)

    def test_a_bug(self) -> None:
        """No client waits for a response that a bug prevents: its connection is aborted."""

        async def test(port: Port) -> None:
            ends = [port.connection() for _ in range(2)]
            for (end, _), text in zip(ends, (b"abc", b"bug"), strict=True):
                end.data_received(HEAD + text)
            await asyncio.sleep(0)
            assert [wire.closing for _, wire in ends] == [True, True]

        self.in_a_loop(test, ["a bug"])
