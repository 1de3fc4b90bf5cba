"""Bodies reach the app as they were sent, and offers of another protocol are ignored."""

import json
import random
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.app import build
from exporter.server.service import Service
from tests.support.deliveries import body, delivery
from tests.support.running import PATIENCE, Threaded
from tests.support.sockets import drained, responses

pytestmark = pytest.mark.xdist_group("bodies")  # they share a server

OFFER = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
"""Headers that offer another protocol."""

BODIES = [
    b"upgrade: h2c",
    b"Upgrade:\r\nUpgrade : x\r\n\r\n",
    b"\nupgrade:\nUPGRADE:\n",
    b'{\n"a": 1,\nupgrade: 2}',
    b"u",
    b"\nu",
    b"\nUpgrade",
    b"\nupgrade \t",
    b"POST / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
]


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Respond with the names of the headers that have to do with an offer, and the body."""
    text = environ["wsgi.input"].read()
    names = ",".join(name for name in sorted(environ) if "PGRADE" in name)
    start_response("200 OK", [("Content-Length", str(len(text))), ("X-Names", names)])
    return [text]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Return the port of a server that sends bodies back."""
    with Threaded(Service(echo, 1 << 20)) as (port, _):
        yield port


def sent(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send pieces over one connection, and return everything that is received until its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
            time.sleep(pause)
        return drained(client)


def head(*, offer: bool, framing: bytes, end: bool = True) -> bytes:
    """Return the head of a POST, the last one of its connection or not."""
    close = b"Connection: close\r\n" if end else b""
    return b"POST / HTTP/1.1\r\nHost: x\r\n%b%b%b\r\n\r\n" % (close, OFFER if offer else b"", framing)


@pytest.mark.parametrize("offer", [False, True])
@pytest.mark.parametrize("text", BODIES)
class TestBodies:
    """Bodies that look like a header."""

    def test_a_body_in_chunks(self, port: int, text: bytes, offer: bool) -> None:
        """A body in chunks is not changed, wherever a chunk begins, and the app does not see the offer."""
        for cut in range(len(text) + 1):
            chunks = b"".join([b"%x\r\n%b\r\n" % (len(part), part) for part in (text[:cut], text[cut:]) if part])
            start = head(offer=offer, framing=b"Transfer-Encoding: chunked")
            (response,) = responses(sent(port, start + chunks + b"0\r\n\r\n"))
            assert response.body == text
            assert response.headers["X-Names"] == ""

    def test_a_body_in_two_reads(self, port: int, text: bytes, offer: bool) -> None:
        """A body is not changed, whether it comes with its head or after it."""
        start = head(offer=offer, framing=b"Content-Length: %d" % len(text))
        for pieces in [(start + text,), (start, text), (start + text[:1], text[1:])]:
            assert [response.body for response in responses(sent(port, *pieces, pause=0.01))] == [text]

    def test_a_body_before_the_next_request(self, port: int, text: bytes, offer: bool) -> None:
        """The next request begins where the body ends."""
        framing = b"Content-Length: %d" % len(text)
        first, last = (head(offer=offer, framing=framing, end=end) + text for end in (False, True))
        assert [response.body for response in responses(sent(port, first * 5 + last))] == [text] * 6


def test_a_head_with_an_offer_in_any_pieces(port: int) -> None:
    """An offer is ignored wherever the network splits the request."""
    text = b"upgrade: body"
    whole = head(offer=True, framing=b"Content-Length: %d" % len(text), end=False) + text
    whole += b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    chance = random.Random(7)
    for _ in range(30):
        cuts = sorted(chance.sample(range(1, len(whole)), 3))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        assert [response.body for response in responses(sent(port, *pieces, pause=0.001))] == [text, b""]


def test_a_trailer_is_no_offer(port: int) -> None:
    """A trailer with the name of an offer is ignored like any other."""
    start = head(offer=False, framing=b"Connection: upgrade\r\nTransfer-Encoding: chunked")
    (response,) = responses(sent(port, start + b"2\r\nab\r\n0\r\nUpgrade: h2c\r\n\r\n"))
    assert (response.body, response.headers["X-Names"]) == (b"ab", "")


@pytest.mark.parametrize("offer", [b"", OFFER])
def test_the_id_of_a_zone(offer: bytes) -> None:
    """An event counts for its own zone, though a chunk begins in the middle of the zone's id."""
    exporter = build()
    event = body(delivery(int(time.time() * 1000), zone="zone_upgrade: x"))
    cut = event.index(b"upgrade:")
    chunks = b"".join([b"%x\r\n%b\r\n" % (len(part), part) for part in (event[:cut], event[cut:], b"")])
    start = b"POST /webhook HTTP/1.1\r\nHost: x\r\n%bTransfer-Encoding: chunked\r\n\r\n" % offer
    ask = b"GET /api/v1/spaces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with Threaded(exporter.ports[0].service) as (port, _):
        taken, spaces = responses(sent(port, start + chunks, ask, pause=0.05))
    assert taken.status == 200
    assert [space["id"] for space in json.loads(spaces.body)["spaces"]] == ["zone_upgrade: x"]
