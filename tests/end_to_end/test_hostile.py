"""The open internet: connections held open in every way, invalid requests, zones without end.

`HOSTILE=50` does fifty times as much as is done by default; figures are printed with `pytest -s`.
"""

import contextlib
import http.client
import json
import os
import random
import socket
import string
import threading
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.server.connection import REQUEST_TIMEOUT, WRITE_TIMEOUT
from exporter.server.tls import HANDSHAKE_TIMEOUT
from tests.support.certificates import Pair
from tests.support.deliveries import body, delivery
from tests.support.running import PATIENCE, Running, free_port, running, wait_for
from tests.support.sockets import fresh, many_zones, silent_reader

TIMES = int(os.environ.get("HOSTILE", "1"))

KEY = "a-key-that-nobody-guesses"

HEAD = f"POST /webhook HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n".encode()


def memory(exporter: Running) -> int:
    """Return the resident memory of a process in bytes (proc_pid_status(5))."""
    status = Path(f"/proc/{exporter.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def open_files(exporter: Running) -> int:
    """Return the number of files, connections among them, that a process has open."""
    return len(os.listdir(f"/proc/{exporter.process.pid}/fd"))


class Held:
    """Connections that are held open, and the seconds after which the other side ended each."""

    def __init__(self) -> None:
        self.ended: dict[str, list[float]] = {}
        self._threads: list[threading.Thread] = []

    def hold(self, name: str, connection: socket.socket, trickle: bytes = b"") -> None:
        """Hold a connection open, and send a byte of `trickle` each second."""
        arguments = (name, connection, time.monotonic(), iter(trickle))
        thread = threading.Thread(target=self._wait, args=arguments, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _wait(self, name: str, connection: socket.socket, began: float, trickle: Iterator[int]) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(1.0)
            while True:
                with contextlib.suppress(TimeoutError):
                    if not connection.recv(1 << 16):
                        break
                if byte := next(trickle, None):
                    connection.sendall(bytes([byte]))
        self.ended.setdefault(name, []).append(time.monotonic() - began)

    def still_open(self, seconds: float) -> set[str]:
        """Return the names of the connections that are still open after some seconds."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return {thread.name for thread in self._threads if thread.is_alive()}


class TestHeldOpen:
    """Connections that never finish their handshake, request or response."""

    @pytest.mark.long
    @pytest.mark.soak
    def test_500(self, tmp_path: Path, pairs: tuple[Pair, Pair]) -> None:
        """Good events and scrapes go on beside 500 held connections, and each of those is ended in time."""
        (tmp_path / "key").write_text(KEY)
        inner = free_port()
        flags = [
            *pairs[0].flags(),
            f"--metrics-listen=127.0.0.1:{inner}",
            f"--webhook-api-keys-file={tmp_path / 'key'}",
        ]
        with running(tmp_path / "log", *flags, tls=pairs[0].client) as exporter, contextlib.ExitStack() as stack:
            good = http.client.HTTPSConnection("127.0.0.1", exporter.port, timeout=PATIENCE, context=pairs[0].client)
            stack.callback(good.close)

            def post(event: bytes) -> float:
                began = time.monotonic()
                good.request("POST", "/webhook", event, {"X-API-Key": KEY})
                assert json.load(good.getresponse())["received"] > 0
                return time.monotonic() - began

            def tls(text: bytes) -> socket.socket:
                connection = pairs[0].client.wrap_socket(exporter.connect(), server_hostname="127.0.0.1")
                connection.sendall(text)
                return connection

            def plain(text: bytes) -> socket.socket:
                connection = socket.create_connection(("127.0.0.1", inner), timeout=PATIENCE)
                connection.sendall(text)
                return connection

            def no_handshake(text: bytes) -> socket.socket:
                connection = exporter.connect()
                connection.sendall(text)
                return connection

            for start in range(0, 500, 100):
                post(b"[" + b",".join(many_zones(start, start + 100)) + b"]")
            undisturbed = median(post(fresh(f"good_{n % 10}", n)) for n in range(100))
            before = memory(exporter)
            event = fresh("held")
            chunk = b"%x\r\n%s\r\n" % (len(event), event)
            ways: dict[str, Callable[[], socket.socket]] = {
                "nothing": lambda: tls(b""),
                "head never ends": lambda: tls(HEAD),
                "body never ends": lambda: tls(HEAD + b"Content-Length: 1000\r\n\r\n" + b"{"),
                "chunks never end": lambda: tls(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk),
                "a byte a second, head": lambda: tls(HEAD),
                "a byte a second, body": lambda: tls(HEAD + b"Content-Length: 1000\r\n\r\n"),
                "no handshake": lambda: no_handshake(b""),
                "half a handshake": lambda: no_handshake(b"\x16\x03\x01\x02\x00\x01\x00"),
                "half a line": lambda: plain(b"GET /metr"),
            }
            files, held = open_files(exporter), Held()
            for name, open_one in islice(cycle(ways.items()), 450):
                held.hold(name, open_one(), b"X: " + b"x" * 100 if "second" in name else b"")
            reading = time.monotonic()
            for _ in range(50):
                stack.enter_context(silent_reader(inner, "/metrics"))

            delays = sorted(post(fresh(f"good_{n % 10}", n)) for n in range(300 * TIMES))
            p50, p99 = (delays[len(delays) * percent // 100] for percent in (50, 99))
            print(f"\n500 held open: p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")  # noqa: T201
            assert p50 < 0.5 + 10 * undisturbed
            assert delays[-1] < REQUEST_TIMEOUT / 2
            scrape = http.client.HTTPConnection("127.0.0.1", inner, timeout=PATIENCE)
            stack.callback(scrape.close)
            for _ in range(3):
                began = time.monotonic()
                scrape.request("GET", "/metrics")
                assert b'zone_id="good_9"' in scrape.getresponse().read()
                assert time.monotonic() - began < REQUEST_TIMEOUT / 2

            # The body is not awaited, let alone read, where the key is wrong.
            for text in (b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
                with tls(HEAD.replace(KEY.encode(), b"wrong") + text) as stranger:
                    stranger.settimeout(PATIENCE)
                    assert stranger.recv(1000).startswith(b"HTTP/1.1 401 ")

            assert held.still_open(max(REQUEST_TIMEOUT, HANDSHAKE_TIMEOUT) + PATIENCE) == set()
            for name, seconds in held.ended.items():
                print(f"{name}: {len(seconds)} ended after {min(seconds):.1f} to {max(seconds):.1f} s")  # noqa: T201
                assert len(seconds) == 50
                assert min(seconds) > REQUEST_TIMEOUT - 1
                assert max(seconds) < REQUEST_TIMEOUT + 15
            # A client that does not read does not see the end, but its connection is closed.
            wait_for(lambda: open_files(exporter) <= files + 1, "the readers to be aborted", WRITE_TIMEOUT + PATIENCE)
            print(f"reader that stops: 50 ended after {time.monotonic() - reading:.1f} s")  # noqa: T201
            post(fresh("good_0"))
            print(f"memory: {before >> 20} MiB before, {memory(exporter) >> 20} MiB after")  # noqa: T201
            assert exporter.stop() == 0
            assert "level=error" not in exporter.log()


ODD_BYTES = st.binary(max_size=40)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)

EVENT = body(delivery(zone="fuzz"))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Draw a body: an event with one part exchanged, any JSON, or any bytes."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(st.binary(max_size=200))
    if kind == 1:
        return json.dumps(draw(JSON)).encode()
    if kind == 2:
        at, length = draw(st.integers(0, len(EVENT))), draw(st.integers(0, 20))
        return EVENT[:at] + draw(ODD_BYTES) + EVENT[at + length :]
    event = json.loads(EVENT)
    where = event if draw(st.booleans()) else event["metadata"]
    where[draw(st.sampled_from([*where, "other"]))] = draw(JSON)
    one = json.dumps(event).encode()
    return b"[" + one + b"," + one + b"]" if kind == 3 else one


VALUES = st.binary(max_size=40).map(lambda raw: raw.translate(None, b"\r\n\0")) | st.text(
    string.printable.rstrip("\n\r\x0b\x0c"), max_size=40
).map(str.encode)

HEADERS = ["Accept", "Accept-Encoding", "Content-Encoding", "Authorization", "X-API-Key", "Expect", "Upgrade", "Range"]

PATHS = [
    "/webhook",
    "/metrics",
    "/metrics/settled",
    "/",
    "/api/v1/spaces",
    "/spaces/zone/before",
    "/assets/page.js",
    "/-/ready",
    "/-/reload",
]


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, bool]:
    """Draw the bytes of a request, and whether the request is whole."""
    posts = draw(st.integers(0, 9)) < 6
    method = (
        b"POST" if posts else draw(st.sampled_from([b"GET"] * 9 + [b"HEAD", b"PUT", b"OPTIONS", b"DELETE", b"get"]))
    )
    path = b"/webhook" if posts and draw(st.integers(0, 9)) else draw(st.sampled_from(PATHS)).encode()
    if draw(st.integers(0, 9)) == 0:
        path += draw(st.binary(max_size=20)).translate(None, b"\r\n ?#")
    query = draw(
        st.sampled_from([b""] * 5 + [b"?name[]=butlr_zone_occupancy", b"?name%5B%5D=%ff", b"?" + b"a=b&" * 100])
    )
    headers = draw(st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=2)) if draw(st.booleans()) else {}
    lines = [name.encode() + b": " + value for name, value in headers.items()]
    text = draw(bodies()) if posts else b""
    if draw(st.integers(0, 3)):
        lines.append(b"Content-Length: %d" % len(text))
    else:
        lines.append(b"Transfer-Encoding: chunked")
        text = b"%x\r\n%s\r\n0\r\n\r\n" % (len(text), text) if text else b"0\r\n\r\n"
    whole = b"\r\n".join(
        [method + b" " + path + query + b" HTTP/1.1", b"Host: x", b"Connection: close", *lines, b"", text]
    )
    if draw(st.integers(0, 19)):
        return whole, True
    at = draw(st.integers(0, len(whole)))
    return whole[:at] + draw(ODD_BYTES) + whole[at + 1 :], False


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Return an exporter with few zones, of which one is known."""
    flags = ["--max-spaces=50", "--forget-after=0", "--stale-after=0"]
    with running(tmp_path_factory.mktemp("fuzz") / "log", *flags) as exporter:
        exporter.post(b"[%b, %b]" % (fresh("before", 7), fresh("kept", 7)))  # any request may forget the first
        yield exporter


class TestFuzz:
    """Requests that are invalid, or almost."""

    @pytest.mark.long
    @pytest.mark.soak
    def test_any_request(self, fuzzed: Running) -> None:
        """Any request is answered without a 5xx or a logged error, and leaves memory and a zone as they are."""
        status: dict[int, int] = {}
        count = 500 * TIMES

        def run(examples: int) -> None:
            @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
            @given(st.lists(requests(), min_size=1, max_size=5))
            def send(many: list[tuple[bytes, bool]]) -> None:
                for one, whole in many:
                    with fuzzed.connect() as connection:
                        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                        connection.sendall(one)
                        if not whole:  # or both sides would wait
                            connection.shutdown(socket.SHUT_WR)
                        answer = bytearray()
                        with contextlib.suppress(ConnectionResetError):
                            while piece := connection.recv(1 << 16):
                                answer += piece
                    code = int(answer[9:12]) if answer else 0
                    status[code] = status.get(code, 0) + 1
                    assert code < 500, (one, answer)

            send()

        run(count // 10)
        wait_for(lambda: fuzzed.get("/-/ready"), "the exporter")
        before = memory(fuzzed)
        run(count)
        after = memory(fuzzed)
        print(  # noqa: T201
            f"\n{sum(status.values())} requests: {dict(sorted(status.items()))}; "
            f"memory {before >> 20} MiB, then {after >> 20} MiB"
        )
        assert after < before * 1.1
        assert len(set(status) & {200, 400, 404, 405, 413, 415, 422}) >= 6, status
        assert "level=error" not in fuzzed.log()
        lines = fuzzed.get("/metrics?name[]=butlr_zone_occupancy").decode().splitlines()
        assert next(line for line in lines if 'zone_id="kept"' in line).endswith("} 7.0")


class TestZonesWithoutEnd:
    """Events with a new zone id each."""

    @pytest.mark.soak
    def test_max_spaces(self, tmp_path: Path) -> None:
        """Beyond `max_spaces` memory is bounded, the overflow is counted, and the known zones go on."""
        zones, most = 20_000 * TIMES, 2_000 * TIMES
        with running(tmp_path / "log", f"--max-spaces={most}") as exporter, contextlib.ExitStack() as stack:
            connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=PATIENCE)
            stack.callback(connection.close)
            chance = random.Random(1)

            def batch(first: int, number: int) -> bytes:
                now = int(time.time() * 1000)
                return body(
                    *[
                        delivery(now, 1, zone=f"zone_{n}", id=f"event_{chance.random()}")
                        for n in range(first, first + number)
                    ]
                )

            def post(text: bytes) -> dict[str, int]:
                connection.request("POST", "/webhook", text)
                outcomes: dict[str, int] = json.load(connection.getresponse())["outcomes"]
                return outcomes

            for first in range(0, most, 500):
                assert post(batch(first, 500)) == {"new": 500}
            before = memory(exporter)
            for first in range(most, zones, 500):
                assert post(batch(first, 500)) == {"overflow": 500}
            after = memory(exporter)
            print(f"\n{zones} zones, max_spaces {most}: memory {before >> 20} MiB, then {after >> 20} MiB")  # noqa: T201
            assert after < before * 1.1
            assert post(fresh("zone_0", 42)) == {"new": 1}
            text = exporter.get("/metrics?name[]=butlr_zone_occupancy&name[]=butlr_exporter_events_total").decode()
            assert next(line for line in text.splitlines() if 'zone_id="zone_0"' in line).endswith("} 42.0")
            assert f'{{event_type="ZONE_OCCUPANCY",outcome="overflow"}} {float(zones - most)}' in text
            assert text.count("\nbutlr_zone_occupancy{") == most
