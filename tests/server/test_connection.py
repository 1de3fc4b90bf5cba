"""One connection: what stands still, what is not HTTP, what offers another protocol, who leaves."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.server import connection as connection_module
from exporter.server import process as server
from tests.support.running import Running, Threaded, free_port, running, wait_for
from tests.support.sockets import answers, drained, fresh, many_zones, silent_reader


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return one exporter for many requests, with a small max_body."""
    with running(tmp_path_factory.mktemp("raw") / "log", "--max-body=4KiB") as exporter:
        yield exporter


class TestDeadlines:
    """Whatever stands still ends in time."""

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
                b"\r\n",
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
            # A connection that is used is not cut off, however old it is.
            with socket.create_connection(("127.0.0.1", port), timeout=5) as sender:
                for _ in range(4):
                    assert answers(sender, whole) == [(200, None, b"x")]
                    time.sleep(0.2)
            # Some of these sizes leave the server a rest that is small, some a large one, some none.
            readers = [silent_reader(port, f"/{size}") for size in range(2 << 20, 4 << 20, 1 << 15)]
            wait_for(lambda: running_server.server_state.connections, "the connections", 10)
            wait_for(lambda: not running_server.server_state.connections, "the readers to be cut off", 10)
            for reader in readers:
                reader.close()


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
            (b"POST /webhook HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent_Length: abc\r\n\r\n[]", 200),
            (b"\r\n" * 100_000, 431),
            (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
            (b"GET / HTTP/1.1\r\nA: " + b"x" * 16_382 + b"\r\n\r\n", 200),
            (b"GET / HTTP/1.1\r\nA: " + b"x" * 16_383 + b"\r\n\r\n", 431),
            (b"GET /?" + b"x" * 16_000 + b" HTTP/1.1\r\nA: " + b"x" * 1000 + b"\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100 + b"\r\n", 200),
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

    def test_what_is_no_http_is_counted_and_logged(self, tmp_path: Path) -> None:
        """Like any malformed request; the app never sees it."""
        with running(tmp_path / "log") as exporter:
            for text in [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00"] * 7 + [b"\r\n" * 100_000]:
                with exporter.connect() as connection:
                    connection.sendall(text)
                    assert drained(connection)[:11] in (b"HTTP/1.1 40", b"HTTP/1.1 43")
            told = exporter.get("/metrics?name[]=butlr_exporter_rejected_requests_total")
            assert b'{reason="malformed"} 15.0' in told
            assert exporter.log().count('msg="request refused" status=400') == 10  # of which a minute has ten
            assert exporter.log().count('msg="request refused" status=431 reason="at most 100 headers, and 16384') == 1
            assert exporter.log().count("level=warning") == 12  # no credentials, these, and nothing of the server's own

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

    @pytest.mark.parametrize("split", range(12))
    def test_an_offer_in_two_reads(self, exporter: Running, split: int) -> None:
        """Wherever the network cuts it."""
        before = b"POST /webhook HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        offer = b"Upgrade: h2c\r\nContent-Length: 2\r\n\r\n[]"
        with exporter.connect() as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(before + offer[:split])
            time.sleep(0.05)
            ((status, _, told),) = answers(connection, offer[split:])
            assert (status, json.loads(told)["received"]) == (200, 0)

    def test_a_tunnel_ends_the_connection(self, exporter: Running) -> None:
        """Nothing after CONNECT is taken for a request."""
        with exporter.connect() as connection:
            connection.sendall(b"CONNECT /x HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert drained(connection) == b""


class TestPipelines:
    """Many requests on one connection."""

    def test_valid_requests_are_not_taken_for_one_large_head(self, exporter: Running) -> None:
        """Neither many small ones, nor a body and the beginning of the next head."""
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
        """They are refused instead of kept."""
        with exporter.connect() as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
            assert b"400 Bad Request" in drained(connection)


class TestTrailers:
    """What comes after a chunked body is no header."""

    def test_a_trailer_changes_nothing(self, exporter: Running) -> None:
        """Not even one that looks like a header of the body."""
        text = b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n"
        with exporter.connect() as connection:
            ((status, _, _),) = answers(connection, text + b"Content_Length: abc\r\n\r\n")
            assert status == 200

        def tell(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            told = environ.get("HTTP_X", "none").encode()
            start_response("200 OK", [("Content-Length", str(len(told)))])
            return [told]

        with Threaded(tell) as (port, _), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            assert answers(connection, text + b"X: trailer\r\n\r\n") == [(200, None, b"none")]

    @pytest.mark.parametrize("trailer", [b"a: b\r\n" * 100_000, b"a: " + b"b" * 600_000])
    def test_endless_trailers(self, exporter: Running, trailer: bytes) -> None:
        """They are refused like an endless head."""
        text = b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n"
        with exporter.connect() as connection:
            ((status, _, _),) = answers(connection, text + trailer)
            assert status == 431


class TestCrowd:
    """More connections than there may be."""

    def test_the_one_served_least_recently_makes_room(self, tmp_path: Path) -> None:
        """With files for 16 on each of two ports: who is served stays, and the other port has its own."""
        inner = free_port()
        limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]
        with running(tmp_path / "log", f"--metrics-listen=127.0.0.1:{inner}", prefix=limited) as exporter:
            with exporter.connect() as good, contextlib.ExitStack() as stack:
                one = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
                crowd: list[socket.socket] = []
                for _ in range(12):
                    assert answers(good, one)[0][0] == 200
                    crowd += [stack.enter_context(exporter.connect()) for _ in range(10)]
                    assert answers(crowd[-1], one)[0][0] == 200  # so the others were accepted before it
                assert answers(good, one)[0][0] == 200
                # The latest are still there, the first are not.
                assert [drained(first) for first in crowd[:50]] == [b""] * 50
                assert answers(crowd[-1], one)[0][0] == 200
                with socket.create_connection(("127.0.0.1", inner), timeout=5) as scrape:
                    assert answers(scrape, one)[0][0] == 200
            assert exporter.get("/-/ready")
            assert 'msg="too many connections" limit=16 cut_off=127.0.0.1' in exporter.log()
            assert exporter.log().count("too many connections") == 10  # of which a minute has ten


class TestLeaving:
    """Who leaves before the answer is no trouble, also with more requests waiting."""

    def test_a_client_that_leaves_pipelined_requests(self, tmp_path: Path) -> None:
        """No traceback, and the next is served; `running` checks the log."""
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
