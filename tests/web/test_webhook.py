"""The HTTP interface, request by request, through the app, as a WSGI server calls it."""

import gzip
import json
import logging
import threading
import time
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from exporter.app import build, create_app
from exporter.settings.declared import Settings
from exporter.web.scrape import wants_openmetrics
from tests.support.deliveries import HOUR, MINUTE, NOW, Clock, body, delivery
from tests.support.paths import SAMPLES
from tests.support.responses import problem, samples

BROKEN = sorted(path for path in (SAMPLES / "broken").glob("*.json") if not path.name.endswith(".answer.json"))


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves."""
    return Clock()


@pytest.fixture
def client(clock: Clock) -> FlaskClient:
    """Return a client of a new app."""
    return create_app(clock=clock).test_client()


class TestWebhook:
    """`POST /webhook`."""

    @pytest.mark.parametrize("path", sorted((SAMPLES / "valid").glob("*.json")), ids=lambda path: path.stem)
    def test_valid_payloads(self, client: FlaskClient, path: Path) -> None:
        """A valid payload is answered with 200, even if its type is unsupported."""
        response = client.post("/webhook", data=path.read_bytes())
        assert response.status_code == 200
        assert response.content_type == "application/json"
        members = response.get_json()
        assert members["received"] == sum(members["outcomes"].values())
        assert set(members["outcomes"]) <= {"new", "unsupported"}

    @pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
    def test_broken_payloads(self, path: Path) -> None:
        """Each broken payload has its exact answer, and changes no zone."""
        clock = Clock(1_727_735_900_000)
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=body(delivery(clock.now, 7)))
        before = samples(client, "butlr_zone_occupancy")
        answer = json.loads(path.with_suffix(".answer.json").read_bytes())
        assert problem(client.post("/webhook", data=path.read_bytes()), answer["status"]) == answer
        assert before[0] in samples(client, "butlr_zone_occupancy")

    def test_the_contracts_example(self, client: FlaskClient) -> None:
        """The answer to two events has two outcomes."""
        response = client.post("/webhook", data=body(delivery(id="a"), delivery(id="b")))
        assert response.get_json() == {"received": 2, "outcomes": {"new": 1, "repeated": 1}}

    @pytest.mark.parametrize(
        "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "x", ""]
    )
    def test_any_content_type(self, client: FlaskClient, content_type: str) -> None:
        """An event is accepted with any `Content-Type`, as Butlr documents none."""
        assert client.post("/webhook", data=body(delivery()), content_type=content_type).status_code == 200

    def test_a_refused_event_among_good_ones(self, client: FlaskClient) -> None:
        """The problem also has the outcomes of the good events, so that the client need not send them again."""
        members = problem(client.post("/webhook", data=body(delivery(), delivery(NOW + HOUR))), 422)
        assert members["detail"] == "1 of 2 events refused"
        assert (members["received"], members["outcomes"]) == (2, {"new": 1, "future": 1})
        assert [error["index"] for error in members["errors"]] == [1]

    def test_a_flood_of_errors(self, client: FlaskClient) -> None:
        """The answer lists 100 errors, and its detail says so."""
        members = problem(client.post("/webhook", data=b"[" + b"0," * 999 + b"0]"), 422)
        assert members["detail"] == "1000 of 1000 events refused; at most 100 errors are listed"
        assert len(members["errors"]) == 100

    def test_a_body_too_large(self, clock: Clock) -> None:
        """A body of max_body bytes is accepted; one byte more is refused, with and without a length."""
        text = body(delivery())
        client = create_app(Settings(max_body=len(text)), clock).test_client()
        assert client.post("/webhook", data=text).status_code == 200
        members = problem(client.post("/webhook", data=text + b" "), 413)
        assert members["detail"] == f"the body is larger than max_body, {len(text)} bytes"
        chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
        problem(client.post("/webhook", data=text + b" ", environ_overrides=chunked), 413)
        assert samples(client, "butlr_exporter_rejected_requests_total")[2].endswith("} 2.0")

    def test_a_body_that_is_not_json_is_counted(self, client: FlaskClient) -> None:
        """A body that is not JSON counts as a request, not as an event."""
        problem(client.post("/webhook", data=b"{"), 400)
        assert samples(client, "butlr_exporter_rejected_requests_total")[1].endswith('{reason="malformed"} 1.0')
        assert not [line for line in samples(client, "butlr_exporter_events_total") if not line.endswith(" 0.0")]

    def test_threads_posting_at_once(self, client: FlaskClient) -> None:
        """Threads that post at once end in the same state as any order."""
        app = client.application
        bodies = [
            body(delivery(NOW - m * MINUTE, 10 * m + r, generation=NOW // 1000 + 60 * r + m))
            for m in range(5)
            for r in range(5)
        ]
        statuses: list[int] = []

        def post(order: int) -> None:
            mine = app.test_client()
            statuses.extend([mine.post("/webhook", data=text).status_code for text in bodies[:: order or 1]])

        threads = [threading.Thread(target=post, args=(order,)) for order in (1, -1, 1, -1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 100
        assert samples(client, "butlr_zone_occupancy")[0].endswith("} 4.0")


class TestMetrics:
    """`GET /metrics`."""

    def test_text_by_default(self, client: FlaskClient) -> None:
        """A client without a preference, such as curl, gets the text format."""
        response = client.get("/metrics")
        assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
        assert set(response.vary) == {"Accept", "Accept-Encoding"}
        assert not response.content_encoding

    def test_openmetrics_by_accept(self, client: FlaskClient) -> None:
        """A client that prefers OpenMetrics, such as Prometheus, gets it."""
        response = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"})
        assert response.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert response.get_data().endswith(b"# EOF\n")

    @pytest.mark.parametrize("path", ["/metrics", "/api/v1/spaces", "/"])
    @pytest.mark.parametrize("encoding", ["gzip", "identity"])
    def test_head_has_no_length(self, client: FlaskClient, path: str, encoding: str) -> None:
        """The answer to HEAD has no `Content-Length`: the exporter does not render the body of GET to measure it."""
        response = client.head(path, headers={"Accept-Encoding": encoding})
        assert response.status_code == 200
        assert "Content-Length" not in response.headers
        assert "Content-Encoding" not in response.headers

    def test_gzip_by_accept_encoding(self, client: FlaskClient) -> None:
        """The body is compressed only for a client that accepts gzip."""
        response = client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        assert response.content_encoding == "gzip"
        assert b"butlr_exporter_build_info" in gzip.decompress(response.get_data())
        for refuses in ("gzip;q=0", "identity", "br"):
            assert not client.get("/metrics", headers={"Accept-Encoding": refuses}).content_encoding

    def test_only_the_named_samples(self, client: FlaskClient) -> None:
        """`?name[]=` selects families, and may be repeated."""
        text = client.get("/metrics?name[]=python_info&name[]=butlr_exporter_build_info").get_data(as_text=True)
        families = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        assert sorted(families) == ["butlr_exporter_build_info", "python_info"]

    @pytest.mark.parametrize(
        ("accept", "openmetrics"),
        [
            ("", False),
            ("*/*", False),
            ("text/html, image/png", False),
            ("application/openmetrics-text", True),
            ("APPLICATION/OpenMetrics-Text; version=1.0.0", True),
            ("application/openmetrics-text;q=0", False),
            ("application/openmetrics-text;q=0.3,text/plain;q=0.5", False),
            ("text/plain;version=abc,application/openmetrics-text;version=1.0.0", False),
            ("application/openmetrics-text;version=abc;escaping=%", True),
            # What Prometheus 2.42 and 3.5 send.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                True,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;"
                "escaping=allow-utf-8;q=0.5,*/*;q=0.2",
                True,
            ),
        ],
    )
    def test_accept(self, accept: str, openmetrics: bool) -> None:
        """The quality decides between the formats; other parameters, even senseless ones, do not matter."""
        assert wants_openmetrics(parse_accept_header(accept, MIMEAccept)) is openmetrics

    def test_the_life_of_a_zone(self, client: FlaskClient, clock: Clock) -> None:
        """A zone is fresh, then stale, fresh again, and at last forgotten."""
        client.post("/webhook", data=body(delivery(v=3)))
        assert samples(client, "butlr_zone_occupancy")[0].endswith("} 3.0")
        clock.now += 10 * MINUTE + 1
        assert samples(client, "butlr_zone_occupancy") == []
        assert len(samples(client, "butlr_zone_occupancy_timestamp_seconds")) == 1
        client.post("/webhook", data=body(delivery(clock.now, 0)))
        assert samples(client, "butlr_zone_occupancy")[0].endswith("} 0.0")
        clock.now += 24 * HOUR + 1
        assert samples(client, "butlr_zone_info") == []


class TestLog:
    """Log lines about refused requests."""

    def test_a_webhook_sent_to_the_wrong_place(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        """A webhook sent to the wrong path is logged, and so is a body that is not JSON; a missing favicon is not."""
        caplog.set_level(logging.INFO)
        client.get("/favicon.ico")
        assert caplog.records == []
        client.post("/webhok", data=body(delivery()))
        client.get("/webhook")
        client.post("/webhook", data=b"{")
        logged = [record.args for record in caplog.records]
        client_field = {"client": "127.0.0.1"}
        assert logged == [
            {
                "status": 404,
                "reason": "there is nothing at /webhok",
                "method": "POST",
                "path": "/webhok",
                **client_field,
            },
            {
                "status": 405,
                "reason": "/webhook does not accept GET",
                "method": "GET",
                "path": "/webhook",
                **client_field,
            },
            {
                "status": 400,
                "reason": "the body is not JSON: EOF while parsing an object at line 1 column 1",
                "method": "POST",
                "path": "/webhook",
                **client_field,
            },
        ]


class TestErrors:
    """Errors, which are problems and never HTML or a traceback."""

    def test_not_found(self, client: FlaskClient) -> None:
        """An unknown path is answered with 404, which names the path."""
        for path in ("/webhok", "/metrics/", "/-/healthy/x", "/static/x", "/%00%ff"):
            members = problem(client.get(path), 404)
            assert members["detail"].startswith("there is nothing at /")

    def test_wrong_method(self, client: FlaskClient) -> None:
        """A wrong method is answered with 405, which names the allowed ones."""
        response = client.get("/webhook")
        problem(response, 405)
        assert set(response.allow) == {"POST", "OPTIONS"}
        assert set(client.delete("/metrics").allow) == {"GET", "HEAD", "OPTIONS"}

    def test_health(self, client: FlaskClient) -> None:
        """Health and readiness are answered with 200."""
        assert client.get("/-/healthy").get_data() == b"butlr-exporter is healthy.\n"
        assert client.get("/-/ready").get_data() == b"butlr-exporter is ready.\n"
        assert client.head("/metrics").status_code == 200

    def test_several_processes_are_refused(self, client: FlaskClient) -> None:
        """A server with several processes is refused with 503, as each process would hold a part of the zones."""
        for path in ("/metrics", "/-/ready"):
            members = problem(client.get(path, environ_overrides={"wsgi.multiprocess": True}), 503)
            assert "several" in members["detail"]

    def test_an_unexpected_error(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        """An unexpected error is a problem without details; one line of the log has them, with the request."""

        def broken() -> str:
            raise RuntimeError("inside")

        client.application.add_url_rule("/broken", view_func=broken)
        members = problem(client.get("/broken"), 500)
        assert "inside" not in json.dumps(members)
        (record,) = caplog.records
        assert record.getMessage() == "internal error"
        assert record.args == {"method": "GET", "path": "/broken", "client": "127.0.0.1"}

    def test_other_refusals_of_the_framework(self, client: FlaskClient) -> None:
        """Refusals by the framework are problems as well."""
        client.application.config["TRUSTED_HOSTS"] = ["example.org"]
        problem(client.get("/metrics"), 400)


class TestJournal:
    """An app with a journal."""

    def test_a_clock_that_is_ahead_freezes_no_reading(self, tmp_path: Path, clock: Clock) -> None:
        """A computation of a clock that is an hour ahead stands until the next, and so after a restart at any time."""
        settings = Settings(journal=str(tmp_path / "journal.db"))
        exporter = build(settings, clock)
        client = exporter.app.test_client()
        for second, ahead, people in ((5, 0, 3), (65, 3600, 9), (125, 0, 4), (185, 3600, 8)):
            clock.now = NOW + 1000 * second
            event = delivery(NOW, people, generation=NOW // 1000 + second + ahead)
            assert client.post("/webhook", data=body(event)).status_code == 200
            (reading,) = client.get("/api/v1/spaces/zone/zone_a").get_json()["readings"]["ZONE_OCCUPANCY"]
            assert (reading["value"], reading["id"]) == (people, event.id)
        exporter.close()
        clock.now += HOUR
        again = build(settings, clock)
        client = again.app.test_client()
        last = delivery(NOW, 4, generation=NOW // 1000 + 245)
        assert client.post("/webhook", data=body(last)).get_json()["outcomes"] == {"corrected": 1}
        again.close()

    def test_an_event_that_cannot_be_written_is_not_acknowledged(self, tmp_path: Path) -> None:
        """While the journal cannot be written, an event is answered with 503 and `Retry-After`, and counted."""
        exporter = build(Settings(journal=str(tmp_path / "journal.db")), Clock())
        client = exporter.app.test_client()
        assert client.post("/webhook", data=body(delivery())).status_code == 200
        (tmp_path / "journal.db").unlink()
        time.sleep(0.06)  # the journal looks for its file every 0.05 s
        refused = client.post("/webhook", data=body(delivery(v=2, id="b")))
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert refused.content_type == "application/problem+json"
        assert client.post("/webhook", data=b"{}").status_code == 422
        assert "butlr_exporter_journal_failures_total 1.0" in client.get("/metrics").text
        exporter.maintain()
        assert client.post("/webhook", data=body(delivery(v=2, id="b"))).get_json()["outcomes"] == {"duplicate": 1}
        exporter.close()
        again = build(Settings(journal=str(tmp_path / "journal.db")), Clock())
        assert "butlr_zone_occupancy{" in again.app.test_client().get("/metrics").text
        again.close()
