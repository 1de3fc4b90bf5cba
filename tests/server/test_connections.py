"""The connections of a port: which one makes room when there are too many."""

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.server.connections import ConnectionLimit
from tests.support.certificates import Pair
from tests.support.running import PATIENCE, free_port, running
from tests.support.sockets import answers, fresh

LIMITED = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]
"""Leaves files for 32 connections on one port, or for 16 on each of two."""

KEY = b"X-API-Key: right\r\n"
BASIC = b"Authorization: Basic cHJvbWV0aGV1czpodXNo\r\n"


class Named:
    """A connection that notes its end."""

    def __init__(self, peer: str, aborted: list[str]) -> None:
        self.peer = peer
        self._aborted = aborted

    def abort(self) -> None:
        """Note it."""
        self._aborted.append(self.peer)


class TestConnectionLimit:
    """The order in which connections make room."""

    def test_the_stranger_served_least_recently(self) -> None:
        """Among strangers, the one that was served least recently makes room."""
        aborted: list[str] = []
        limit = ConnectionLimit(4)
        members = [Named(name, aborted) for name in "abcdef"]
        for member in members[:4]:
            limit.touch(member)
        limit.touch(members[0])
        for member in members[4:]:
            limit.touch(member)
        assert aborted == ["b", "c"]

    def test_an_admitted_one_stays(self) -> None:
        """Strangers, however many come and however often they are served, make room before an admitted connection."""
        aborted: list[str] = []
        limit = ConnectionLimit(8)
        admitted = [Named(name, aborted) for name in "abc"]
        for member in admitted:
            limit.touch(member)
            limit.admit(member)
        for n in range(100):
            stranger = Named(str(n), aborted)
            limit.touch(stranger)
            limit.touch(stranger)
        assert aborted == [str(n) for n in range(95)]

    def test_a_newcomer_gets_in(self) -> None:
        """Though every connection is admitted, a newcomer has time to be admitted too: the oldest one makes room."""
        aborted: list[str] = []
        limit = ConnectionLimit(8)
        members = [Named(str(n), aborted) for n in range(10)]
        for member in members:
            limit.touch(member)
            limit.admit(member)
        assert aborted == ["0", "1"]

    def test_one_that_left(self) -> None:
        """A connection that left or was aborted is not counted, even if it is served a last time."""
        aborted: list[str] = []
        limit = ConnectionLimit(1)
        first, second, third = (Named(name, aborted) for name in "abc")
        limit.touch(first)
        limit.touch(second)
        limit.admit(first)
        limit.remove(second)
        limit.touch(third)
        assert aborted == ["a"]


def posted(text: bytes, headers: bytes = b"", path: bytes = b"/webhook") -> bytes:
    """Return the bytes of a POST."""
    return b"POST %b HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n%b" % (path, headers, len(text), text)


def got(path: bytes, headers: bytes = b"") -> bytes:
    """Return the bytes of a GET."""
    return b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path, headers)


WITH_KEY = ("--webhook-api-keys=right",)
WITH_PASSWORD = ("--metrics-username=prometheus", "--metrics-password=hush")


def crowd(connect: Callable[[], socket.socket], good: bytes, strange: bytes) -> list[int]:
    """Return the statuses of a client that asks three times, while 80 strangers ask once each in between."""
    with connect() as client, contextlib.ExitStack() as strangers:
        statuses = [answers(client, good)[0][0]]
        for _ in range(2):
            for _ in range(40):
                stranger = strangers.enter_context(connect())
                answers(stranger, strange)
            statuses.append(answers(client, good)[0][0])
    return statuses


@pytest.mark.parametrize(
    ("flags", "pairs_of_requests"),
    [
        (
            WITH_KEY,
            [
                (posted(fresh(), KEY), posted(fresh(), b"X-API-Key: wrong\r\n")),
                (posted(fresh(), KEY), posted(fresh())),
                (posted(fresh(), KEY), got(b"/metrics")),
                (posted(b"[" + fresh() + b"]", KEY), got(b"/-/healthy")),
                (posted(b"[]", KEY), got(b"/")),
                (posted(b"{}", KEY), got(b"/")),
            ],
        ),
        (
            (),
            [
                (posted(fresh()), got(b"/-/healthy")),
                (posted(fresh()), got(b"/")),
                (posted(fresh()), posted(b"{")),
                (posted(fresh()), posted(b"[]")),
                (posted(b"[" + fresh() + b"]"), posted(b"{}")),
            ],
        ),
        (WITH_PASSWORD, [(got(b"/metrics", BASIC), got(b"/metrics")), (got(b"/", BASIC), got(b"/-/healthy"))]),
    ],
    ids=["key", "nothing", "password"],
)
def test_an_idle_client_stays(
    tmp_path: Path, flags: tuple[str, ...], pairs_of_requests: list[tuple[bytes, bytes]]
) -> None:
    """A client that was admitted stays connected while strangers come, each with a request."""
    with running(tmp_path / "log", *flags, prefix=LIMITED) as exporter:
        for good, strange in pairs_of_requests:
            assert len(set(crowd(exporter.connect, good, strange))) == 1, (good, strange)
        assert "too many connections" in exporter.log()


def test_an_idle_scraper_stays(tmp_path: Path) -> None:
    """A scraper with its password stays connected to the port of `metrics_listen` while strangers come."""
    inner = free_port()
    with running(tmp_path / "log", f"--metrics-listen=127.0.0.1:{inner}", *WITH_PASSWORD, prefix=LIMITED):

        def connect() -> socket.socket:
            return socket.create_connection(("127.0.0.1", inner), timeout=PATIENCE)

        assert crowd(connect, got(b"/metrics", BASIC), got(b"/-/healthy")) == [200] * 3


def test_an_idle_client_stays_though_handshakes_stall(tmp_path: Path, pairs: tuple[Pair, Pair]) -> None:
    """A sender with its key stays connected by TLS while strangers begin handshakes."""
    with running(tmp_path / "log", *pairs[0].flags(), *WITH_KEY, tls=pairs[0].client, prefix=LIMITED) as exporter:
        with (
            pairs[0].client.wrap_socket(exporter.connect(), server_hostname="127.0.0.1") as sender,
            contextlib.ExitStack() as strangers,
        ):
            for _ in range(3):
                assert answers(sender, posted(fresh(), KEY))[0][0] == 200
                for _ in range(100):
                    strangers.enter_context(exporter.connect())
                assert exporter.get("/-/healthy")  # so the server has accepted the others
        assert "too many connections" in exporter.log()
