"""Connections with a fast path: a client sees no difference but the speed."""

import contextlib
import http.client
import random
import re
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.app import build, create_app
from exporter.server import connection, process
from exporter.settings.load import load
from tests.support.deliveries import NOW, Clock, G, body, delivery
from tests.support.paths import SAMPLES
from tests.support.running import PATIENCE, Running, Threaded, running
from tests.support.sockets import answers, drained, fresh

pytestmark = pytest.mark.xdist_group("fast")  # they share an exporter

CLOCK = re.compile(rb"clock, [-:TZ0-9]{20}")
"""The time of an answer, as it tells that an event is ahead of the server's clock."""

PAYLOADS = sorted(path for path in SAMPLES.glob("*/*.json") if not path.stem.endswith(".answer"))


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return an exporter for many requests."""
    with running(tmp_path_factory.mktemp("fast") / "log") as exporter:
        yield exporter


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """Return a connection to an exporter within this process; a test may change its limits before."""
    with (
        Threaded(build().ports[0].service) as (port, _),
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client,
    ):
        yield client


def posted(exporter: Running, text: bytes, **headers: str) -> tuple[int, str | None, bytes]:
    """Post a body; return status, content type and body of the response."""
    client = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=PATIENCE)
    try:
        client.request("POST", "/webhook", text, headers)
        response = client.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()
    finally:
        client.close()


def request(text: bytes, begin: bytes = b"POST /webhook HTTP/1.1\r\nHost: x\r\n") -> bytes:
    """Return the bytes of a request."""
    return b"%bContent-Length: %d\r\n\r\n%b" % (begin, len(text), text)


def response_of(client: socket.socket) -> bytes:
    """Return one response; every JSON body ends with the same two bytes."""
    received = b""
    while not received.endswith(b"}\n"):
        piece = client.recv(1000)
        assert piece, received
        received += piece
    return received


class TestConnection:
    """Connections of a running exporter."""

    @pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
    def test_payloads(self, exporter: Running, path: Path) -> None:
        """Each payload, good or bad, is answered as by the app alone, but for the second of its answer."""
        response = create_app().test_client().post("/webhook", data=path.read_bytes())
        status, content_type, text = posted(exporter, path.read_bytes())
        assert (status, content_type) == (response.status_code, response.content_type)
        if response.status_code != 200:
            assert CLOCK.sub(b"clock", text) == CLOCK.sub(b"clock", response.data)

    def test_pieces(self, exporter: Running) -> None:
        """A body may come in pieces, with or without a length, and may be too large for the fast path."""
        text = fresh("pieces", 3)
        with exporter.connect() as client:
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(text))
            for at in range(0, len(text), 50):
                client.sendall(text[at : at + 50])
            assert b'"new":1' in response_of(client)
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text))
            assert b'"duplicate":1' in response_of(client)
            large = text[:-1] + b" " * 40_000 + b"}"
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(large), large))
            assert b'"duplicate":1' in response_of(client)

    def test_pipeline(self, exporter: Running) -> None:
        """Pipelined requests, for the fast path and for the app, are answered in their order."""
        texts = [fresh("pipeline", 1), b"{", fresh("pipeline", 2), b"[]", fresh("pipeline", 3)]
        requests = [b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(t), t) for t in texts]
        with exporter.connect() as client, client.makefile("rb") as reader:
            client.sendall(b"".join(requests))
            statuses = []
            for _ in texts:
                status = reader.readline().split()[1]
                length = 0
                while (line := reader.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length"):
                        length = int(line.split(b":")[1])
                reader.read(length)
                statuses.append(status)
        assert statuses == [b"200", b"400", b"200", b"200", b"200"]

    @pytest.mark.parametrize(
        "head",
        [
            b"POST /webhook HTTP/1.0\r\nContent-Length: %d\r\n\r\n",
            b"POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
        ],
    )
    def test_a_connection_that_is_to_end(self, exporter: Running, head: bytes) -> None:
        """The connection ends after the response where the client asks for it."""
        text = fresh("end", 1)
        with exporter.connect() as client:
            client.sendall(head % len(text) + text)
            response = drained(client)
        assert response.startswith(b"HTTP/1.1 200 OK\r\n")
        assert response.endswith(b'{"received":1,"outcomes":{"new":1}}\n')

    def test_a_client_that_waits_for_100_continue(self, exporter: Running) -> None:
        """A client that waits for 100 Continue gets it, and then the response."""
        text = fresh("expect", 1)
        with exporter.connect() as client:
            client.sendall(
                b"POST /webhook HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(text)
            )
            assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
            client.sendall(text)
            assert b'"new":1' in response_of(client)

    def test_a_stop_in_the_middle_of_a_body(self, tmp_path: Path) -> None:
        """A request under way is answered, though its body is complete only after SIGTERM."""
        text = fresh("stop", 1)
        with running(tmp_path / "log") as exporter, exporter.connect() as client:
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(text))
            client.sendall(text[:100])
            exporter.get("/-/healthy")
            exporter.process.send_signal(signal.SIGTERM)
            client.sendall(text[100:])
            assert b'"new":1' in response_of(client)
            assert exporter.process.wait(PATIENCE) == 0

    def test_a_client_that_ends_its_side(self, exporter: Running) -> None:
        """A client that sends no more gets its response, also when the head of its request is known."""
        for n in range(3):
            with exporter.connect() as client:
                client.sendall(request(fresh("half", n)))
                client.shutdown(socket.SHUT_WR)
                assert drained(client).endswith(b":1}}\n")

    def test_behind_a_request_for_the_app(self, exporter: Running) -> None:
        """An event is answered after the array that was sent before it."""
        many = b"[" + b",".join([fresh("many")] * 2000) + b"]"
        with exporter.connect() as client:
            answers(client, request(fresh("behind")))
            client.sendall(request(many))
            time.sleep(0.02)
            both = answers(client, request(fresh("behind")), 2)
        assert [text.partition(b",")[0] for _, _, text in both] == [b'{"received":2000', b'{"received":1']

    def test_very_many_pieces(self, exporter: Running) -> None:
        """A body in very many pieces takes little processor time."""
        text = fresh("chunks")[:-1] + b" " * 30_000 + b"}"
        chunks = b"".join([b"1\r\n%c\r\n" % byte for byte in text]) + b"0\r\n\r\n"
        before = exporter.processor_seconds()
        with exporter.connect() as client:
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
            assert b'"new":1' in response_of(client)
        assert exporter.processor_seconds() - before < 2


class TestIdle:
    """Connections between two requests."""

    @pytest.fixture
    def _short_requests(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 0.4)

    @pytest.fixture
    def _short_idling(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(process, "KEEP_ALIVE", 2)

    @pytest.mark.usefixtures("_short_requests")
    def test_after_a_response(self, client: socket.socket) -> None:
        """A connection may idle for longer than a request may take, but a blank line begins a request."""
        once = request(fresh("rest", 1))
        client.sendall(once)
        assert b'"new":1' in response_of(client)
        time.sleep(1)
        client.sendall(once)
        assert b'"duplicate":1' in response_of(client)
        client.sendall(b"\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1000) == b""

    @pytest.mark.usefixtures("_short_requests")
    def test_after_blank_lines(self, client: socket.socket) -> None:
        """A request with a known head ends the wait that a blank line began, and the connection may idle."""
        client.sendall(request(fresh("blank")))
        response_of(client)
        client.sendall(b"\r\n")
        time.sleep(0.1)
        client.sendall(request(fresh("blank")))
        response_of(client)
        time.sleep(1)
        client.sendall(request(fresh("blank")))
        response_of(client)
        with socket.create_connection(client.getpeername(), timeout=PATIENCE) as another:
            for _ in range(2):  # the head of the first request is known already
                another.sendall(request(fresh("blank")))
                response_of(another)
                time.sleep(1)

    @pytest.mark.usefixtures("_short_idling")
    def test_the_end(self, client: socket.socket) -> None:
        """A connection is closed when it has idled for KEEP_ALIVE since the last response."""
        for n in range(4):
            client.sendall(request(fresh("rest", n)))
            assert b'"new":1' in response_of(client)
            time.sleep(0.6)
        began = time.monotonic()
        assert client.recv(1000) == b""
        assert time.monotonic() - began < 20


def exchanged(port: int, pieces: list[tuple[bytes, int]], number: int) -> list[tuple[int, bytes]]:
    """Send pieces over one connection, one after the other; return status and body of that many responses.

    With each piece comes the number of requests that are whole after it: the server limits how many may wait.
    """
    read: list[tuple[int, bytes]] = []
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client, client.makefile("rb") as reader:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def read_to(number: int) -> None:
            while len(read) < number:
                line = reader.readline()
                headers = http.client.parse_headers(reader)
                read.append((int(line.split()[1]), reader.read(int(headers["Content-Length"]))))

        for piece, whole in pieces:
            read_to(whole - connection.MAX_PIPELINE)
            client.sendall(piece)
            time.sleep(0.002)
        read_to(number)
    return read


def test_a_bug(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A bug in the fast path is logged with its traceback, and closes the connection: the request was good HTTP."""

    def respond(_: object) -> None:
        raise ZeroDivisionError("a bug")

    service = build().ports[0].service
    monkeypatch.setattr(service.fast_path, "respond", respond)
    with Threaded(service) as (port, _):
        for behind in (b"", b" " * connection.PIECE):  # in the event-loop iteration in which it came, or in a later one
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
                client.sendall(request(behind + fresh()))
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1) == b""
    assert caplog.text.count("ZeroDivisionError: a bug") == 2
    assert "request refused" not in caplog.text


@pytest.mark.parametrize("seed", range(8))
def test_the_same_with_and_without(seed: int) -> None:
    """Any sequence of requests, in any pieces, is answered the same with and without the fast path."""
    chance = random.Random(seed)
    good = [body(delivery(NOW - 1000 * n, n, generation=G + n, zone=f"zone_{n % 3}")) for n in range(5)]
    texts = [*good, *good, b"{", b"[]", b"[" + good[0] + b"]", good[0].replace(b"1.0", b"true"), good[1] + b" "]
    begins = [b"POST /webhook HTTP/1.1\r\nHost: x\r\n"] * 6 + [
        b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n",
        b"POST /webhook HTTP/1.1\r\nHost: x\r\nX-API-Key: wrong\r\n",
        b"POST /metrics HTTP/1.1\r\nHost: x\r\n",
        b"\r\nPOST /webhook HTTP/1.1\r\nHost: x\r\n",
        b"\r\n\r\nPOST /webhook HTTP/1.1\r\nHost: x\r\n",
        b"PUT /webhook HTTP/1.1\r\nHost: x\r\n",
    ]
    requests = [request(chance.choice(texts), chance.choice(begins)) for _ in range(60)]
    requests = [one.replace(b"x\r\nC", b"x\r\nX-API-Key: right\r\nC") for one in requests]
    pieces: list[tuple[bytes, int]] = []
    for whole, one in enumerate(requests):
        cuts = sorted({0, len(one), *(chance.choices(range(1, len(one)), k=chance.choice((0, 0, 0, 1, 2))))})
        pieces += [(one[a:b], whole + (b == len(one))) for a, b in pairwise(cuts)]
        if chance.random() < 0.3 and len(pieces) > 1:  # two in one piece
            last = pieces.pop()
            pieces[-1] = (pieces[-1][0] + last[0], last[1])
    both = []
    for fast in (True, False):
        service = build(load({"webhook_api_keys": "right"}, {}), Clock()).ports[0].service
        with Threaded(service if fast else replace(service, fast_path=None)) as (port, _):
            both.append(exchanged(port, pieces, len(requests)))
    assert both[0] == both[1]
    assert {status for status, _ in both[0]} >= {200, 400, 401}
