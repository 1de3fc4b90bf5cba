"""Spaces that somebody has forgotten, by the API or by the form on a page."""

import logging
from pathlib import Path
from urllib.parse import quote, urljoin

import pytest
from flask.testing import FlaskClient

from exporter.app import build, create_app
from exporter.events.measures import Kind, Measure
from exporter.settings.load import load
from tests.support.credentials import WRONG_BASIC
from tests.support.crossings import crossing, sensor
from tests.support.crossings import payload as crossing_payload
from tests.support.deliveries import MINUTE, NOW, Clock, G, body, delivery
from tests.support.journals import copy_files, full_disk
from tests.support.placed import three_zones
from tests.support.responses import problem, samples

ZONE = "/api/v1/spaces/zone/zone_a"


@pytest.fixture
def client() -> FlaskClient:
    """Return a client of an app with two zones, one of them with a settled reading and a smoothed one."""
    client = create_app(clock=Clock()).test_client()
    minutes = [delivery(NOW - n * MINUTE, 3, generation=G - n) for n in (7, 0)]
    smoothed = [each._replace(measure=Measure.ZONE_OCCUPANCY_1MIN) for each in minutes]
    client.post("/webhook", data=body(*minutes, *smoothed, delivery(v=1, zone="zone_b", name="Desk 02")))
    return client


def known(client: FlaskClient) -> list[str]:
    """Return the ids of the spaces in the list."""
    return [space["id"] for space in client.get("/api/v1/spaces").get_json()["spaces"]]


def test_a_space_is_gone_at_once(client: FlaskClient) -> None:
    """A forgotten space leaves both expositions, the pages, the JSON and the totals; the others stay as they are."""
    paths = ("/metrics", "/metrics/settled", "/", "/api/v1/spaces")
    assert all("Desk 01" in client.get(path).text for path in paths)
    answer = client.delete(ZONE)
    assert (answer.status_code, answer.data, "Content-Type" in answer.headers) == (204, b"", False)
    for path in paths:
        assert "Desk 01" not in client.get(path).text
        assert "zone_a" not in client.get(path).text
    for path in (ZONE, "/spaces/zone/zone_a"):
        problem(client.get(path), 404)
    totals = client.get("/api/v1/spaces").get_json()["totals"]
    assert (known(client), totals["spaces"], totals["people"]) == (["zone_b"], 1, 1)
    assert 'butlr_exporter_spaces{kind="zone",state="fresh"} 1.0' in samples(client, "butlr_exporter_spaces")


@pytest.mark.parametrize(
    "path", [ZONE, "/api/v1/spaces/room/zone_b", "/api/v1/spaces/zone/zone_b%20", "/api/v1/spaces/desk/a"]
)
def test_an_unknown_space(client: FlaskClient, path: str) -> None:
    """A space that is not known, or not any more, is answered with 404."""
    client.delete(ZONE)
    problem(client.delete(path), 404)
    problem(client.post(path.removeprefix("/api/v1")), 404)
    assert known(client) == ["zone_b"]


def test_a_space_after_its_time() -> None:
    """A space that was silent for `forget_after` is unknown, even if no scrape came since."""
    clock = Clock()
    client = create_app(clock=clock).test_client()
    client.post("/webhook", data=body(delivery()))
    clock.now += 24 * 60 * MINUTE + 1
    problem(client.delete(ZONE), 404)


def test_events_after_it(client: FlaskClient) -> None:
    """The next event of a forgotten space makes it anew, be it late or a repetition: nothing is left of the first."""
    late, repeated = delivery(NOW - 60 * MINUTE, 9), delivery(NOW - 7 * MINUTE, 3, generation=G - 7)
    assert client.post("/webhook", data=body(late)).get_json()["outcomes"] == {"late": 1}
    assert client.post("/webhook", data=body(repeated)).get_json()["outcomes"] == {"duplicate": 1}
    client.get("/metrics/settled")
    client.delete(ZONE)
    assert client.post("/webhook", data=body(late)).get_json()["outcomes"] == {"new": 1}
    assert client.post("/webhook", data=body(repeated)).get_json()["outcomes"] == {"new": 1}
    space = client.get(ZONE).get_json()
    assert list(space["measures"]) == ["ZONE_OCCUPANCY"]
    assert [reading["value"] for reading in space["readings"]["ZONE_OCCUPANCY"]] == [3]
    settled = client.get("/metrics/settled").text
    assert settled.count("zone_a") == 1
    assert "_1min_settled{" not in settled


def test_a_forgotten_entryway_counts_from_zero() -> None:
    """A sensor loses its counters and the ids that it knew, so that a crossing of before counts again."""
    client = create_app(clock=Clock()).test_client()
    crossings = [crossing_payload(crossing(n, 2, 1), sensor("sensor_a")) for n in (2, 1)]
    client.post("/webhook", json=crossings)
    assert client.delete("/api/v1/spaces/sensor/sensor_a").status_code == 204
    assert samples(client, "butlr_entryway_crossings_total") == []
    assert client.post("/webhook", json=crossings[0]).get_json()["outcomes"] == {"new": 1}
    assert [line[-4:] for line in samples(client, "butlr_entryway_crossings_total")] == [" 2.0", " 1.0"]


def test_it_makes_room() -> None:
    """A forgotten space does not count towards `max_spaces`."""
    client = create_app(load({"max_spaces": "1"}, {}), Clock()).test_client()
    client.post("/webhook", data=body(delivery()))
    problem(client.post("/webhook", data=body(delivery(zone="zone_b"))), 422)
    client.delete(ZONE)
    assert client.post("/webhook", data=body(delivery(zone="zone_b"))).status_code == 200


@pytest.mark.parametrize("space_id", ["a/b", "//", "a?b#c", " ", "ü\n\u2028", "%2F", "..", "forget"])
def test_any_id(space_id: str) -> None:
    """A space with any id is forgotten, by the API and by the form."""
    client = create_app(clock=Clock()).test_client()
    for kind in Kind:
        measure = next(each for each in Measure if each.kind is kind and each is not Measure.CROSSINGS)
        for forget, prefix, status in ((client.delete, "/api/v1", 204), (client.post, "", 303)):
            client.post("/webhook", data=body(delivery(measure=measure, zone=space_id)))
            assert known(client) == [space_id]
            path = f"{prefix}/spaces/{kind}/{quote(space_id, safe='')}"
            answer = forget(path, environ_overrides={"RAW_URI": f"{path}?a=/"})
            assert answer.status_code == status
            assert known(client) == []
            if status == 303:  # a proxy may serve the pages under a prefix
                there = urljoin(f"https://x/prefix{path}", answer.headers["Location"])
                assert there == f"https://x/prefix/?kind={kind}"


class TestJournal:
    """Forgetting with a journal."""

    @pytest.mark.parametrize("is_killed", [False, True])
    def test_a_restart_brings_nothing_back(self, tmp_path: Path, is_killed: bool) -> None:
        """A space stays forgotten over a kill and over a restart, and its events since then are kept."""
        path = str(tmp_path / "journal.db")
        for n in range(3):
            exporter = build(load({"journal": path}, {}), Clock(NOW + n))
            client = exporter.app.test_client()
            assert known(client) == (["zone_b"] if n else [])
            assert client.delete(ZONE).status_code == 404
            client.post("/webhook", data=body(delivery(v=n), delivery(zone="zone_b")))
            assert client.delete(ZONE).status_code == 204
            if is_killed:
                path = copy_files(path, tmp_path / f"killed {n}")
            exporter.close()
        exporter = build(load({"journal": path}, {}), Clock())
        client = exporter.app.test_client()
        assert client.post("/webhook", data=body(delivery(NOW - MINUTE, 8))).get_json()["outcomes"] == {"new": 1}
        exporter.close()
        exporter = build(load({"journal": path}, {}), Clock())
        (reading,) = exporter.app.test_client().get(ZONE).get_json()["readings"]["ZONE_OCCUPANCY"]
        assert reading["value"] == 8
        exporter.close()

    def test_an_outage(self, tmp_path: Path) -> None:
        """While the journal cannot be written, the answer is 503 with `Retry-After`, and the space stays."""
        exporter = build(load({"journal": str(tmp_path / "journal.db")}, {}), Clock())
        client = exporter.app.test_client()
        client.post("/webhook", data=body(delivery()))
        for path, method in ((ZONE, client.delete), ("/spaces/zone/zone_a", client.post)):
            with full_disk():
                answer = method(path)
            problem(answer, 503)
            assert answer.headers["Retry-After"] == "5"
            assert known(client) == ["zone_a"]
        assert samples(client, "butlr_exporter_journal_failures_total")[0].endswith(" 2.0")
        exporter.maintain()
        assert client.delete(ZONE).status_code == 204
        exporter.close()


class TestAccess:
    """The credentials of readers, on the port of readers."""

    @pytest.mark.parametrize("environ", [{}, *WRONG_BASIC[:2]], ids=repr)
    def test_without_credentials(self, environ: dict[str, str]) -> None:
        """Nobody without the credentials of readers forgets a space."""
        settings = load({"metrics_username": "prometheus", "metrics_password": "hush"}, {})
        client = create_app(settings, Clock()).test_client()
        client.post("/webhook", data=body(delivery()))
        for method, path in ((client.delete, ZONE), (client.post, "/spaces/zone/zone_a")):
            problem(method(path, environ_overrides=environ), 401)
        assert client.delete(ZONE, auth=("prometheus", "hush")).status_code == 204

    def test_two_ports(self) -> None:
        """The port for senders forgets nothing; that for readers does."""
        exporter = build(load({"metrics_listen": ":9729"}, {}), Clock())
        public, inside = exporter.app.test_client(), exporter.reading_app.test_client()
        public.post("/webhook", data=body(delivery()))
        problem(public.delete(ZONE), 404)
        assert inside.delete(ZONE).status_code == 204

    def test_it_is_logged(self, client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
        """The log names the space and the client."""
        caplog.set_level(logging.INFO)
        client.delete(ZONE)
        (record,) = [record for record in caplog.records if record.getMessage() == "zone forgotten on request"]
        assert record.args == {"zone_id": "zone_a", "client": "127.0.0.1"}


def test_the_form() -> None:
    """The page of a space asks before it forgets the space, and then leads to the list of its kind."""
    client = three_zones(Clock())
    (first, *others) = known(client)
    name = client.get(f"/api/v1/spaces/zone/{first}").get_json()["metadata"]["zone_name"]
    page = client.get(f"/spaces/zone/{first}").text
    parts = (
        "<summary>Forget this zone…",
        '<form method="post">',
        f"<p>Forget <bdi>{name}</bdi>?",
        "<button>Forget this",
    )
    assert sorted(parts, key=page.index) == list(parts)
    answer = client.post(f"/spaces/zone/{first}")
    assert (answer.status_code, answer.headers["Location"], answer.data) == (303, "../../?kind=zone", b"")
    assert known(client) == others
    problem(client.post(f"/spaces/zone/{first}"), 404)
    assert client.get("/?kind=zone").status_code == 200
