"""What is public and what is not: credentials on every path, two listeners, and bodies that are not read."""

import base64
import gzip
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from exporter.app import build, create_app
from exporter.ingest.intake import MAX_EVENTS
from exporter.settings.load import load
from exporter.settings.types import Address
from exporter.web.webhook import QUICK_BODY, is_quick
from tests.support.credentials import RIGHT_BASIC, RIGHT_KEYS, WRONG_BASIC, WRONG_KEYS, wire
from tests.support.deliveries import Clock, body, delivery
from tests.support.responses import problem, samples

READING = ["/metrics", "/metrics/settled", "/metrics?name[]=python_info", "/", "/api/v1/spaces"]

ZONE = ["/spaces/zone/zone_a", "/api/v1/spaces/zone/zone_a"]

ASSETS = ["/assets/page.css", "/assets/page.js"]

HEALTH = ["/-/healthy", "/-/ready"]

CREDENTIALS = load(
    {
        "webhook_api_keys": "old-key,new-key,schlüssel",
        "webhook_api_key_header": "X-Butlr-Key",
        "webhook_username": "butlr",
        "webhook_password": "pä:ss",
        "metrics_username": "prometheus",
        "metrics_password": "other",
    },
    {},
)


def credentials(username: str, password: str) -> dict[str, str]:
    """Return the header of HTTP basic authentication."""
    return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}


SENDER, READER = credentials("butlr", "pä:ss"), credentials("prometheus", "other")


def post(client: FlaskClient, environ: dict[str, str], data: bytes = b"[]") -> Any:
    """Post to the webhook with headers as WSGI spells them."""
    return client.post("/webhook", data=data, environ_overrides=environ)


@pytest.fixture(params=["one port", "two ports"])
def apps(request: pytest.FixtureRequest) -> tuple[FlaskClient, FlaskClient]:
    """Return clients of what receives and of what reads: the same app, or one each."""
    two = request.param == "two ports"
    exporter = build(replace(CREDENTIALS, metrics_listen=Address("127.0.0.1", 9729) if two else None), Clock())
    assert (exporter.reading_app is not exporter.app) is two
    return exporter.app.test_client(), exporter.reading_app.test_client()


class TestCredentials:
    """Every path asks for its own."""

    @pytest.mark.parametrize("key", RIGHT_KEYS)
    def test_a_right_key(self, apps: tuple[FlaskClient, FlaskClient], key: str | bytes) -> None:
        """It lets an event in."""
        assert post(apps[0], {"HTTP_X_BUTLR_KEY": wire(key)}, body(delivery())).get_json()["outcomes"] == {"new": 1}

    @pytest.mark.parametrize("environ", RIGHT_BASIC)
    def test_a_right_name_and_password(self, apps: tuple[FlaskClient, FlaskClient], environ: dict[str, str]) -> None:
        """So does this."""
        assert post(apps[0], environ, body(delivery())).get_json()["outcomes"] == {"new": 1}

    @pytest.mark.parametrize(
        "environ", [*WRONG_BASIC, READER, *({"HTTP_X_BUTLR_KEY": wire(key)} for key in WRONG_KEYS)], ids=repr
    )
    def test_a_wrong_sender(self, apps: tuple[FlaskClient, FlaskClient], environ: dict[str, str]) -> None:
        """401 with both challenges; nothing is taken, nothing of it is logged, it is counted."""
        webhook, reading = apps
        response = post(webhook, environ, body(delivery()))
        told = problem(response, 401)
        assert "X-Butlr-Key" in told["detail"]
        assert [challenge.split()[0] for challenge in response.headers.getlist("WWW-Authenticate")] == [
            "ApiKey",
            "Basic",
        ]
        text = reading.get("/metrics", environ_overrides=READER).text
        assert 'butlr_exporter_rejected_requests_total{reason="unauthorized"} 1.0' in text
        assert "butlr_zone_info{" not in text

    @pytest.mark.parametrize("path", [*READING, *ZONE, *ASSETS])
    @pytest.mark.parametrize("environ", [*WRONG_BASIC, SENDER, {"HTTP_X_BUTLR_KEY": "old-key"}], ids=repr)
    def test_a_wrong_reader(self, apps: tuple[FlaskClient, FlaskClient], path: str, environ: dict[str, str]) -> None:
        """The sender's credentials are not the reader's."""
        response = apps[1].get(path, environ_overrides=environ)
        problem(response, 401)
        assert response.headers.getlist("WWW-Authenticate") == ['Basic realm="Butlr metrics", charset="UTF-8"']

    @pytest.mark.parametrize("path", [*READING, *ZONE, *ASSETS])
    def test_a_right_reader(self, apps: tuple[FlaskClient, FlaskClient], path: str) -> None:
        """Reads, by any method that reads."""
        post(apps[0], SENDER, body(delivery()))
        assert apps[1].get(path, environ_overrides=READER).status_code == 200
        assert apps[1].head(path, environ_overrides=READER).status_code == 200
        assert apps[1].head(path).status_code == 401

    @pytest.mark.parametrize("path", HEALTH)
    def test_health(self, apps: tuple[FlaskClient, FlaskClient], path: str) -> None:
        """Probes have no credentials, and ask either port."""
        assert [client.get(path).status_code for client in apps] == [200, 200]

    def test_the_log_has_no_secret(
        self, apps: tuple[FlaskClient, FlaskClient], caplog: pytest.LogCaptureFixture
    ) -> None:
        """Neither the right one nor what was tried."""
        caplog.set_level("DEBUG")
        post(apps[0], {"HTTP_X_BUTLR_KEY": "tried-key"} | credentials("someone", "tried-password"))
        (record,) = caplog.records
        assert isinstance(record.args, dict)
        assert record.args["status"] == 401
        assert not re.search("tried|old-key|pä", repr(vars(record)))


class TestTwoPorts:
    """With `metrics_listen` each port serves its own."""

    def test_each_its_own(self) -> None:
        """The public one the webhook, the other what reads; both the same zones."""
        exporter = build(load({"metrics_listen": ":9729"}, {}), Clock())
        public, inside = exporter.app.test_client(), exporter.reading_app.test_client()
        assert public.post("/webhook", data=body(delivery(v=3))).status_code == 200
        assert samples(inside, "butlr_zone_occupancy")[0].endswith("} 3.0")
        problem(inside.post("/webhook", data=body(delivery())), 404)
        for path in READING:
            problem(public.get(path), 404)
            assert inside.get(path).status_code == 200

    def test_every_path_is_on_one_of_them(self) -> None:
        """And none but health on both."""
        exporter = build(load({"metrics_listen": ":9729"}, {}), Clock())
        public, inside = [
            {rule.rule for rule in each.url_map.iter_rules()} for each in (exporter.app, exporter.reading_app)
        ]
        assert public == {"/webhook", *HEALTH}
        assert public & inside == set(HEALTH)
        assert public | inside == {rule.rule for rule in create_app().url_map.iter_rules()}


class TestBodies:
    """What is refused before it is read, and what is too much."""

    @pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x" * 5000])
    def test_an_encoded_body(self, encoding: str) -> None:
        """415 with a clear word: Butlr does not say that it compresses."""
        client = create_app(clock=Clock()).test_client()
        response = client.post("/webhook", data=gzip.compress(body(delivery())), headers={"Content-Encoding": encoding})
        told = problem(response, 415)
        assert f"encoded as {encoding[:100]};" in told["detail"]
        assert response.headers["Accept-Encoding"] == "identity"
        assert samples(client, "butlr_exporter_rejected_requests_total")[1].endswith('{reason="malformed"} 1.0')

    @pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
    def test_a_body_as_it_is(self, encoding: str) -> None:
        """Whoever says so."""
        client = create_app(clock=Clock()).test_client()
        response = client.post("/webhook", data=body(delivery()), headers={"Content-Encoding": encoding})
        assert response.status_code == 200

    def test_too_many_events(self) -> None:
        """413 for one more than are taken at once, and none of them is."""
        client = create_app(clock=Clock()).test_client()
        told = problem(client.post("/webhook", data=b"[" + b"0," * MAX_EVENTS + b"0]"), 413)
        assert told["detail"] == f"{MAX_EVENTS + 1} events in one array; send at most {MAX_EVENTS} at a time"
        assert samples(client, "butlr_exporter_rejected_requests_total")[2].endswith('{reason="too_large"} 1.0')
        assert not [line for line in samples(client, "butlr_exporter_events_total") if not line.endswith(" 0.0")]
        assert (
            problem(client.post("/webhook", data=b"[" + b"0," * (MAX_EVENTS - 1) + b"0]"), 422)["received"]
            == MAX_EVENTS
        )

    @given(
        st.sampled_from(["/webhook", "/webhook/", "/", "/metrics", "/-/ready", "/x"]),
        st.sampled_from(["", "gzip", "identity", "GZIP", " "]),
        st.sampled_from([{}, SENDER, READER, {"HTTP_X_BUTLR_KEY": "new-key"}, {"HTTP_X_BUTLR_KEY": "new"}]),
    )
    def test_the_body_is_awaited_only_if_it_matters(self, path: str, encoding: str, environ: dict[str, str]) -> None:
        """What the head tells is what the app does: it reads the body, or it refuses without."""
        exporter = build(CREDENTIALS, Clock())
        client, (port,) = exporter.app.test_client(), exporter.ports

        class Unread(io.BytesIO):
            def read(self, _: int | None = -1) -> bytes:
                raise AssertionError("the body was read")

        head = {"PATH_INFO": path, "HTTP_CONTENT_ENCODING": encoding, **environ}
        if port.service.wants_body(head):
            assert client.post(path, data=b"[]", environ_overrides=head).status_code == 200
        else:
            unread = {"wsgi.input": Unread(), "CONTENT_LENGTH": "2"}
            status = client.post(path, environ_overrides=head | unread).status_code
            assert status in (401, 404, 405, 415)


class TestQuick:
    """What is answered before anything else has its turn."""

    @pytest.mark.parametrize(
        ("text", "quick"),
        [
            (body(delivery()), True),
            (body(delivery(), delivery()), False),
            (b"[0,0,0]", False),
            (b" {}", False),
            (b"", False),
            (b'{"a":"' + b"x" * QUICK_BODY + b'"}', False),
        ],
    )
    def test_one_event(self, text: bytes, quick: bool) -> None:
        """But no array: a few bytes of it may be thousands of mistakes."""
        assert is_quick(text) is quick


class TestPaths:
    """What is asked for is not repeated at length."""

    def test_a_long_path(self, caplog: pytest.LogCaptureFixture) -> None:
        """In neither the answer nor the log."""
        client = create_app(clock=Clock()).test_client()
        for response, status in [(client.post("/" + "x" * 60_000), 404), (client.put("/webhook"), 405)]:
            assert len(problem(response, status)["detail"]) < 200
        assert len(str([record.args for record in caplog.records])) < 1000

    def test_a_doubled_slash(self) -> None:
        """It is another path, also for who has the key."""
        client = create_app(CREDENTIALS, Clock()).test_client()
        for path in ("//webhook", "///webhook", "//metrics", "//"):
            problem(client.post(path, data=b"[]", environ_overrides=SENDER | {"PATH_INFO": path}), 404)


class TestHeaders:
    """What a browser is told of the answers."""

    @pytest.mark.parametrize("path", ["/", "/spaces/zone/zone_a"])
    def test_page(self, path: str) -> None:
        """Nothing runs and nothing is loaded but the page's own; nobody frames it."""
        client = create_app(clock=Clock()).test_client()
        client.post("/webhook", data=body(delivery()))
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        assert headers["Referrer-Policy"] == "no-referrer"

    @pytest.mark.parametrize("path", READING)
    def test_everything_that_reads(self, path: str) -> None:
        """It is taken for what it is, and not kept."""
        headers = create_app(clock=Clock()).test_client().get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
