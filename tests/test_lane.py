"""The short way: it answers as the long one would, and leaves alone what it does not know."""

import contextlib
import http.client
import json
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import connection
from exporter.app import EXTENSION, Exporter, create_app
from exporter.events import InvalidEvent, NotJson, OccupancyEvent, parse_body, parse_event, parse_single
from exporter.journal import JournalError, SqliteJournal
from exporter.lane import ANSWERS, Lane
from exporter.occupancy import Outcome
from exporter.settings import load
from tests.deliveries import HOUR, MINUTE, NOW, Clock, G, body, delivery, payload
from tests.running import Running, Threaded, running
from tests.sockets import fresh
from tests.test_auth import RIGHT_BASIC, RIGHT_KEYS, WRONG_BASIC, WRONG_KEYS, wire

SAMPLES = Path(__file__).parent / "samples"
PAYLOADS = sorted(path for path in SAMPLES.glob("*/*.json") if not path.stem.endswith(".answer"))

EVENTS = {
    Outcome.NEW: delivery(NOW, 1, generation=G),
    Outcome.DUPLICATE: delivery(NOW, 1, generation=G),
    Outcome.REPEATED: delivery(NOW, 1, generation=G + 1),
    Outcome.CORRECTED: delivery(NOW, 2, generation=G + 2),
    Outcome.SUPERSEDED: delivery(NOW, 3, generation=G - 1),
    Outcome.BACKFILLED: delivery(NOW - MINUTE, 3),
    Outcome.LATE: delivery(NOW - HOUR, 3),
}
"""One after the other, what becomes of each."""


def lane(settings: dict[str, str] | None = None) -> tuple[Lane, Exporter]:
    """Return the short way of an app, and what is behind it."""
    exporter: Exporter = create_app(load(settings or {}, {}), Clock()).extensions[EXTENSION]
    return exporter.lane, exporter


def counted(exporter: Exporter) -> dict[str, float]:
    """Return how many events had which outcome."""
    (family,) = [f for f in exporter.metrics.registry.collect() if f.name == "butlr_exporter_events"]
    return {s.labels["outcome"]: s.value for s in family.samples if s.value}


class TestAnswers:
    """What is answered."""

    def test_as_the_view_does(self) -> None:
        """To the byte, and counted the same, whatever becomes of an event."""
        short, exporter = lane()
        app = create_app(clock=Clock())
        client = app.test_client()
        for outcome, event in EVENTS.items():
            response = client.post("/webhook", data=body(event))
            assert response.get_json()["outcomes"] == {outcome: 1}
            head, _, text = (short.answer(body(event)) or b"").partition(b"\r\n\r\n")
            assert text == response.data
            assert dict(line.split(": ") for line in head.decode().split("\r\n")) == dict(response.headers)
        assert counted(exporter) == counted(app.extensions[EXTENSION])
        assert exporter.metrics.last_event == app.extensions[EXTENSION].metrics.last_event
        assert exporter.recent.last_minute() == app.extensions[EXTENSION].recent.last_minute()

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"{",
            b"[]",
            b"[" + body(delivery()) + b"]",
            b" " + body(delivery()),
            b"\xef\xbb\xbf" + body(delivery()),
            body(delivery()) + b"{}",
            body(delivery()).replace(b'"ZONE_OCCUPANCY"', b'"TRAFFIC"'),
            body(delivery()).replace(b'"data": 1.0', b'"data": -1'),
            body(delivery()).replace(b'"data": 1.0', b'"data": true'),
            body(delivery()).replace(b'"version": "v1.0.0"', b'"version": NaN'),
            body(delivery()).replace(b'"version": "v1.0.0"', b'"more": [-Infinity]'),
            body(delivery(NOW + HOUR)),
        ],
    )
    def test_what_is_for_the_long_way(self, text: bytes) -> None:
        """Nothing is done, and nothing counted."""
        short, exporter = lane()
        assert short.answer(text) is None
        assert counted(exporter) == {}
        assert exporter.occupancy.snapshot(NOW).spaces == []

    def test_one_zone_too_many(self) -> None:
        """Is refused by the long way."""
        short, exporter = lane({"max_zones": "1"})
        assert short.answer(body(delivery())) == ANSWERS[Outcome.NEW]
        assert short.answer(body(delivery(zone="zone_b"))) is None
        assert counted(exporter) == {"new": 1}

    def test_a_journal_that_cannot_be_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The event is for the long way, which says so."""
        short, exporter = lane({"journal": str(tmp_path / "journal.db")})
        assert short.answer(body(delivery(NOW, 1))) == ANSWERS[Outcome.NEW]

        def full(*_: object) -> None:
            raise JournalError("the disk is full")

        monkeypatch.setattr(SqliteJournal, "append", full)
        assert short.answer(body(delivery(NOW + 1, 1))) is None
        assert counted(exporter) == {"new": 1}


class TestTakes:
    """By the headers."""

    @pytest.mark.parametrize(
        ("headers", "takes"),
        [
            ([], True),
            ([(b"content-type", b"x"), (b"content-length", b"32768")], True),
            ([(b"content-length", b"32769")], False),
            ([(b"content-encoding", b"gzip")], False),
            ([(b"x_api_key", b"k")], False),
            ([(b"accept", b"a"), (b"accept", b"b")], False),
        ],
    )
    def test_headers(self, headers: list[tuple[bytes, bytes]], takes: bool) -> None:
        """What is odd is for the long way."""
        assert lane()[0].takes(headers) is takes

    def test_credentials(self) -> None:
        """As everywhere."""
        settings = {
            "webhook_api_keys": "old-key,new-key,schlüssel",
            "webhook_api_key_header": "X-Butlr-Key",
            "webhook_username": "butlr",
            "webhook_password": "pä:ss",
        }
        short, _ = lane(settings)
        for keys, right in ((RIGHT_KEYS, True), (WRONG_KEYS, False)):
            for key in (key for key in keys if len(key) == len(key.strip())):  # as nothing else comes from a parser
                assert short.takes([(b"x-butlr-key", wire(key).encode("latin-1", "replace"))]) is right, key
        for environs, right in ((RIGHT_BASIC, True), (WRONG_BASIC, False)):
            for environ in environs:
                header = [(b"authorization", environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace"))]
                assert short.takes(header) is right, environ
        assert not short.takes([])


TEXTS = st.text(max_size=3) | st.sampled_from(["ZONE_OCCUPANCY", "zone_occupancy_1m", "TRAFFIC", "zone_a"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
FIELDS = st.sampled_from([*payload(delivery()), "more", "zone_id", "floor_name"])


class TestParsing:
    """Straight from the bytes."""

    @given(st.dictionaries(FIELDS, VALUES), st.dictionaries(FIELDS, VALUES), st.booleans())
    def test_the_same_as_in_two_steps(self, changed: dict[str, Any], names: dict[str, Any], twice: bool) -> None:
        """Or nothing; an event of which a field is there twice as well."""
        item = payload(delivery()) | changed
        if isinstance(item["metadata"], dict):
            item["metadata"] |= names
        text = json.dumps(item).encode()
        if twice and changed:
            text = text[:-1] + b", " + json.dumps(payload(delivery())).encode()[1:]
        try:
            (parsed,) = parse_body(text)
            expected = parse_event(parsed)
        except (NotJson, InvalidEvent):
            expected = None
        single = parse_single(text)
        assert single is None or single == expected
        if isinstance(expected, OccupancyEvent) and b"NaN" not in text and b"Infinity" not in text:
            assert single == expected


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
        with Threaded(app.wsgi_app, lane=app.extensions[EXTENSION].lane) as (port, _):
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
