"""One connection: clients that stop, requests that are not HTTP, offers of another protocol, clients that leave."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.server import connection as connection_module
from exporter.server import process
from exporter.server.service import Service
from tests.support.running import PATIENCE, Running, Threaded, free_port, running, wait_for
from tests.support.sockets import answers, drained, fresh, many_zones, responses, silent_reader

pytestmark = pytest.mark.xdist_group("connection")  # they share an exporter


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return an exporter for many requests, with a small max_body."""
    with running(tmp_path_factory.mktemp("raw") / "log", "--max-body=4KiB") as exporter:
        yield exporter


class TestDeadlines:
    """Connections that make no progress."""

    def test_a_connection_without_progress_is_aborted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No request, half a head, half a body, a response that is not read: each ends the connection in time."""
        monkeypatch.setattr(connection_module, "REQUEST_TIMEOUT", 0.3)
        monkeypatch.setattr(connection_module, "WRITE_TIMEOUT", 0.3)
        monkeypatch.setattr(process, "KEEP_ALIVE", 1)

        def sized(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            size = int(environ["PATH_INFO"][1:])
            start_response("200 OK", [("Content-Length", str(size))])
            return [b"x" * size]

        whole = b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
        with Threaded(Service(sized, 1000)) as (port, running_server):
            for text in (
                b"",
                b"\r\n",
                b"GET / HT",
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
                b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
            ):
                for before in (b"", whole):
                    with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
                        if before:
                            assert answers(sender, before) == [(200, None, b"x")]
                        sender.sendall(text)
                        assert drained(sender) == b""
            # A connection in use is not aborted, however old it is.
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sender:
                for _ in range(4):
                    assert answers(sender, whole) == [(200, None, b"x")]
                    time.sleep(0.2)
            # Of these sizes, some leave the server a small unsent rest, some a large one, some none.
            readers = [silent_reader(port, f"/{size}") for size in range(2 << 20, 4 << 20, 1 << 15)]
            wait_for(lambda: running_server.server_state.connections, "the connections")
            wait_for(lambda: not running_server.server_state.connections, "the readers to be aborted", 20)
            for reader in readers:
                reader.close()


class TestRawRequests:
    """Requests that no client library would send."""

    @pytest.mark.parametrize(
        ("text", "status"),
        [
            (b"GARBAGE\r\n\r\n", 400),
            (b"GET http://host HTTP/1.1\r\nHost: x\r\n\r\n", 200),
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
            (b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent_Length: abc\r\n\r\n[]", 200),
            (b"\r\n" * 100_000, 431),
            (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431),
            (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 16_377 + b"\r\n\r\n", 200),
            (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 16_378 + b"\r\n\r\n", 431),
            (b"GET /?" + b"x" * 16_000 + b" HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 1000 + b"\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 99 + b"\r\n", 200),
            (b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain;version=abc\r\n\r\n", 200),
            (b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            (b"GET //evil HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            (b"GET //metrics HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            (b"GET // HTTP/1.1\r\nHost: x\r\n\r\n", 404),
            (b"POST ///webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]", 404),
            (
                b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Encoding:\tidentity \t\r\nContent-Length: 2\r\n\r\n[]",
                200,
            ),
            (b"GET /metrics?name[]=%ff&%00=%zz HTTP/1.0\r\n\r\n", 200),
            (b"BREW /webhook HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"PUT /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 405),
            (b"GET / HTTP/1.1\r\nHost: \xff<script>\r\n\r\n", 400),
        ],
    )
    def test_status(self, exporter: Running, text: bytes, status: int) -> None:
        """Every error is a problem with its status, and the next request is served as ever."""
        with exporter.connect() as connection:
            ((actual, content_type, answer),) = answers(connection, text)
        assert actual == status
        if status != 200:
            assert content_type == "application/problem+json"
            assert json.loads(answer)["status"] == status
        assert json.loads(exporter.post(b"[]"))["received"] == 0

    def test_requests_that_are_not_http_are_counted_and_logged(self, tmp_path: Path) -> None:
        """A request that is not HTTP counts as malformed, though the app never sees it; ten a minute are logged."""
        with running(tmp_path / "log") as exporter:
            for text in [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00"] * 7 + [b"\r\n" * 100_000]:
                with exporter.connect() as connection:
                    connection.sendall(text)
                    assert drained(connection)[:11] in (b"HTTP/1.1 40", b"HTTP/1.1 43")
            metrics = exporter.get("/metrics?name[]=butlr_exporter_rejected_requests_total")
            assert b'{reason="malformed"} 15.0' in metrics
            assert exporter.log().count('msg="request refused" status=400') == 10
            assert exporter.log().count('msg="request refused" status=431 reason="at most 100 headers, and 16384') == 1
            assert "listener=listen" in exporter.log().splitlines()[-1]
            assert exporter.log().count("level=warning") == 12  # these, and that there are no credentials

    def test_keep_alive_and_pipelining(self, exporter: Running) -> None:
        """One connection carries several requests, and the responses come in their order."""
        event = fresh()
        one = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(event), event)
        with exporter.connect() as connection:
            for outcome in ("new", "duplicate"):
                ((_, _, answer),) = answers(connection, one)
                assert json.loads(answer)["outcomes"] == {outcome: 1}
            scrape = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
            four = answers(connection, scrape + one + scrape + one, 4)
            assert [b"healthy" in answer for _, _, answer in four] == [True, False, True, False]


class TestUpgrade:
    """Offers of another protocol, which are ignored."""

    @pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
    def test_the_body_is_the_body(self, exporter: Running, protocol: bytes) -> None:
        """An offer neither loses a body nor turns it into a request, whether the body comes with the head or later."""
        inner = b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]"
        head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nCONNECTION: UPGRADE\r\nuPGRADE: %s\r\nContent-Length: %d\r\n\r\n"
        event = fresh(v=3)
        with exporter.connect() as connection:
            ((status, _, answer),) = answers(connection, head % (protocol, len(event)) + event)
            assert (status, json.loads(answer)["received"]) == (200, 1)
            connection.sendall(head % (protocol, len(inner)))
            time.sleep(0.1)
            ((status, _, _),) = answers(connection, inner)
            assert status == 400
            ((status, _, answer),) = answers(connection, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (status, answer) == (200, b"butlr-exporter is healthy.\n")

    @pytest.mark.parametrize("split", range(12))
    def test_an_offer_in_two_reads(self, exporter: Running, split: int) -> None:
        """An offer is ignored wherever the network splits it."""
        before = b"POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        offer = b"Upgrade: h2c\r\nContent-Length: 2\r\n\r\n[]"
        with exporter.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(before + offer[:split])
            time.sleep(0.05)
            ((status, _, answer),) = answers(connection, offer[split:])
            assert (status, json.loads(answer)["received"]) == (200, 0)

    def test_a_tunnel_ends_the_connection(self, exporter: Running) -> None:
        """Bytes after CONNECT are no request: it is refused, and the connection ends."""
        with exporter.connect() as connection:
            connection.sendall(b"CONNECT /x HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert [response.status for response in responses(drained(connection))] == [501]


class TestPipelines:
    """Many requests on one connection at a time."""

    def test_valid_requests_do_not_count_as_one_large_head(self, exporter: Running) -> None:
        """Many requests in one read are accepted, and so is a body with the beginning of the next head."""
        event = fresh()
        head = b"POST /webhook HTTP/1.1\r\nHost: x\r\nX: %s\r\nContent-Length: %d\r\n\r\n"
        one = head % (b"y" * 1500, len(event)) + event
        with exporter.connect() as connection:
            assert [status for status, _, _ in answers(connection, one * 8, 8)] == [200] * 8
        blank = b" " * 4000
        with exporter.connect() as connection:
            many = (head % (b"y", len(blank) + 2) + b"[]" + blank) * 8
            assert len(answers(connection, many + b"GET /-/healthy HT", 8)) == 8
            ((status, _, _),) = answers(connection, b"TP/1.1\r\nHost: x\r\n\r\n")
            assert status == 200

    def test_too_many_at_once(self, exporter: Running) -> None:
        """Requests beyond the limit are refused instead of stored."""
        with exporter.connect() as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
            assert b"400 Bad Request" in drained(connection)


class TestTrailers:
    """Trailers of a chunked body, which are no headers."""

    def test_a_trailer_changes_nothing(self, exporter: Running) -> None:
        """A trailer is ignored, even one with the name of a header."""
        text = b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n"
        with exporter.connect() as connection:
            ((status, _, _),) = answers(connection, text + b"Content_Length: abc\r\n\r\n")
            assert status == 200

        def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            text = environ.get("HTTP_X", "none").encode()
            start_response("200 OK", [("Content-Length", str(len(text)))])
            return [text]

        with (
            Threaded(Service(echo, 1000)) as (port, _),
            socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection,
        ):
            assert answers(connection, text + b"X: trailer\r\n\r\n") == [(200, None, b"none")]

    @pytest.mark.parametrize("trailer", [b"a: b\r\n" * 100_000, b"a: " + b"b" * 600_000])
    def test_endless_trailers(self, exporter: Running, trailer: bytes) -> None:
        """Endless trailers are refused like an endless head."""
        text = b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n"
        with exporter.connect() as connection:
            ((status, _, _),) = answers(connection, text + trailer)
            assert status == 431


class TestLimit:
    """More connections than the limit allows."""

    def test_the_one_served_least_recently_makes_room(self, tmp_path: Path) -> None:
        """With files for 16 connections on each of two ports, one in use stays, and no port takes the other's files."""
        inner = free_port()
        limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]
        with running(tmp_path / "log", f"--metrics-listen=127.0.0.1:{inner}", prefix=limited) as exporter:
            with exporter.connect() as good, contextlib.ExitStack() as stack:
                one = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
                idle: list[socket.socket] = []
                for _ in range(12):
                    assert answers(good, one)[0][0] == 200
                    idle += [stack.enter_context(exporter.connect()) for _ in range(10)]
                    assert answers(idle[-1], one)[0][0] == 200  # so the server has accepted the others
                assert answers(good, one)[0][0] == 200
                # The newest are still open, the oldest are not.
                assert [drained(first) for first in idle[:50]] == [b""] * 50
                assert answers(idle[-1], one)[0][0] == 200
                with socket.create_connection(("127.0.0.1", inner), timeout=PATIENCE) as scrape:
                    assert answers(scrape, one)[0][0] == 200
            assert exporter.get("/-/ready")
            assert 'msg="too many connections" limit=16 aborted=127.0.0.1 listener=listen' in exporter.log()
            assert exporter.log().count("too many connections") == 10


class TestLeaving:
    """Clients that leave before the response."""

    def test_a_client_that_leaves_pipelined_requests(self, tmp_path: Path) -> None:
        """A client may leave with many requests unanswered: no traceback is logged, and the next client is served."""
        with running(tmp_path / "log") as exporter:
            exporter.post(b"[" + b",".join(many_zones(0, 100)) + b"]")
            with exporter.connect() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
                time.sleep(0.5)
            assert b"healthy" in exporter.get("/-/healthy")
            with exporter.connect() as connection:
                connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
                time.sleep(0.5)
                assert exporter.stop() == 0
            assert "level=error" not in exporter.log()
