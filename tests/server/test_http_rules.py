"""Every MUST of RFC 9112 that concerns a server on this path, with and without the fast path."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from exporter.app import build
from exporter.server.service import Service
from tests.support.running import PATIENCE, Threaded
from tests.support.sockets import Response, drained, fresh, responses

pytestmark = pytest.mark.xdist_group("http_rules")  # they share two exporters

EVENT = fresh()
SIZE = str(len(EVENT)).encode()
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
LAST = b"0\r\n\r\n"

NEXT = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""A request behind the one in question; its answer shows that the connection goes on."""


class Rule(NamedTuple):
    """One demand of the RFC, a request that shows it, and the statuses of the answers to it and to `NEXT`."""

    says: str
    request: bytes
    statuses: tuple[int, ...]


def posted(*headers: bytes, line: bytes = b"POST /webhook HTTP/1.1", body: bytes = EVENT) -> bytes:
    """Return the bytes of a POST with these headers."""
    return b"\r\n".join([line, *headers, b"", body])


def sized(*headers: bytes, line: bytes = b"POST /webhook HTTP/1.1") -> bytes:
    """Return the bytes of a POST of one event with its length, and more headers."""
    return posted(b"Host: x", b"Content-Length: " + SIZE, *headers, line=line)


def long(value: bytes) -> bytes:
    """Return the bytes of a POST with this value of Content-Length."""
    return posted(b"Host: x", b"Content-Length: " + value)


def coded(*codings: bytes, version: bytes = b"1.1", body: bytes = CHUNK + LAST) -> bytes:
    """Return the bytes of a POST with these values of Transfer-Encoding."""
    headers = [b"Transfer-Encoding: " + coding for coding in codings]
    return posted(b"Host: x", *headers, line=b"POST /webhook HTTP/" + version, body=body)


def hosted(*hosts: bytes, version: bytes = b"1.1") -> bytes:
    """Return the bytes of a POST with these values of Host."""
    headers = [b"Host: " + host for host in hosts]
    return posted(*headers, b"Content-Length: " + SIZE, line=b"POST /webhook HTTP/" + version)


KEPT, CLOSED, REFUSED = (200, 200), (200,), (400,)

ODD_LENGTHS = [b"+" + SIZE, b"-" + SIZE, SIZE + b"," + SIZE, SIZE + b", " + SIZE, SIZE + b" " + SIZE, SIZE + b".0"]
ODD_LENGTHS += [b"0x1f", b"1e2", b"1_0", b"", b"9" * 30, "٣".encode(), b"'2'"]

RULES = [
    Rule("a good request is answered, and the connection goes on", sized(), KEPT),
    # 2.2, parsing
    Rule("blank lines before a request are ignored", b"\r\n\r\n" + sized(), KEPT),
    Rule("a bare CR in a value is refused", sized(b"A: b\rc"), REFUSED),
    Rule("a bare CR in a name is refused", sized(b"A\r: b"), REFUSED),
    Rule("a bare CR at the end of a line is refused", sized(b"A: b\rB: c"), REFUSED),
    Rule("a bare CR at the end of the head is refused", sized().replace(b"\r\n\r\n", b"\r\n\r\r\n"), REFUSED),
    Rule("a bare CR in the request line is refused", sized(line=b"POST /webhook\r HTTP/1.1"), REFUSED),
    Rule("a NUL in a value is refused", sized(b"A: b\0c"), REFUSED),
    Rule("a blank before the first header is refused", posted(b" Host: x", b"Content-Length: " + SIZE), REFUSED),
    Rule("a tab before the first header is refused", posted(b"\tHost: x", b"Content-Length: " + SIZE), REFUSED),
    # 2.3, versions
    Rule("a higher minor version is served like 1.1", sized(line=b"POST /webhook HTTP/1.2"), KEPT),
    Rule("HTTP/2.0 is another protocol", sized(line=b"POST /webhook HTTP/2.0"), (505,)),
    Rule("HTTP/3.0 is another protocol", sized(line=b"POST /webhook HTTP/3.0"), (505,)),
    Rule("HTTP/0.9 is another protocol", sized(line=b"POST /webhook HTTP/0.9"), (505,)),
    Rule("a request line without a version is HTTP/0.9", b"GET /-/healthy\r\n\r\n", (505,)),
    Rule("a version has one digit on each side", sized(line=b"POST /webhook HTTP/11.1"), REFUSED),
    Rule("a version has two numbers", sized(line=b"POST /webhook HTTP/1"), REFUSED),
    Rule("the name of the protocol is in capitals", sized(line=b"POST /webhook http/1.1"), REFUSED),
    Rule("the preface of HTTP/2 is refused", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSED),
    # 3.2, the target and Host
    Rule("a request without Host is refused", hosted(), REFUSED),
    Rule("a request with two Hosts is refused", hosted(b"x", b"y"), REFUSED),
    Rule("a request with the same Host twice is refused", hosted(b"x", b"x"), REFUSED),
    Rule("a Host with a blank is refused", hosted(b"a b"), REFUSED),
    Rule("a Host with a path is refused", hosted(b"a/b"), REFUSED),
    Rule("a Host with a user is refused", hosted(b"a@b"), REFUSED),
    Rule("a Host with a port that is no number is refused", hosted(b"a:b"), REFUSED),
    Rule("a Host with two ports is refused", hosted(b"a:1:2"), REFUSED),
    Rule("a Host with half an IPv6 address is refused", hosted(b"[::1"), REFUSED),
    Rule("a Host beyond ASCII is refused", hosted("hôte".encode()), REFUSED),
    Rule("an empty Host is accepted", hosted(b""), KEPT),
    Rule("a Host with a port is accepted", hosted(b"exporter_1.example:9728 "), KEPT),
    Rule("a Host may be an IPv6 address", hosted(b"[2001:db8::1]:9728"), KEPT),
    Rule("a Host may be a socket's path in the spelling of a URL", hosted(b"%2Frun%2Fx.sock"), KEPT),
    Rule("HTTP/1.0 needs no Host", hosted(version=b"1.0"), CLOSED),
    Rule("HTTP/1.0 may have a Host", hosted(b"x", version=b"1.0"), CLOSED),
    Rule("two Hosts are refused in HTTP/1.0 too", hosted(b"x", b"y", version=b"1.0"), REFUSED),
    Rule("an odd Host is refused in HTTP/1.0 too", hosted(b"a b", version=b"1.0"), REFUSED),
    Rule("a target may be a whole URL", sized(line=b"POST http://x/webhook HTTP/1.1"), KEPT),
    Rule("a URL's scheme may be in capitals", sized(line=b"POST HTTPS://y:1/webhook?a=b HTTP/1.1"), KEPT),
    Rule("a URL without a path means /", b"GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", KEPT),
    Rule("a URL may have a query and no path", b"GET http://x?state=stale HTTP/1.1\r\nHost: x\r\n\r\n", KEPT),
    Rule("a URL does not replace Host", posted(b"Content-Length: 2", line=b"POST http://x/webhook HTTP/1.1"), REFUSED),
    Rule("a URL without a host is refused", sized(line=b"POST http:///webhook HTTP/1.1"), REFUSED),
    Rule("a URL with a port alone is refused", sized(line=b"POST http://:80/webhook HTTP/1.1"), REFUSED),
    Rule("a URL with a user is refused", sized(line=b"POST http://a@b/webhook HTTP/1.1"), REFUSED),
    Rule("a URL of another scheme is refused", sized(line=b"POST ftp://x/webhook HTTP/1.1"), REFUSED),
    Rule("a target without a slash is refused", sized(line=b"POST webhook HTTP/1.1"), REFUSED),
    Rule("* is a target of OPTIONS", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", KEPT),
    Rule("* is a target of OPTIONS alone", sized(line=b"POST * HTTP/1.1"), REFUSED),
    Rule("a tunnel is not opened", b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", (501,)),
    Rule("a tunnel to a path is not opened", b"CONNECT /webhook HTTP/1.1\r\nHost: x\r\n\r\n", (501,)),
    Rule("a target that is too long has its own status", sized(line=b"POST /%b HTTP/1.1" % (b"x" * (1 << 14))), (414,)),
    Rule("a blank in the target is refused", sized(line=b"POST /web hook HTTP/1.1"), REFUSED),
    # 5, headers
    Rule("a blank before a colon is refused", sized(b"A : b"), REFUSED),
    Rule("a tab before a colon is refused", sized(b"A\t: b"), REFUSED),
    Rule("a header without a name is refused", sized(b": b"), REFUSED),
    Rule("a header without a colon is refused", sized(b"A"), REFUSED),
    Rule("a folded line is refused", sized(b"A: b", b" c"), REFUSED),
    Rule("a line folded by a tab is refused", sized(b"A: b", b"\tc"), REFUSED),
    Rule("a folded empty line is refused", sized(b"A: b", b" "), REFUSED),
    Rule("blanks around a value are no part of it", long(b" \t" + SIZE + b" \t"), KEPT),
    # 6.1 and 6.3, codings
    Rule("a body in chunks is accepted", coded(b"chunked"), KEPT),
    Rule("the name of a coding has no case", coded(b"CHUNKed"), KEPT),
    Rule("an empty element of a list is ignored", coded(b", chunked"), KEPT),
    Rule(
        "a length beside chunks is refused",
        posted(b"Host: x", b"Content-Length: 2", b"Transfer-Encoding: chunked"),
        REFUSED,
    ),
    Rule(
        "chunks beside a length are refused",
        posted(b"Host: x", b"Transfer-Encoding: chunked", b"Content-Length: 2"),
        REFUSED,
    ),
    Rule("an unknown coding before chunked is not implemented", coded(b"gzip, chunked"), (501,)),
    Rule("an unknown coding on a line of its own is not implemented", coded(b"gzip", b"chunked"), (501,)),
    Rule("an unknown coding alone has no end", coded(b"gzip"), REFUSED),
    Rule("a coding that only ends in chunked has no end", coded(b"xchunked"), REFUSED),
    Rule("the coding identity is no longer one", coded(b"identity"), REFUSED),
    Rule("an empty coding is refused", coded(b""), REFUSED),
    Rule("a coding after chunked is refused", coded(b"chunked, gzip"), REFUSED),
    Rule("a coding after chunked on a line of its own is refused", coded(b"chunked", b"gzip"), REFUSED),
    Rule("chunked twice is refused", coded(b"chunked, chunked"), REFUSED),
    Rule("chunked has no parameters", coded(b"chunked;a=b"), REFUSED),
    Rule("HTTP/1.0 has no codings", coded(b"chunked", version=b"1.0"), REFUSED),
    # 6.2, lengths
    *[Rule(f"the length {value!r} is refused", long(value), REFUSED) for value in ODD_LENGTHS],
    Rule("the same length twice is refused", sized(b"Content-Length: " + SIZE), REFUSED),
    Rule("two lengths are refused", sized(b"Content-Length: 1"), REFUSED),
    Rule("a length may begin with zeros", long(b"000" + SIZE), KEPT),
    # 7.1, chunks
    *[
        Rule(f"the chunk size {size!r} is refused", coded(b"chunked", body=size + b"\r\n[]\r\n" + LAST), REFUSED)
        for size in [b"+2", b"-2", b"0x2", b" 2", b"2 ", b"", b"g", b"f" * 17, b"2;a=\x01"]
    ],
    Rule(
        "a chunk size may have capitals and zeros",
        coded(b"chunked", body=b"00%X\r\n%b\r\n" % (len(EVENT), EVENT) + LAST),
        KEPT,
    ),
    Rule(
        "an extension of a chunk is ignored",
        coded(b"chunked", body=CHUNK.replace(b"\r\n", b';a;b="c;d"\r\n', 1) + LAST),
        KEPT,
    ),
    Rule("a chunk longer than its size is refused", coded(b"chunked", body=b"1\r\n[]\r\n" + LAST), REFUSED),
    Rule("a chunk ends with a line", coded(b"chunked", body=b"2\r\n[]" + LAST), REFUSED),
    Rule("a bare LF ends no chunk size", coded(b"chunked", body=b"2\n[]\r\n" + LAST), REFUSED),
    Rule("trailers are ignored", coded(b"chunked", body=CHUNK + b"0\r\nHost: y\r\nExpect: z\r\n\r\n"), KEPT),
    Rule(
        "a blank before the colon of a trailer is refused",
        coded(b"chunked", body=CHUNK + b"0\r\nA : b\r\n\r\n"),
        REFUSED,
    ),
    # 9, connections
    Rule("a connection ends where the client says so", sized(b"Connection: close"), CLOSED),
    Rule("close has no case, and may be one of several options", sized(b"Connection: a, CLOSE"), CLOSED),
    Rule("close wins over keep-alive", sized(b"Connection: keep-alive", b"Connection: close"), CLOSED),
    Rule("HTTP/1.0 ends the connection", sized(line=b"POST /webhook HTTP/1.0"), CLOSED),
    Rule(
        "HTTP/1.0 ends it despite keep-alive", sized(b"Connection: keep-alive", line=b"POST /webhook HTTP/1.0"), CLOSED
    ),
    Rule("nothing behind the last request is read", sized(b"Connection: close") + b"GARBAGE\r\n\r\n", CLOSED),
    # RFC 9110: 7.8 and 10.1.1
    Rule("an offer of another protocol is ignored", sized(b"Connection: upgrade", b"Upgrade: h2c"), KEPT),
    Rule(
        "an offer of WebSocket is ignored, also for an array",
        posted(b"Host: x", b"Content-Length: 2", b"Connection: upgrade", b"Upgrade: websocket", body=b"[]"),
        KEPT,
    ),
    Rule(
        "an offer of WebSocket is ignored by each path",
        posted(b"Host: x", b"Connection: upgrade", b"Upgrade: WebSocket", line=b"GET /metrics HTTP/1.1", body=b""),
        KEPT,
    ),
    Rule(
        "an offer in HTTP/1.0 is ignored",
        sized(b"Connection: upgrade", b"Upgrade: websocket", line=b"POST /webhook HTTP/1.0"),
        CLOSED,
    ),
    Rule("a body may be expected", sized(b"Expect: 100-continue"), (100, *KEPT)),
    Rule("an expectation has no case, and may have blanks around it", sized(b"Expect:\t100-Continue \t"), (100, *KEPT)),
    Rule(
        "an expectation of HTTP/1.0 is ignored", sized(b"Expect: 100-continue", line=b"POST /webhook HTTP/1.0"), CLOSED
    ),
]


HEADS = [
    b"HEAD / HTTP/1.1\r\n\r\n",
    b"HEAD / HTTP/7.0\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n",
    b"HEAD /%b HTTP/1.1\r\n\r\n" % (b"x" * (1 << 14)),
    b"HEAD /nowhere HTTP/1.0\r\n\r\n",
    b"HEAD /metrics HTTP/1.0\r\n\r\n",
    b"HEAD /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
]
"""Requests by HEAD, some of them refused."""


@pytest.fixture(scope="module", params=["fast", "slow"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Return the port of an exporter with its fast path, or without."""
    service = build().ports[0].service
    with Threaded(service if request.param == "fast" else replace(service, fast_path=None)) as (port, _):
        yield port


def answered(port: int, text: bytes) -> list[Response]:
    """Send bytes on a new connection, and return all responses until its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall(text)
        return responses(drained(client))


def broken(rule: Rule, found: list[Response]) -> bool:
    """Return whether these responses break a rule: a final one has a date, and the last one of a connection says so."""
    final = [response for response in found if response.status != 100]
    statuses = [response.status for response in (found if 100 in rule.statuses else final)]
    if statuses != [*rule.statuses] or not all(response.headers["Date"] for response in final):
        return True
    last = final[-1].headers
    is_problem = last["Content-Type"] == "application/problem+json"
    return last["Connection"] != "close" or is_problem != (rule.statuses[-1] >= 400)


def test_the_server_keeps_every_rule(port: int) -> None:
    """A request is answered as the RFC demands, whether its head is new or known."""
    for _ in range(3):
        found = {rule: answered(port, rule.request + NEXT) for rule in RULES}
        assert {rule.says: answers for rule, answers in found.items() if broken(rule, answers)} == {}


def test_a_rule_holds_in_many_reads(port: int) -> None:
    """A rule holds wherever the network splits the request."""
    found = {}
    for rule in RULES:
        text = rule.request + NEXT
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.suppress(OSError):  # refused, and closed, before the last piece
                for piece in (text[:7], text[7:40], text[40:-20], text[-20:]):
                    client.sendall(piece)
            found[rule] = responses(drained(client))
    assert {rule.says: answers for rule, answers in found.items() if broken(rule, answers)} == {}


def test_a_response_to_head_has_no_content(port: int) -> None:
    """The response to HEAD ends with its head, also if the request is refused (RFC 9110, 9.3.2)."""
    for request in HEADS:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall(request)
            received = drained(client)
        assert received.startswith(b"HTTP/1.1 ")
        assert received.find(b"\r\n\r\n") == len(received) - 4, request


def test_the_host_of_a_url_replaces_the_header() -> None:
    """The host that a target names is the host of the request, whatever the header says (RFC 9112, 3.2.2)."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [f"{environ['HTTP_HOST']} {environ['PATH_INFO']} {environ['QUERY_STRING']}".encode()]

    with Threaded(Service(app, 10)) as (port, _):
        for target, seen in (
            (b"http://y:1/a?b=c", b"y:1 /a b=c"),
            (b"http://y", b"y / "),
            (b"/a?http://y", b"x /a http://y"),
        ):
            text = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target
            assert [response.body for response in answered(port, text)] == [seen]
