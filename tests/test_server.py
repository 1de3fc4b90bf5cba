"""The serving process under stalled senders, stalled readers and signals."""

import asyncio
import contextlib
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from http.client import parse_headers
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest
import uvicorn

from exporter import connection as connection_module
from exporter import server
from exporter.gateway import Gateway
from exporter.server import bind
from tests.deliveries import body, delivery, payload
from tests.running import Running, running, wait_for


def fresh(zone: str = "zone_a", v: float = 1.0) -> bytes:
    """Return an event of now."""
    return body(delivery(int(time.time() * 1000), v, zone=zone, id=f"event_{time.time_ns()}"))


def answers(connection: socket.socket, text: bytes, number: int = 1) -> list[tuple[int, str | None, bytes]]:
    """Send bytes; return status, content type and body of that many answers."""
    connection.sendall(text)
    told = []
    with connection.makefile("rb") as reader:
        for _ in range(number):
            status = int(reader.readline().split()[1])
            headers = parse_headers(reader)
            told.append((status, headers["Content-Type"], reader.read(int(headers["Content-Length"]))))
    return told


def drained(connection: socket.socket) -> bytes:
    """Return everything that comes until the other side ends the connection, one way or the other."""
    answer = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            answer += piece
    return bytes(answer)


def many_zones(first: int, last: int) -> Iterator[bytes]:
    """Return an event for each of many zones with long names."""
    names = dict.fromkeys(("site_name", "building_name", "floor_name", "room_name", "zone_name"), "n" * 1000)
    for n in range(first, last):
        event = payload(delivery(int(time.time() * 1000), n))
        yield json.dumps(event | {"metadata": names | {"zone_id": f"zone_{n}"}}).encode()


def silent_reader(port: int, path: str) -> socket.socket:
    """Ask for something and do not read the answer."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", port))
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return reader


class TestStalled:
    """Who stands still holds up nobody."""

    def test_200_senders_and_20_readers(self, tmp_path: Path) -> None:
        """Good events within a second, scrapes within two, while 220 connections stand still."""
        with running(tmp_path / "log") as exporter:
            for start in range(0, 500, 100):
                exporter.post(b"[" + b",".join(many_zones(start, start + 100)) + b"]")
            # More than the kernel takes from a writer whose reader does not read (3 MB were seen).
            assert len(exporter.get("/metrics")) > 6_000_000
            stalled = []
            for n in range(200):
                connection = exporter.connect()
                framing = b"Transfer-Encoding: chunked\r\n\r\n400\r\n" if n % 2 else b"Content-Length: 1000\r\n\r\n"
                connection.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\n" + framing + b'{"id": "half')
                stalled.append(connection)
            stalled += [silent_reader(exporter.port, "/metrics") for _ in range(20)]
            for n in range(20):
                began = time.monotonic()
                assert json.loads(exporter.post(fresh(f"good_{n}")))["outcomes"] == {"new": 1}
                assert time.monotonic() - began < 1.0
            for _ in range(3):
                began = time.monotonic()
                assert b'zone_id="good_19"' in exporter.get("/metrics")
                assert time.monotonic() - began < 2.0
            # Nobody was cut off to make that possible: each still waits for the other side.
            for connection in stalled[:200]:
                connection.setblocking(False)
                with pytest.raises(BlockingIOError):
                    connection.recv(1)
            assert exporter.stop() == 0
            for connection in stalled:
                connection.close()

    def test_what_stands_still_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection without a request, half a head, half a body, an answer not read: each ends in time."""
        monkeypatch.setattr(connection_module, "REQUEST_TIMEOUT", 0.3)
        monkeypatch.setattr(connection_module, "WRITE_TIMEOUT", 0.3)
        monkeypatch.setattr(server, "KEEP_ALIVE", 1)

        def sized(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            size = int(environ["PATH_INFO"][1:])
            start_response("200 OK", [("Content-Length", str(size))])
            return [b"x" * size]

        whole = b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
        with Threaded(sized) as (port, running_server):
            for text in (
                b"",
                b"GET / HT",
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
            ):
                for before in (b"", whole):
                    with socket.create_connection(("127.0.0.1", port), timeout=5) as sender:
                        if before:
                            assert answers(sender, before) == [(200, None, b"x")]
                        sender.sendall(text)
                        assert drained(sender) == b""
            # Some of these sizes leave the server a rest that is small, some a large one, some none.
            readers = [silent_reader(port, f"/{size}") for size in range(2 << 20, 4 << 20, 1 << 15)]
            wait_for(lambda: running_server.server_state.connections, "the connections", 10)
            wait_for(lambda: not running_server.server_state.connections, "the readers to be cut off", 10)
            for reader in readers:
                reader.close()


class Threaded:
    """A server in a thread, without the process around it."""

    def __init__(self, wsgi: Any) -> None:
        """Take the app to serve."""
        self._wsgi = wsgi

    def __enter__(self) -> tuple[int, uvicorn.Server]:
        """Start; return the port and the server."""
        self._listener = bind("127.0.0.1", 0)
        port: int = self._listener.getsockname()[1]
        self._server = server.configure(self._wsgi, max_body=1000)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._server.serve(sockets=[self._listener])))
        self._thread.start()
        wait_for(lambda: self._server.started, "the server to start")
        return port, self._server

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return one exporter for many requests, with a small max_body."""
    with running(tmp_path_factory.mktemp("raw") / "log", "--max-body=4KiB") as exporter:
        yield exporter


class TestRawRequests:
    """What no client library would send."""

    @pytest.mark.parametrize(
        ("text", "status"),
        [
            (b"GARBAGE\r\n\r\n", 400),
            (b"GET http://host HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
            (b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
            (b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n" + b" " * 5000, 413),
            (b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 4097\r\n\r\n[]" + b" " * 4095, 413),
            (b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\n\r\n[]" + b" " * 4094, 200),
            (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 400_000, 431),
            (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 70_000, 431),
            (b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1400\r\n" + b" " * 5120, 413),
            (b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n", 200),
            (b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 400),
            (b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain;version=abc\r\n\r\n", 200),
            (b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            (b"GET //evil HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            (b"GET /metrics?name[]=%ff&%00=%zz HTTP/1.0\r\n\r\n", 200),
            (b"BREW /webhook HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"PUT /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 405),
            (b"GET / HTTP/1.1\r\nHost: \xff<script>\r\n\r\n", 200),
        ],
    )
    def test_status(self, exporter: Running, text: bytes, status: int) -> None:
        """Every answer but a good one is a problem; the next request is served as if nothing had been."""
        with exporter.connect() as connection:
            ((answered, content_type, told),) = answers(connection, text)
        assert answered == status
        if status != 200:
            assert content_type == "application/problem+json"
            assert json.loads(told)["status"] == status
        assert json.loads(exporter.post(b"[]"))["received"] == 0

    def test_keep_alive_and_pipelining(self, exporter: Running) -> None:
        """One connection, several requests, answers in order."""
        event = fresh()
        one = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(event), event)
        with exporter.connect() as connection:
            for outcome in ("new", "duplicate"):
                ((_, _, told),) = answers(connection, one)
                assert json.loads(told)["outcomes"] == {outcome: 1}
            scrape = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
            four = answers(connection, scrape + one + scrape + one, 4)
            assert [b"healthy" in told for _, _, told in four] == [True, False, True, False]


class TestUpgrade:
    """An offer of another protocol is ignored; it must neither lose a body nor make a request of one."""

    @pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
    def test_the_body_is_the_body(self, exporter: Running, protocol: bytes) -> None:
        """Whether it comes with the head or after it."""
        inner = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]"
        head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nCONNECTION: UPGRADE\r\nuPGRADE: %s\r\nContent-Length: %d\r\n\r\n"
        event = fresh(v=3)
        with exporter.connect() as connection:
            ((status, _, told),) = answers(connection, head % (protocol, len(event)) + event)
            assert (status, json.loads(told)["received"]) == (200, 1)
            connection.sendall(head % (protocol, len(inner)))
            time.sleep(0.1)
            ((status, _, _),) = answers(connection, inner)
            assert status == 400
            ((status, _, told),) = answers(connection, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (status, told) == (200, b"butlr-exporter is healthy.\n")

    def test_an_offer_in_pieces_ends_the_connection(self, exporter: Running) -> None:
        """It is not recognised on the way in, and nothing after it is taken for a request."""
        with exporter.connect() as connection:
            connection.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUp")
            time.sleep(0.1)
            connection.sendall(b"grade: h2c\r\nContent-Length: 2\r\n\r\n[]")
            assert drained(connection) == b""


class TestLeaving:
    """Who leaves before the answer is no trouble, also with more requests waiting."""

    def test_a_client_that_leaves_pipelined_requests(self, tmp_path: Path) -> None:
        """No traceback, and the next is served; `running` checks the log."""
        with running(tmp_path / "log") as exporter:
            exporter.post(b"[" + b",".join(many_zones(0, 100)) + b"]")
            with exporter.connect() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
                time.sleep(0.5)
            assert b"healthy" in exporter.get("/-/healthy")
            with exporter.connect() as connection:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
                time.sleep(0.5)
                assert exporter.stop() == 0
            assert "level=error" not in exporter.log()


class TestSignals:
    """Only a stop ends the process, and then in good order."""

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_stop(self, tmp_path: Path, number: signal.Signals) -> None:
        """The request under way is answered, an idle connection does not delay it, the status is 0."""
        with running(tmp_path / "log") as exporter:
            event = fresh()
            idle, slow = exporter.connect(), exporter.connect()
            slow.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(event) + event[:50])
            exporter.get("/-/healthy")
            exporter.process.send_signal(number)
            time.sleep(0.3)  # the process is now stopping, and waits
            slow.sendall(event[50:])
            assert slow.recv(1000).startswith(b"HTTP/1.1 200 OK")
            assert exporter.process.wait(5) == 0
            *_, appeared, stopped = exporter.log().splitlines()
            assert 'msg="zone appeared" zone_id=zone_a' in appeared  # also if the process stops at once
            assert "msg=stopped" in stopped
            idle.close()
            slow.close()

    def test_other_signals_keep_the_state(self, tmp_path: Path) -> None:
        """SIGHUP would by default end a process, and with it every count."""
        with running(tmp_path / "log") as exporter:
            exporter.post(fresh(v=7))
            for number in server.IGNORED_SIGNALS:
                exporter.process.send_signal(number)
            wait_for(lambda: exporter.log().count("signal ignored") == 3, "the signals")
            assert b"} 7.0" in exporter.get("/metrics?name[]=butlr_zone_occupancy")

    def test_log_of_a_quiet_run(self, tmp_path: Path) -> None:
        """A start with the settings, a zone, a refusal, a stop; nothing else."""
        with running(tmp_path / "log") as exporter:
            for _ in range(50):
                exporter.post(fresh())
            with pytest.raises(OSError, match="422"):
                exporter.post(b"{}")
            wait_for(lambda: "zone appeared" in exporter.log(), "the zone in the log")
            assert exporter.stop() == 0
            lines = exporter.log().splitlines()
        assert [
            line.split("msg=")[1].split(" version")[0].split(" outcome")[0].split(" zone_id")[0] for line in lines
        ] == [
            "started",
            '"event refused"',
            '"zone appeared"',
            "stopping signal=SIGTERM",
            "stopped",
        ]
        assert "stale_after=10m" in lines[0]


class TestParts:
    """What a running process does not show."""

    def test_bind_takes_ipv6_and_every_interface(self) -> None:
        """An empty host is both families."""
        for host, family in [("127.0.0.1", socket.AF_INET), ("", socket.AF_INET6), ("::1", socket.AF_INET6)]:
            try:
                with bind(host, 0) as listener:
                    assert listener.family == family
            except OSError:
                assert family == socket.AF_INET6, "IPv4 must work"

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

    def test_a_watch_that_fails_is_logged_and_goes_on(self, caplog: pytest.LogCaptureFixture) -> None:
        """It does not end the process."""
        looks = []

        def look() -> None:
            looks.append(1)
            if len(looks) == 1:
                raise RuntimeError("once")

        async def some() -> None:
            task = asyncio.create_task(server.every(0.01, look))
            while len(looks) < 2:
                await asyncio.sleep(0.01)
            task.cancel()

        asyncio.run(some())
        assert [record.getMessage() for record in caplog.records] == ["watch failed"]

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
