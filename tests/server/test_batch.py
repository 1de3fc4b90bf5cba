"""The short way of a port: what is known of heads, and who is answered when."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
import uvicorn

from exporter.server.batch import MAX_HEAD, MAX_HEADS, Batch
from exporter.server.connections import ConnectionLimit
from exporter.server.fast import FastConnection


class Echo:
    """A lane for POST /w that answers with the body, but leaves what begins with - to the app."""

    path, max_body = b"/w", 100

    def __init__(self) -> None:
        self.calls: list[list[bytes]] = []

    def accepts(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Take it."""
        return bool(headers)

    def respond(self, bodies: Sequence[bytes]) -> list[bytes | None]:
        """Answer."""
        self.calls.append([*bodies])
        if b"bug" in bodies:
            raise ValueError("a bug")
        return [None if body.startswith(b"-") else b"\r\n" + body for body in bodies]


HEAD = b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"


class TestHeads:
    """What is known of them."""

    def test_the_same_bytes(self) -> None:
        """And only these, with a body of that length."""
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
    def test_what_is_not_learnt(self, data: bytes) -> None:
        """What might not be the head, or is too long."""
        batch = Batch(Echo())
        batch.remember_head(data, 3)
        end = data.find(b"\r\n\r\n") + 4
        assert batch.body_of(data[:end] + b"abc") is None

    def test_there_is_an_end(self) -> None:
        """Who sends ever new ones makes all be forgotten."""
        batch = Batch(Echo())
        heads = [HEAD.replace(b"x", b"%d" % n) for n in range(MAX_HEADS + 1)]
        for n, head in enumerate(heads):
            batch.remember_head(head, 3)
            assert batch.body_of(head + b"abc") == b"abc"
            assert (batch.body_of(heads[0] + b"abc") is None) is (n == MAX_HEADS)


def test_headers_of_every_answer() -> None:
    """They change, with the time."""
    batch = Batch(Echo())
    for date in (b"Mon", b"Tue"):
        headers = [(b"date", date), (b"a", b"b")]
        for _ in range(2):
            assert batch.response(b"\r\nx", headers) == b"HTTP/1.1 200 OK\r\ndate: %b\r\na: b\r\n\r\nx" % date


class Wire(asyncio.Transport):
    """The other side of a connection: what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closing = False

    def write(self, data: Any) -> None:
        """Keep it, but for the headers."""
        assert not self.closing
        self.written.append(bytes(data).rpartition(b"\r\n")[2])

    def is_closing(self) -> bool:
        """Tell whether nothing more may be written."""
        return self.closing

    def close(self) -> None:
        """Write nothing more."""
        self.closing = True

    abort = close

    def pause_reading(self) -> None:
        """Let the other side wait."""

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Have none."""


class App:
    """Answers ok when it may, and keeps what it was sent."""

    def __init__(self, saw: list[bytes], may: asyncio.Event) -> None:
        self._saw = saw
        self._may = may

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        assert scope["path"] == "/w"
        self._saw.append((await receive())["body"])
        await self._may.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def malformed(self) -> None:
        """Count nothing."""


class Port:
    """Connections of one port, in a loop, to an app that is not there."""

    def __init__(self) -> None:
        self.fast_path = Echo()
        self._batch = Batch(self.fast_path)
        self._batch.remember_head(HEAD, 3)
        self.app_saw: list[bytes] = []
        self.app_may = asyncio.Event()
        self._config = uvicorn.Config(
            App(self.app_saw, self.app_may), lifespan="off", interface="asgi3", log_config=None, proxy_headers=False
        )
        self._config.load()

    def connection(self) -> tuple[FastConnection, Wire]:
        """Return one that was just made."""
        made, wire = FastConnection(self._batch, self._config, ConnectionLimit(10)), Wire()
        made.connection_made(wire)
        return made, wire


class TestTurn:
    """Requests that come in one turn of the loop."""

    def in_a_loop(self, test: Callable[[Port], Awaitable[None]], bugs: Sequence[object] = ()) -> None:
        """Run a test with a port."""
        failed: list[object] = []

        async def run() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))
            await test(Port())

        asyncio.run(run())
        assert list(map(str, failed)) == [*bugs]

    def test_they_are_answered_together(self) -> None:
        """At its end, in their order."""

        async def test(port: Port) -> None:
            ends = [port.connection() for _ in range(3)]
            for n, (end, _) in enumerate(ends):
                end.data_received(HEAD + b"ab%d" % n)
            assert [wire.written for _, wire in ends] == [[], [], []]
            await asyncio.sleep(0)
            assert [wire.written for _, wire in ends] == [[b"ab0"], [b"ab1"], [b"ab2"]]
            assert port.fast_path.calls == [[b"ab0", b"ab1", b"ab2"]]

        self.in_a_loop(test)

    @pytest.mark.parametrize("what", ["eof_received", "shutdown"])
    def test_the_connection_ends(self, what: str) -> None:
        """It is answered before."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            end.data_received(HEAD + b"abc")
            getattr(end, what)()
            assert wire.written == [b"abc"]

        self.in_a_loop(test)

    def test_the_connection_is_lost(self) -> None:
        """What came counts, and nothing is written."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            end.data_received(HEAD + b"abc")
            wire.close()
            end.connection_lost(None)
            await asyncio.sleep(0)
            assert port.fast_path.calls == [[b"abc"]]

        self.in_a_loop(test)

    def test_another_on_the_same_connection(self) -> None:
        """The first is answered first."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            end.data_received(HEAD + b"abc")
            end.data_received(HEAD + b"def")
            assert wire.written == [b"abc"]
            await asyncio.sleep(0)
            assert wire.written == [b"abc", b"def"]

        self.in_a_loop(test)

    def test_what_is_left_to_the_app(self) -> None:
        """Comes to it whole, and the lane is not asked again."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            port.app_may.set()
            end.data_received(HEAD + b"-bc")
            await asyncio.sleep(0.01)
            assert port.app_saw == [b"-bc"]
            assert port.fast_path.calls == [[b"-bc"]]
            assert b"ok" in b"".join(wire.written)

        self.in_a_loop(test)

    def test_behind_what_the_app_has(self) -> None:
        """Nothing is answered before that is."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            end.data_received(HEAD + b"-bc")
            await asyncio.sleep(0.01)
            end.data_received(HEAD + b"abc")
            await asyncio.sleep(0.01)
            assert wire.written == []
            port.app_may.set()
            await asyncio.sleep(0.01)
            assert port.app_saw == [b"-bc", b"abc"]
            assert b"".join(wire.written).count(b"ok") == 2

        self.in_a_loop(test)

    def test_nobody_reads_the_answers(self) -> None:
        """No more of them are written."""

        async def test(port: Port) -> None:
            end, _ = port.connection()
            port.app_may.set()
            end.pause_writing()
            end.data_received(HEAD + b"abc")
            await asyncio.sleep(0.01)
            assert port.fast_path.calls == []
            end.resume_writing()
            await asyncio.sleep(0.01)
            assert port.app_saw == [b"abc"]

        self.in_a_loop(test)

    def test_stopped_in_the_middle_of_a_body(self) -> None:
        """What comes then is answered still."""

        async def test(port: Port) -> None:
            end, wire = port.connection()
            port.app_may.set()
            end.data_received(HEAD + b"a")
            end.shutdown()
            assert not wire.closing
            end.data_received(b"bc")
            await asyncio.sleep(0.01)
            assert port.app_saw == [b"abc"]
            assert b"ok" in b"".join(wire.written)

        self.in_a_loop(test)

    def test_a_body_that_reads_as_a_request(self) -> None:
        """Is a body."""

        async def test(port: Port) -> None:
            end, _ = port.connection()
            end.data_received(b"POST /w HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (len(HEAD) + 3))
            end.data_received(HEAD + b"abc")
            await asyncio.sleep(0)
            assert port.fast_path.calls == [[HEAD + b"abc"]]

        self.in_a_loop(test)

    @pytest.mark.parametrize("begun", [b"P", b"U", HEAD[:20], HEAD[:-1]])
    def test_behind_half_a_head(self, begun: bytes) -> None:
        """Nothing is a request."""

        async def test(port: Port) -> None:
            end, _ = port.connection()
            end.data_received(begun)
            end.data_received(HEAD + b"abc")
            await asyncio.sleep(0)
            assert port.fast_path.calls == []

        self.in_a_loop(test)

    def test_a_bug(self) -> None:
        """Nobody waits for an answer that does not come."""

        async def test(port: Port) -> None:
            ends = [port.connection() for _ in range(2)]
            for (end, _), text in zip(ends, (b"abc", b"bug"), strict=True):
                end.data_received(HEAD + text)
            await asyncio.sleep(0)
            assert [wire.closing for _, wire in ends] == [True, True]

        self.in_a_loop(test, ["a bug"])
