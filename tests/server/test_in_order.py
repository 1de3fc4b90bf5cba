"""Answers come in the order of their requests: before a refusal, and after the client has closed its sending side."""

import json
import socket
import time
from collections.abc import Iterator

import pytest

from exporter.app import build
from exporter.server.connection import MAX_PIPELINE
from tests.support.running import PATIENCE, Threaded
from tests.support.sockets import Response, drained, fresh, responses

pytestmark = pytest.mark.xdist_group("in_order")  # they share an exporter


def posted(text: bytes, path: bytes = b"/webhook") -> bytes:
    """Return the bytes of a POST."""
    return b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (path, len(text), text)


def got(path: bytes) -> bytes:
    """Return the bytes of a GET."""
    return b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path


EVENT = posted(fresh())
ARRAY = posted(b"[" + b",".join([fresh()] * 100) + b"]")
SCRAPE, SETTLED, PAGE, HEALTH = map(got, (b"/metrics", b"/metrics/settled", b"/", b"/-/healthy"))
BAD_JSON = posted(b"{")
UNFIT = posted(b"{}")
EXPECTING = posted(fresh()).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
CHUNKED = b"POST /webhook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Return the port of an exporter."""
    with Threaded(build().ports[0].service) as (port, _):
        yield port


def sent(port: int, *pieces: bytes, end: bool = False) -> list[Response]:
    """Send pieces over one connection, then end the sending side if wanted; return all final responses."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for n, piece in enumerate(pieces):
            time.sleep(0.02 if n else 0)
            client.sendall(piece)
        if end:
            client.shutdown(socket.SHUT_WR)
        return [response for response in responses(drained(client)) if response.status != 100]


REQUESTS = [
    ([EVENT], [200]),
    ([ARRAY], [200]),
    ([SCRAPE], [200]),
    ([SETTLED], [200]),
    ([PAGE], [200]),
    ([HEALTH], [200]),
    ([BAD_JSON], [400]),
    ([UNFIT], [422]),
    ([posted(b"", b"/-/reload")], [200]),
    ([posted(b"", b"/nowhere")], [404]),
    ([EXPECTING], [200]),
    ([CHUNKED + b"2\r\n[]\r\n0\r\n\r\n"], [200]),
    ([ARRAY, EVENT, SCRAPE, BAD_JSON, HEALTH], [200, 200, 200, 400, 200]),
    ([SCRAPE, ARRAY, SCRAPE], [200, 200, 200]),
    ([EVENT, EVENT, ARRAY, EVENT], [200, 200, 200, 200]),
]
"""Requests of one connection, and the statuses of their answers."""

MALFORMED = [
    (b"GARBAGE\r\n\r\n", 400),
    (b"\0", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400),
    (b"GET / HTTP/7.0\r\nHost: x\r\n\r\n", 505),
    (b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", 501),
    (CHUNKED + b"zz\r\n", 400),
    (CHUNKED + b"2\r\n[]zz\r\n", 400),
    (b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 20_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"x" * 20_000, 414),
    (b"\r\n" * 200_000, 431),
]
"""Bytes that are no request, and the status of the refusal."""


@pytest.mark.parametrize(("requests", "statuses"), REQUESTS)
class TestRefusals:
    """Requests with a malformed one right behind them."""

    def test_answers_before_the_refusal(self, port: int, requests: list[bytes], statuses: list[int]) -> None:
        """Every whole request has its own answer, and the refusal comes behind them."""
        for n, (malformed, status) in enumerate(MALFORMED):
            for pieces in ([b"".join(requests) + malformed], [b"".join(requests), malformed])[: 1 if n % 4 else 2]:
                found = sent(port, *pieces)
                assert [response.status for response in found] == [*statuses, status], malformed[:40]
                connection = [response.headers["Connection"] for response in found]
                assert connection == [None] * len(statuses) + ["close"]
                assert json.loads(found[-1].body)["status"] == status


class TestPipelines:
    """Requests that are sent ahead of the answers."""

    def test_too_many_are_refused_behind_the_answers(self, port: int) -> None:
        """Requests beyond the limit are refused, and those within it are answered."""
        found = [response.status for response in sent(port, SCRAPE * (MAX_PIPELINE + 30))]
        assert found == [200] * (MAX_PIPELINE + 1) + [400]

    def test_a_refused_body_of_an_answered_request(self, port: int) -> None:
        """A request that was answered by its head is not answered again when its body turns out to be malformed."""
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            answer = client.recv(1 << 16)
            client.sendall(b"zz\r\n")
            assert [response.status for response in responses(answer + drained(client))] == [404]

    def test_a_request_behind_one_that_waits_for_its_body(self, port: int) -> None:
        """A body that turns out to be malformed is refused behind the answers to earlier requests."""
        for text in (ARRAY, SCRAPE, EVENT):
            found = [response.status for response in sent(port, text + CHUNKED + b"2\r\n[]\r\n", b"zz\r\n")]
            assert found == [200, 400]


@pytest.mark.parametrize(("requests", "statuses"), REQUESTS)
class TestHalfClosed:
    """Clients that close their sending side before they have read the answers."""

    def test_whole_requests_are_answered(self, port: int, requests: list[bytes], statuses: list[int]) -> None:
        """Whole requests are answered in their order, then the connection closes; the rest of one is ignored."""
        for rest in (b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", CHUNKED, CHUNKED + b"2\r\n["):
            for pieces in ([b"".join(requests) + rest], [*requests, *([rest] if rest else [])])[: 2 if rest[1:] else 1]:
                assert [response.status for response in sent(port, *pieces, end=True)] == statuses, rest


def test_the_last_answer_closes(port: int) -> None:
    """The last answer to a client that has closed its sending side says that the connection closes."""
    assert [response.headers["Connection"] for response in sent(port, SCRAPE * 2, end=True)] == [None, "close"]
