"""Access: credentials on every path, two ports, bodies that are not read, and headers for browsers."""

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

pytestmark = pytest.mark.xdist_group("access")  # they share many apps

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
    """Post to the webhook with headers, named as in a WSGI environment."""
    return client.post("/webhook", data=data, environ_overrides=environ)


PORTS = ["one port", "two ports"]


@pytest.fixture(params=PORTS)
def apps(request: pytest.FixtureRequest) -> tuple[FlaskClient, FlaskClient]:
    """Return clients of the apps for senders and for readers: one app for both, or one for each."""
    return clients(two=request.param == "two ports")


@pytest.fixture(scope="module", params=PORTS)
def shared_apps(request: pytest.FixtureRequest) -> tuple[FlaskClient, FlaskClient]:
    """Return clients as `apps` does, of apps that all tests share which change nothing."""
    return clients(two=request.param == "two ports")


def clients(*, two: bool) -> tuple[FlaskClient, FlaskClient]:
    """Build an exporter with one port or with two; return a client for senders and one for readers."""
    exporter = build(replace(CREDENTIALS, metrics_listen=Address("127.0.0.1", 9729) if two else None), Clock())
    assert (exporter.reading_app is not exporter.app) is two
    return exporter.app.test_client(), exporter.reading_app.test_client()


SHARED = build(CREDENTIALS, Clock())
"""An exporter for the examples of a property test, none of which changes anything."""


class TestCredentials:
    """Every path needs its own credentials."""

    @pytest.mark.parametrize("key", RIGHT_KEYS)
    def test_a_right_key(self, apps: tuple[FlaskClient, FlaskClient], key: str | bytes) -> None:
        """An event with a right key is accepted."""
        assert post(apps[0], {"HTTP_X_BUTLR_KEY": wire(key)}, body(delivery())).get_json()["outcomes"] == {"new": 1}

    @pytest.mark.parametrize("environ", RIGHT_BASIC)
    def test_a_right_name_and_password(self, apps: tuple[FlaskClient, FlaskClient], environ: dict[str, str]) -> None:
        """An event with the right name and password is accepted."""
        assert post(apps[0], environ, body(delivery())).get_json()["outcomes"] == {"new": 1}

    @pytest.mark.parametrize(
        "environ", [*WRONG_BASIC, READER, *({"HTTP_X_BUTLR_KEY": wire(key)} for key in WRONG_KEYS)], ids=repr
    )
    def test_a_wrong_sender(self, apps: tuple[FlaskClient, FlaskClient], environ: dict[str, str]) -> None:
        """Wrong credentials are answered with 401 and both challenges, and counted; the event is not applied."""
        webhook, reading = apps
        response = post(webhook, environ, body(delivery()))
        members = problem(response, 401)
        assert "X-Butlr-Key" in members["detail"]
        assert [challenge.split()[0] for challenge in response.headers.getlist("WWW-Authenticate")] == [
            "ApiKey",
            "Basic",
        ]
        text = reading.get("/metrics", environ_overrides=READER).text
        assert 'butlr_exporter_rejected_requests_total{reason="unauthorized"} 1.0' in text
        assert "butlr_zone_info{" not in text

    @pytest.mark.parametrize("path", [*READING, *ZONE, *ASSETS])
    def test_a_wrong_reader(self, shared_apps: tuple[FlaskClient, FlaskClient], path: str) -> None:
        """Wrong credentials and those of senders do not admit readers."""
        for environ in (*WRONG_BASIC, SENDER, {"HTTP_X_BUTLR_KEY": "old-key"}):
            response = shared_apps[1].get(path, environ_overrides=environ)
            assert response.status_code == 401, environ
            problem(response, 401)
            assert response.headers.getlist("WWW-Authenticate") == ['Basic realm="Butlr metrics", charset="UTF-8"']

    @pytest.mark.parametrize("path", [*READING, *ZONE, *ASSETS])
    def test_a_right_reader(self, apps: tuple[FlaskClient, FlaskClient], path: str) -> None:
        """A right name and password admit GET and HEAD."""
        post(apps[0], SENDER, body(delivery()))
        assert apps[1].get(path, environ_overrides=READER).status_code == 200
        assert apps[1].head(path, environ_overrides=READER).status_code == 200
        assert apps[1].head(path).status_code == 401

    @pytest.mark.parametrize("path", HEALTH)
    def test_health(self, shared_apps: tuple[FlaskClient, FlaskClient], path: str) -> None:
        """Probes need no credentials, on either port."""
        assert [client.get(path).status_code for client in shared_apps] == [200, 200]

    def test_the_log_has_no_secret(
        self, apps: tuple[FlaskClient, FlaskClient], caplog: pytest.LogCaptureFixture
    ) -> None:
        """The log holds neither the right credentials nor the wrong ones that were sent."""
        caplog.set_level("DEBUG")
        post(apps[0], {"HTTP_X_BUTLR_KEY": "tried-key"} | credentials("someone", "tried-password"))
        (record,) = caplog.records
        assert isinstance(record.args, dict)
        assert record.args["status"] == 401
        assert not re.search("tried|old-key|pä", repr(vars(record)))


class TestTwoPorts:
    """Two ports, which `metrics_listen` makes of one."""

    def test_each_port_has_its_paths(self) -> None:
        """The port of `listen` has only the webhook, the other one the paths for readers, over the same zones."""
        exporter = build(load({"metrics_listen": ":9729"}, {}), Clock())
        public, inside = exporter.app.test_client(), exporter.reading_app.test_client()
        assert public.post("/webhook", data=body(delivery(v=3))).status_code == 200
        assert samples(inside, "butlr_zone_occupancy")[0].endswith("} 3.0")
        problem(inside.post("/webhook", data=body(delivery())), 404)
        for path in READING:
            problem(public.get(path), 404)
            assert inside.get(path).status_code == 200

    def test_every_path_is_on_one_of_them(self) -> None:
        """Every path is on one of the ports, and only health is on both."""
        exporter = build(load({"metrics_listen": ":9729"}, {}), Clock())
        public, inside = [
            {rule.rule for rule in each.url_map.iter_rules()} for each in (exporter.app, exporter.reading_app)
        ]
        assert public == {"/webhook", *HEALTH}
        assert public & inside == set(HEALTH)
        assert public | inside == {rule.rule for rule in create_app().url_map.iter_rules()}


class TestBodies:
    """Bodies that are refused before they are read, and bodies that are too large."""

    @pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip", "x" * 5000])
    def test_an_encoded_body(self, encoding: str) -> None:
        """An encoded body is answered with 415, which names the encoding: Butlr documents none."""
        client = create_app(clock=Clock()).test_client()
        response = client.post("/webhook", data=gzip.compress(body(delivery())), headers={"Content-Encoding": encoding})
        members = problem(response, 415)
        assert f"encoded as {encoding[:100]};" in members["detail"]
        assert response.headers["Accept-Encoding"] == "identity"
        assert samples(client, "butlr_exporter_rejected_requests_total")[1].endswith('{reason="malformed"} 1.0')

    @pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
    def test_the_encoding_identity(self, encoding: str) -> None:
        """A body that is declared as unencoded is accepted."""
        client = create_app(clock=Clock()).test_client()
        response = client.post("/webhook", data=body(delivery()), headers={"Content-Encoding": encoding})
        assert response.status_code == 200

    def test_too_many_events(self) -> None:
        """An array with one event too many is answered with 413, and none of its events is applied."""
        client = create_app(clock=Clock()).test_client()
        members = problem(client.post("/webhook", data=b"[" + b"0," * MAX_EVENTS + b"0]"), 413)
        assert members["detail"] == f"{MAX_EVENTS + 1} events in one array; send at most {MAX_EVENTS} at a time"
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
        st.sampled_from([{}, {"HTTP_ORIGIN": "http://other.example"}, {"HTTP_ORIGIN": "http://localhost"}]),
    )
    def test_a_body_is_awaited_only_if_the_app_reads_it(
        self, path: str, encoding: str, environ: dict[str, str], origin: dict[str, str]
    ) -> None:
        """`wants_body` agrees with the app: the app reads a wanted body, and refuses a request without the others."""
        client, (port,) = SHARED.app.test_client(), SHARED.ports

        class Unread(io.BytesIO):
            def read(self, _: int | None = -1) -> bytes:
                raise AssertionError("the body was read")

        head = {"PATH_INFO": path, "HTTP_HOST": "localhost", "HTTP_CONTENT_ENCODING": encoding, **environ, **origin}
        if port.service.wants_body(head):
            assert client.post(path, data=b"[]", environ_overrides=head).status_code == 200
        else:
            unread = {"wsgi.input": Unread(), "CONTENT_LENGTH": "2"}
            status = client.post(path, environ_overrides=head | unread).status_code
            assert status in (401, 403, 404, 405, 415)


class TestQuick:
    """Bodies that the event loop answers itself."""

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
    def test_only_one_event_is_quick(self, text: bytes, quick: bool) -> None:
        """One event is quick; an array is not, as a few bytes of it may be thousands of mistakes."""
        assert is_quick({"PATH_INFO": "/webhook"}, text) is quick
        assert is_quick({"PATH_INFO": "/-/reload"}, text) is False

    def test_only_probes_and_refusals_are_quick_without_a_body(self) -> None:
        """The event loop answers no other path, whatever the method."""
        for port in SHARED.ports:
            paths = {rule.rule for rule in SHARED.app.url_map.iter_rules()}
            for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
                environ = {"REQUEST_METHOD": method}
                quick = {path for path in paths if port.service.is_quick(environ | {"PATH_INFO": path}, None)}
                assert quick == {"/webhook", *HEALTH}


class TestPaths:
    """Paths, in answers and in the log."""

    def test_a_long_path(self, caplog: pytest.LogCaptureFixture) -> None:
        """Neither an answer nor the log repeats a long path whole."""
        client = create_app(clock=Clock()).test_client()
        for response, status in [(client.post("/" + "x" * 60_000), 404), (client.put("/webhook"), 405)]:
            assert len(problem(response, status)["detail"]) < 200
        assert len(str([record.args for record in caplog.records])) < 1000

    def test_a_doubled_slash(self) -> None:
        """A path with a doubled slash is not found, even with the right credentials."""
        client = create_app(CREDENTIALS, Clock()).test_client()
        for path in ("//webhook", "///webhook", "//metrics", "//"):
            problem(client.post(path, data=b"[]", environ_overrides=SENDER | {"PATH_INFO": path}), 404)


class TestHeaders:
    """Headers for browsers."""

    @pytest.mark.parametrize("path", ["/", "/spaces/zone/zone_a"])
    def test_page(self, path: str) -> None:
        """A page runs and loads only its own assets, and no site can frame it."""
        client = create_app(clock=Clock()).test_client()
        client.post("/webhook", data=body(delivery()))
        headers = client.get(path).headers
        assert headers["Content-Security-Policy"] == (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        assert headers["Referrer-Policy"] == "same-origin"

    @pytest.mark.parametrize("path", READING)
    def test_every_answer_to_readers(self, path: str) -> None:
        """A browser neither guesses the type of an answer to readers nor stores it."""
        headers = create_app(clock=Clock()).test_client().get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
