"""The fast path of the webhook: it answers as the view would, and leaves every unusual request to the view."""

from pathlib import Path

import pytest
from prometheus_client.samples import Sample

from exporter.app import Exporter, build
from exporter.journal.interface import JournalError
from exporter.journal.sqlite import SqliteFile
from exporter.rule.outcome import Outcome
from exporter.server.service import Response
from exporter.settings.load import load
from exporter.web.fast import FastWebhook
from tests.support.credentials import RIGHT_BASIC, RIGHT_KEYS, WRONG_BASIC, WRONG_KEYS, wire
from tests.support.deliveries import HOUR, MINUTE, NOW, Clock, G, body, delivery
from tests.support.paths import SAMPLES

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
"""Events with the outcome of each, if they come in this order."""


def built(settings: dict[str, str] | None = None) -> tuple[FastWebhook, Exporter]:
    """Return the fast path of a new exporter, and the exporter."""
    exporter = build(load(settings or {}, {}), Clock())
    fast = exporter.ports[0].service.fast_path
    assert isinstance(fast, FastWebhook)
    return fast, exporter


def counted(exporter: Exporter) -> dict[str, float]:
    """Return the number of events by outcome."""
    (family,) = [f for f in exporter.metrics.registry.collect() if f.name == "butlr_exporter_events"]
    return {s.labels["outcome"]: s.value for s in family.samples if s.value}


def samples(exporter: Exporter) -> dict[str, list[Sample]]:
    """Return the samples of everything that is counted for events."""
    names = ("butlr_exporter_event_delay_seconds", "butlr_exporter_settled_corrections")
    families = {family.name: family.samples for family in exporter.metrics.registry.collect()}
    return {name: families[name] for name in names}


def rejected(exporter: Exporter) -> dict[str, float]:
    """Return the number of requests that were rejected as a whole, by reason."""
    (family,) = [f for f in exporter.metrics.registry.collect() if f.name == "butlr_exporter_rejected_requests"]
    return {s.labels["reason"]: s.value for s in family.samples if s.value}


def read(response: Response | None) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return status, headers and body of a response."""
    assert response is not None
    head, _, text = response.rest.partition(b"\r\n\r\n")
    headers = sorted(tuple(line.split(": ", 1)) for line in head.decode().split("\r\n"))
    return response.status, headers, text  # type: ignore[return-value]


def responded(fast: FastWebhook, text: bytes) -> Response | None:
    """Return the response to a body from this machine; None if it is for the view."""
    (response,) = fast.respond([text])
    return response or fast.answer(text, "127.0.0.1")


REFUSED = [
    b"",
    b"{",
    b"hello",
    b"\x00",
    b"null",
    body(delivery()) + b"{}",
    body(delivery()).replace(b'"ZONE_OCCUPANCY"', b'"SENSOR_HEALTH"'),
    body(delivery()).replace(b'"data": 1.0', b'"data": -1, "timestamp": true'),
    body(delivery()).replace(b'"data": 1.0', b'"data": true'),
    body(delivery()).replace(b'"data": 1.0', b'"data": 1.0, "more": "\xff"'),
    body(delivery()).replace(b'"version": "v1.0.0"', b'"version": NaN'),
    body(delivery()).replace(b'"version": "v1.0.0"', b'"more": [-Infinity]'),
    body(delivery(NOW + HOUR)),
    body(delivery(NOW * 1000)),
    body(delivery(zone="zone_of_too_many")),
    body(delivery(name="x" * 2000, id="y" * 1025)),
    body(delivery(NOW - 1, id="schl\u00fcssel")).replace(b'"data": 1.0', b'"data": "\xc3\xbc"'),
]
"""Bodies of one event that is refused, rejected as a whole, or of a type that is not exported."""


class TestAnswers:
    """Responses to bodies."""

    def test_as_the_view_does(self) -> None:
        """The fast path answers and counts events of every outcome as the view does, to the byte."""
        fast, exporter = built()
        another = build(clock=Clock())
        client = another.app.test_client()
        for outcome, event in EVENTS.items():
            response = client.post("/webhook", data=body(event))
            assert response.get_json()["outcomes"] == {outcome: 1}
            assert read(fast.respond([body(event)])[0]) == (200, sorted(response.headers), response.data)
        assert counted(exporter) == counted(another)
        assert exporter.metrics.last_event == another.metrics.last_event
        assert exporter.activity.last_minute() == another.activity.last_minute()

    def test_refused_as_the_view_does(self, caplog: pytest.LogCaptureFixture) -> None:
        """The fast path answers, counts and logs a bad body as the view does, to the byte."""
        known = body(delivery(NOW, 1, generation=G))
        fast, exporter = built({"max_spaces": "1"})
        another = build(load({"max_spaces": "1"}, {}), Clock())
        client = another.app.test_client()
        logged: list[list[object]] = []
        fast.respond([known])
        client.post("/webhook", data=known)
        for text in [*REFUSED, *(path.read_bytes() for path in PAYLOADS)]:
            response = responded(fast, text)
            if text[:1] in (b"[", b"\xef"):
                assert response is None
                continue
            logged.append([record.args for record in caplog.records])
            caplog.clear()
            of_view = client.post("/webhook", data=text)
            assert read(response) == (of_view.status_code, sorted(of_view.headers), of_view.data), text
            assert logged[-1] == [record.args for record in caplog.records]
            caplog.clear()
        assert len(list(filter(None, logged))) > len(REFUSED) / 2
        assert counted(exporter) == counted(another)
        assert rejected(exporter) == rejected(another)
        assert exporter.activity.refusals() == another.activity.refusals()
        assert len(exporter.store) == 1

    @pytest.mark.parametrize(
        "text",
        [
            b"[]",
            b"[" + body(delivery()) + b"]",
            b" " + body(delivery()),
            b"\r\n[]",
            b"\xef\xbb\xbf" + body(delivery()),
        ],
    )
    def test_bodies_for_the_view(self, text: bytes) -> None:
        """A body that may be an array is left to the view, with nothing applied and nothing counted."""
        fast, exporter = built()
        assert responded(fast, text) is None
        assert counted(exporter) == {}
        assert exporter.store.snapshot(NOW).spaces == []

    def test_a_stranger(self, caplog: pytest.LogCaptureFixture) -> None:
        """The fast path answers, counts and logs a request without the right credentials as the view does."""
        settings = {"webhook_api_keys": "key", "webhook_username": "butlr", "webhook_password": "secret"}
        fast, exporter = built(settings)
        of_view = exporter.app.test_client().post("/webhook", data=b"{", headers={"X-API-Key": "wrong"})
        response = fast.refuse([(b"x-api-key", b"wrong")], "127.0.0.1")
        assert read(response) == (401, sorted(of_view.headers), of_view.data)
        assert len(of_view.headers.getlist("WWW-Authenticate")) == 2
        first, second = caplog.records
        assert first.args == second.args
        assert rejected(exporter)["unauthorized"] == 2
        assert [refusal.times for refusal in exporter.activity.refusals()] == [2]
        for headers in (
            [(b"x-api-key", b"key")],
            [(b"a", b""), (b"a", b"")],
            [(b"x_api_key", b"wrong")],
            [(b"origin", b"http://other.example")],
        ):
            assert fast.refuse(headers, "127.0.0.1") is None


class TestOutage:
    """Events that the journal does not accept."""

    @pytest.fixture(autouse=True)
    def _journal(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Build an exporter whose journal can be filled."""
        self.fast, self.exporter = built({"journal": str(tmp_path / "journal.db")})
        self.patch = monkeypatch

    def fill(self) -> None:
        """Let the journal accept no event."""

        def full(*_: object) -> None:
            raise JournalError("the disk is full")

        self.patch.setattr(SqliteFile, "append", full)

    @pytest.mark.parametrize("outcome", EVENTS)
    def test_the_first_event_is_counted_as_what_it_was(self, outcome: Outcome) -> None:
        """The event that begins an outage is applied and counted once, and answered as the view would answer."""
        *before, event = list(EVENTS.values())[: list(EVENTS).index(outcome) + 1]
        for earlier in before:
            self.fast.respond([body(earlier)])
        expected = build(clock=Clock())
        for each in (*before, event):
            expected.app.test_client().post("/webhook", data=body(each))
        self.fill()
        (response,) = self.fast.respond([body(event)])
        assert counted(self.exporter) == counted(expected)
        assert samples(self.exporter) == samples(expected)
        assert self.exporter.activity.last_minute() == expected.activity.last_minute()
        assert self.exporter.store.snapshot(NOW).spaces == expected.store.snapshot(NOW).spaces
        of_view = self.exporter.app.test_client().post("/webhook", data=body(event))
        assert read(response) == (503, sorted(of_view.headers), of_view.data)

    def test_events_that_come_together(self) -> None:
        """A body that is no event is left for later; the events beside it are counted and answered, each as it was."""
        self.fill()
        bodies = [body(delivery(NOW, 1)), b"{", body(delivery(NOW + HOUR)), body(delivery(NOW, 1))]
        responses = self.fast.respond(bodies)
        assert [response and response.status for response in responses] == [503, None, 422, 503]
        assert counted(self.exporter) == {"new": 1, "duplicate": 1, "future": 1}

    def test_later_events(self) -> None:
        """During the outage, events are answered one by one, and counted once."""
        self.fill()
        self.fast.respond([body(delivery(NOW, 1))])
        another = body(delivery(NOW + 2, 1))
        assert self.fast.respond([another]) == [None]
        assert counted(self.exporter) == {"new": 1}
        response = self.fast.answer(another, "127.0.0.1")
        assert counted(self.exporter) == {"new": 2}
        of_view = self.exporter.app.test_client().post("/webhook", data=another)
        assert read(response) == (503, sorted(of_view.headers), of_view.data)

    def test_an_array(self) -> None:
        """Each event of an array is counted once as what it was, with those that are refused."""
        self.fill()
        array = b"[%b]" % b",".join(
            [body(delivery(NOW, 1)), b"{}", body(delivery(NOW + HOUR)), body(delivery(NOW, 2, id="b"))]
        )
        assert self.fast.respond([array]) == [None]
        assert self.exporter.app.test_client().post("/webhook", data=array).status_code == 503
        assert counted(self.exporter) == {"new": 1, "invalid": 1, "future": 1, "corrected": 1}
        assert [refusal.what for refusal in self.exporter.activity.refusals()] == ["future", "invalid"]


class TestAccepts:
    """Headers of requests for the fast path."""

    @pytest.mark.parametrize(
        ("headers", "accepted"),
        [
            ([], True),
            ([(b"content-type", b"x"), (b"content-length", b"32768")], True),
            ([(b"content-length", b"32769")], False),
            ([(b"content-encoding", b"gzip")], False),
            ([(b"origin", b"http://other.example")], False),
            ([(b"sec-fetch-site", b"same-origin")], False),
            ([(b"x_api_key", b"k")], False),
            ([(b"accept", b"a"), (b"accept", b"b")], False),
        ],
    )
    def test_headers(self, headers: list[tuple[bytes, bytes]], accepted: bool) -> None:
        """Requests with unusual headers are left to the view."""
        assert built()[0].accepts(headers) is accepted

    def test_credentials(self) -> None:
        """The fast path admits the same credentials as the view."""
        settings = {
            "webhook_api_keys": "old-key,new-key,schlüssel",
            "webhook_api_key_header": "X-Butlr-Key",
            "webhook_username": "butlr",
            "webhook_password": "pä:ss",
        }
        fast, _ = built(settings)
        for keys, right in ((RIGHT_KEYS, True), (WRONG_KEYS, False)):
            for key in (key for key in keys if len(key) == len(key.strip())):  # the parser strips the spaces
                assert fast.accepts([(b"x-butlr-key", wire(key).encode("latin-1", "replace"))]) is right, key
        for environs, right in ((RIGHT_BASIC, True), (WRONG_BASIC, False)):
            for environ in environs:
                header = [(b"authorization", environ.get("HTTP_AUTHORIZATION", "").encode("latin-1", "replace"))]
                assert fast.accepts(header) is right, environ
        assert not fast.accepts([])
