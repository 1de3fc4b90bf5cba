"""Connections with a short way: nothing is answered otherwise than without one."""

import contextlib
import http.client
import random
import signal
import socket
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.app import EXTENSION, create_app
from exporter.server import connection
from exporter.server import process as server
from exporter.settings.load import load
from tests.support.deliveries import NOW, Clock, G, body, delivery
from tests.support.paths import SAMPLES
from tests.support.running import Running, Threaded, running
from tests.support.sockets import answers, drained, fresh

PAYLOADS = sorted(path for path in SAMPLES.glob("*/*.json") if not path.stem.endswith(".answer"))


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return one that runs."""
    with running(tmp_path_factory.mktemp("lane") / "log") as exporter:
        yield exporter


def posted(exporter: Running, text: bytes, **headers: str) -> tuple[int, str | None, bytes]:
    """Post; return status, content type and body of the answer."""
    client = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=10)
    try:
        client.request("POST", "/webhook", text, headers)
        response = client.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()
    finally:
        client.close()


def answer(client: socket.socket) -> bytes:
    """Return one answer, which ends as all do that are JSON."""
    told = b""
    while not told.endswith(b"}\n"):
        piece = client.recv(1000)
        assert piece, told
        told += piece
    return told


class TestConnection:
    """Of a running exporter."""

    @pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
    def test_payloads(self, exporter: Running, path: Path) -> None:
        """Good and bad, each is answered as it is without the short way."""
        response = create_app().test_client().post("/webhook", data=path.read_bytes())
        told = posted(exporter, path.read_bytes())
        assert told[:2] == (response.status_code, response.content_type)
        if response.status_code != 200:
            assert told[2] == response.data

    def test_pieces(self, exporter: Running) -> None:
        """A body that comes bit by bit, with and without a length, and one too long for the short way."""
        text = fresh("pieces", 3)
        with exporter.connect() as client:
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(text))
            for at in range(0, len(text), 50):
                client.sendall(text[at : at + 50])
            assert b'"new":1' in answer(client)
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(text), text))
            assert b'"duplicate":1' in answer(client)
            long = text[:-1] + b" " * 40_000 + b"}"
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(long), long))
            assert b'"duplicate":1' in answer(client)

    def test_pipeline(self, exporter: Running) -> None:
        """Short and long ones are answered in their order."""
        texts = [fresh("pipeline", 1), b"{", fresh("pipeline", 2), b"[]", fresh("pipeline", 3)]
        requests = [b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(t), t) for t in texts]
        with exporter.connect() as client, client.makefile("rb") as answers:
            client.sendall(b"".join(requests))
            told = []
            for _ in texts:
                status = answers.readline().split()[1]
                length = 0
                while (line := answers.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length"):
                        length = int(line.split(b":")[1])
                answers.read(length)
                told.append(status)
        assert told == [b"200", b"400", b"200", b"200", b"200"]

    @pytest.mark.parametrize(
        "head",
        [
            b"POST /webhook HTTP/1.0\r\nContent-Length: %d\r\n\r\n",
            b"POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
        ],
    )
    def test_a_connection_that_is_to_end(self, exporter: Running, head: bytes) -> None:
        """Ends."""
        text = fresh("end", 1)
        with exporter.connect() as client:
            client.sendall(head % len(text) + text)
            told = b"".join(iter(lambda: client.recv(1000), b""))
        assert told.startswith(b"HTTP/1.1 200 OK\r\n")
        assert told.endswith(b'{"received":1,"outcomes":{"new":1}}\n')

    def test_who_waits_to_be_asked(self, exporter: Running) -> None:
        """For the body."""
        text = fresh("expect", 1)
        with exporter.connect() as client:
            client.sendall(
                b"POST /webhook HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(text)
            )
            assert client.recv(1000).startswith(b"HTTP/1.1 100 ")
            client.sendall(text)
            assert b'"new":1' in answer(client)

    def test_after_an_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection may rest for longer than a request may take; but blank lines are no rest."""
        monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 0.4)
        app = create_app()
        with Threaded(app.wsgi_app, fast_path=app.extensions[EXTENSION].fast) as (port, _):
            text = fresh("rest", 1)
            request = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(request)
                assert b'"new":1' in answer(client)
                time.sleep(1)
                client.sendall(request)
                assert b'"duplicate":1' in answer(client)
                client.sendall(b"\r\n")
                with contextlib.suppress(ConnectionResetError):
                    assert client.recv(1000) == b""

    def test_it_is_told_to_stop_in_the_middle_of_a_body(self, tmp_path: Path) -> None:
        """What comes then is still answered."""
        text = fresh("stop", 1)
        with running(tmp_path / "log") as exporter, exporter.connect() as client:
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(text))
            client.sendall(text[:100])
            exporter.get("/-/healthy")
            exporter.process.send_signal(signal.SIGTERM)
            client.sendall(text[100:])
            assert b'"new":1' in answer(client)
            assert exporter.process.wait(5) == 0

    def test_who_ends_its_side(self, exporter: Running) -> None:
        """Is answered what came whole, with a head that is known too."""
        for n in range(3):
            with exporter.connect() as client:
                client.sendall(request(fresh("half", n)))
                client.shutdown(socket.SHUT_WR)
                assert drained(client).endswith(b":1}}\n")

    def test_after_blank_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request with a head that is known is one as well, and the connection may rest."""
        monkeypatch.setattr(connection, "REQUEST_TIMEOUT", 0.5)
        app = create_app()
        with (
            Threaded(app.wsgi_app, fast_path=app.extensions[EXTENSION].fast) as (port, _),
            socket.create_connection(("127.0.0.1", port), timeout=5) as client,
        ):
            client.sendall(request(fresh("blank")))
            answer(client)
            client.sendall(b"\r\n")
            time.sleep(0.1)
            client.sendall(request(fresh("blank")))
            answer(client)
            time.sleep(1)
            client.sendall(request(fresh("blank")))
            answer(client)
            with socket.create_connection(("127.0.0.1", port), timeout=5) as another:
                for _ in range(2):  # the first is of a kind that is known here as well
                    another.sendall(request(fresh("blank")))
                    answer(another)
                    time.sleep(1)

    def test_behind_a_long_one(self, exporter: Running) -> None:
        """A short one is answered after what was asked before it."""
        many = b"[" + b",".join([fresh("many")] * 2000) + b"]"
        with exporter.connect() as client:
            answers(client, request(fresh("behind")))
            client.sendall(request(many))
            time.sleep(0.02)
            both = answers(client, request(fresh("behind")), 2)
        assert [text.partition(b",")[0] for _, _, text in both] == [b'{"received":2000', b'{"received":1']

    def test_very_many_pieces(self, exporter: Running) -> None:
        """Of a body hold up nobody."""
        text = fresh("chunks")[:-1] + b" " * 30_000 + b"}"
        chunks = b"".join([b"1\r\n%c\r\n" % byte for byte in text]) + b"0\r\n\r\n"
        began = time.monotonic()
        with exporter.connect() as client:
            client.sendall(b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
            assert b'"new":1' in answer(client)
        assert time.monotonic() - began < 3

    def test_rest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection may rest so long after the last answer, whichever way that went; no longer."""
        monkeypatch.setattr(server, "KEEP_ALIVE", 1)
        app = create_app()
        with (
            Threaded(app.wsgi_app, fast_path=app.extensions[EXTENSION].fast) as (port, _),
            socket.create_connection(("127.0.0.1", port), timeout=5) as client,
        ):
            for n in range(4):
                client.sendall(request(fresh("rest", n)))
                assert b'"new":1' in answer(client)
                time.sleep(0.6)
            began = time.monotonic()
            assert client.recv(1000) == b""
            assert time.monotonic() - began < 1


def request(text: bytes, begin: bytes = b"POST /webhook HTTP/1.1\r\nHost: x\r\n") -> bytes:
    """Return the bytes of a request."""
    return b"%bContent-Length: %d\r\n\r\n%b" % (begin, len(text), text)


def told(port: int, pieces: list[tuple[bytes, int]], number: int) -> list[tuple[int, bytes]]:
    """Send pieces over one connection, one after the other; return status and body of that many answers.

    With each piece comes how many requests are whole after it: no more may be sent than the server lets wait.
    """
    read: list[tuple[int, bytes]] = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client, client.makefile("rb") as reader:
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


@pytest.mark.parametrize("seed", range(8))
def test_the_same_with_and_without(seed: int) -> None:
    """Whatever is sent, in whatever pieces."""
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
    for short in (True, False):
        app = create_app(load({"webhook_api_keys": "right"}, {}), Clock())
        with Threaded(app.wsgi_app, fast_path=app.extensions[EXTENSION].fast if short else None) as (port, _):
            both.append(told(port, pieces, len(requests)))
    assert both[0] == both[1]
    assert {status for status, _ in both[0]} >= {200, 400, 401}
