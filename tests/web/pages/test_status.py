"""`GET /api/v1/spaces` and `/api/v1/spaces/zone/<zone_id>`: zones that a query finds, and everything known of them."""

import json
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from exporter.app import build, create_app
from exporter.events.measures import Measure
from exporter.events.model import Metadata, ReadingEvent
from exporter.server import memory
from exporter.web.pages import status as status_module
from exporter.web.pages.listing import PAGE_SIZE
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, Clock, G, body, delivery, payload
from tests.support.placed import post, three_zones, with_capacity
from tests.support.responses import problem, samples

SMOOTHED = Measure.ZONE_OCCUPANCY_1MIN


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves."""
    return Clock()


@pytest.fixture
def client(clock: Clock) -> FlaskClient:
    """Return a client of an app with three zones."""
    return three_zones(clock)


def names(client: FlaskClient, query: str = "") -> list[str]:
    """Return the names of the zones that a query finds, in order."""
    return [zone["metadata"]["zone_name"] for zone in client.get(f"/api/v1/spaces{query}").get_json()["spaces"]]


class TestJson:
    """`GET /api/v1/spaces`."""

    def test_every_zone(self, client: FlaskClient) -> None:
        """Zones are in the order of their places, and a stale count is null."""
        answer = client.get("/api/v1/spaces").get_json()
        assert answer["time"] == "2027-01-15T08:00:00Z"
        assert answer["totals"] == {"spaces": 3, "fresh": 2, "stale": 1, "crowded": 0, "people": 7, "missing": 0}
        assert (answer["matched"], answer["page"], answer["pages"]) == (3, None, 1)
        desk = next(zone for zone in answer["spaces"] if zone["id"] == "zone_Desk 01")
        assert (desk["state"], desk["crowded"], desk["measure"]) == ("fresh", False, "ZONE_OCCUPANCY")
        assert desk["measures"] == {
            "ZONE_OCCUPANCY": {
                "occupancy": 5.0,
                "timestamp": "2027-01-15T07:59:47Z",
                "age_seconds": 12.5,
                "stale": False,
            }
        }
        cellar = next(zone for zone in answer["spaces"] if zone["id"] == "zone_Cellar")
        assert (cellar["state"], cellar["measures"]["ZONE_OCCUPANCY"]["occupancy"]) == ("stale", None)

    def test_activity(self, client: FlaskClient, clock: Clock) -> None:
        """The answer has the outcomes of the last minute, and the last refusals even after that."""
        client.post("/webhook", data=body(delivery(zone="zone_Hall", name="Hall", v=-1)))
        client.post("/webhook", data=b"{")
        events = client.get("/api/v1/spaces").get_json()["events"]
        assert events["last_minute"] == {"new": 3, "invalid": 1}
        assert events["last_received"] == "2027-01-15T08:00:00Z"
        assert [(r["what"], r["field"], r["id"]) for r in events["refused"]] == [
            ("malformed", "", ""),
            ("invalid", "data", "event_xxx"),
        ]
        assert "JSON" in events["refused"][0]["message"]
        clock.now += MINUTE
        later = client.get("/api/v1/spaces").get_json()["events"]
        assert (later["last_minute"], later["age_seconds"]) == ({}, 60)
        assert len(later["refused"]) == 2

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("?sort=place", ["Cellar", "Hall", "Desk 01"]),
            ("?sort=people", ["Desk 01", "Hall", "Cellar"]),
            ("?sort=age", ["Cellar", "Hall", "Desk 01"]),
            ("?sort=name", ["Cellar", "Desk 01", "Hall"]),
            ("?state=stale", ["Cellar"]),
            ("?state=fresh", ["Hall", "Desk 01"]),
            ("?state=crowded", []),
            ("?state=", ["Cellar", "Hall", "Desk 01"]),
            ("?q=desk", ["Desk 01"]),
            ("?q=FLOOR+hq", ["Hall", "Desk 01"]),
            ("?q=desk+hall", []),
            ("?q=zone_Hall", ["Hall"]),
            ("?q=+", ["Cellar", "Hall", "Desk 01"]),
            ("?q=" + "h+" * 100, ["Cellar", "Hall", "Desk 01"]),
            ("?q=&q=hall", ["Cellar", "Hall", "Desk 01"]),
            ("?page=1", ["Cellar", "Hall", "Desk 01"]),
            ("?page=7", ["Cellar", "Hall", "Desk 01"]),
        ],
    )
    def test_queries(self, client: FlaskClient, query: str, found: list[str]) -> None:
        """A query filters by words and state, sorts, and finds the last page for any later one."""
        assert names(client, query) == found

    @pytest.mark.parametrize(
        ("query", "detail"),
        [
            ("?state=empty", "state must be one of fresh, stale, crowded, missing"),
            ("?sort=", "sort must be one of place, people, full, age, name"),
            ("?state=croweded", "state must be one of fresh, stale, crowded, missing; did you mean crowded?"),
            ("?page=0", "page must be a whole number from 1"),
            ("?page=", "page must be a whole number from 1"),
            ("?page=-1", "page must be a whole number from 1"),
            ("?page=1000000000", "page must be a whole number from 1"),
            ("?page=" + "9" * 5000, "page must be a whole number from 1"),
            ("?q=" + "a+" * 3500, "q must have at most 200 characters"),
            ("?q=" + "a" * 201, "q must have at most 200 characters"),
            ("?page=\N{ARABIC-INDIC DIGIT THREE}", "page must be a whole number from 1"),
        ],
    )
    def test_invalid_queries(self, client: FlaskClient, query: str, detail: str) -> None:
        """An invalid query is rejected with the reason, by the page as well."""
        for path in ("/", "/api/v1/spaces"):
            assert problem(client.get(path + query), 400)["detail"] == detail

    def test_fullest_first(self, clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> None:
        """`sort=full` sorts by the share of the capacity; a crowded zone is fresh and above its capacity."""
        file = tmp_path_factory.mktemp("capacity") / "capacity.yml"
        file.write_text(
            "capacity: [{zone_name: Hall, max: 1}, {zone_name: Desk*, max: 5}, {zone_name: Cellar, max: 1}]"
        )
        client = with_capacity(clock, str(file))
        for value, name, age in [(5, "Desk 01", 0), (2, "Hall", 0), (9, "Cellar", HOUR), (99, "Yard", 0)]:
            post(client, value, name, age=age)
        assert names(client, "?sort=full") == ["Hall", "Desk 01", "Cellar", "Yard"]
        assert names(client, "?state=crowded") == ["Hall"]
        assert client.get("/api/v1/spaces").get_json()["totals"]["crowded"] == 1

    @pytest.mark.parametrize("query", ["", "?q=desk", "?q=none", "?sort=people", "?page=1&sort=name"])
    def test_written_in_pieces(self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
        """The answer is the same to the byte as if it were written at once."""
        for n in range(7):
            post(client, n / 3, f'Desk \u00e9\N{PILE OF POO}"\\\n{n}')
        whole = client.get(f"/api/v1/spaces{query}").data
        assert f"{client.application.json.dumps(json.loads(whole), separators=(',', ':'))}\n".encode() == whole
        monkeypatch.setattr(status_module, "_WRITTEN", 2)
        assert client.get(f"/api/v1/spaces{query}").data == whole

    def test_a_piece_is_small(self, client: FlaskClient) -> None:
        """Each piece of a long answer is below 64 KiB with ordinary names, so that malloc does not map it anew."""
        metadata = {field: f"{field} of twenty-seven letters" for field in Metadata._fields}
        for n in range(3):
            events = [payload(delivery(zone=f"z{n}{m}")) for m in range(100)]
            for event in events:
                event["metadata"] |= {**metadata, "zone_id": event["metadata"]["zone_id"]}
            assert client.post("/webhook", json=events).status_code == 200
        pieces = list(client.get("/api/v1/spaces").iter_encoded())
        assert len(pieces) > 4
        assert max(map(len, pieces)) < memory.LARGE

    def test_pages(self, client: FlaskClient) -> None:
        """A page has a hundred zones, and the last page has the rest."""
        for n in range(2 * PAGE_SIZE):
            post(client, n, f"Z{n:03}")
        assert len(names(client)) == 2 * PAGE_SIZE + 3
        parts = [names(client, f"?page={page}&sort=name") for page in (1, 2, 3)]
        assert [len(part) for part in parts] == [PAGE_SIZE, PAGE_SIZE, 3]
        assert [name for part in parts for name in part] == names(client, "?sort=name")
        page = client.get("/?page=2&q=hq&sort=name").text
        assert "Page 2 of 3" in page
        assert 'href="./?q=hq&amp;sort=name"' in page
        assert 'href="./?q=hq&amp;sort=name&amp;page=3"' in page

    def test_conditional(self, client: FlaskClient, clock: Clock) -> None:
        """The ETag is the same while only ages change, and another for another query, reading, silence or refusal."""
        clock.now += MINUTE + 1  # the last minute is empty then, and stays so
        path = "/api/v1/spaces"

        def etag(query: str = "") -> str:
            return client.get(path + query).headers["ETag"]

        def known(etag: str, query: str = "") -> bool:
            return client.get(path + query, headers={"If-None-Match": etag}).status_code == 304

        first = etag()
        assert first.startswith('W/"')
        clock.now += SECOND
        assert known(first)
        assert client.head(path).headers["ETag"] == first
        assert client.head(path, headers={"If-None-Match": first}).status_code == 304
        assert client.head(path).data == b""
        assert not known(first, "?page=1")
        assert not known(first, "?q=x")
        post(client, 5, "Desk 01", age=0)
        second = etag()
        assert second != first
        clock.now += 10 * MINUTE + 1
        third = etag()
        assert third != second
        client.post("/webhook", data=b"{")
        assert etag() != third

    def test_each_change_has_its_own_etag(self, clock: Clock, tmp_path: Path) -> None:
        """An older reading, a silence and a reloaded capacity file each change the ETag, long after the last event."""
        (tmp_path / "capacity.yml").write_text("capacity: [{max: 9}]")
        client = with_capacity(clock, str(tmp_path / "capacity.yml"))

        def etag_after(*events: ReadingEvent) -> str:
            client.post("/webhook", data=body(*events) if events else b"[]")
            clock.now += MINUTE
            return client.get("/api/v1/spaces").headers["ETag"]

        etags = [
            etag_after(delivery(NOW - MINUTE, 1, id="a"), delivery(NOW, 1, id="b")),
            etag_after(delivery(NOW - MINUTE, 2, id="c")),
            etag_after(delivery(NOW - 2 * MINUTE, 3, id="d")),
        ]
        assert etag_after() == etags[-1]
        assert client.post("/-/reload").status_code == 200
        etags.append(etag_after())
        clock.now += 10 * MINUTE
        etags.append(etag_after())
        assert len(set(etags)) == 5

    def test_a_measure_that_goes_stale(self, clock: Clock) -> None:
        """A measure that goes stale changes the ETag, even while another one keeps the zone fresh."""
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=body(delivery(NOW - 9 * MINUTE), delivery(measure=SMOOTHED)))
        clock.now += MINUTE
        before = client.get("/api/v1/spaces").headers["ETag"]
        clock.now += SECOND
        assert client.get("/api/v1/spaces", headers={"If-None-Match": before}).status_code == 200

    def test_shown_measure(self, clock: Clock) -> None:
        """A zone is shown by its fresh measure, and by the plain one if both are fresh."""
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=body(delivery(NOW - HOUR, 1), delivery(NOW, 2, measure=SMOOTHED)))
        answer = client.get("/api/v1/spaces").get_json()
        assert (answer["spaces"][0]["measure"], answer["totals"]["people"]) == ("ZONE_OCCUPANCY_1MIN", 2)
        client.post("/webhook", data=body(delivery(NOW, 1)))
        answer = client.get("/api/v1/spaces").get_json()
        assert (answer["spaces"][0]["measure"], answer["totals"]["people"]) == ("ZONE_OCCUPANCY", 1)

    def test_malformed_http(self, clock: Clock) -> None:
        """A request that is not HTTP is among the refusals."""
        exporter = build(clock=clock)
        exporter.ports[0].service.count_malformed()
        (refused,) = exporter.app.test_client().get("/api/v1/spaces").get_json()["events"]["refused"]
        assert refused["what"] == "malformed"


class TestClock:
    """Ages while the clock is behind the times that are known."""

    @pytest.mark.parametrize("back", [1, SECOND, HOUR])
    def test_no_age_is_below_0(self, client: FlaskClient, clock: Clock, back: int) -> None:
        """After the clock was set back, an age is 0 in the JSON and on both pages, and a delay is 0 on /metrics."""
        clock.now -= back
        client.post("/webhook", data=body(delivery(clock.now + MINUTE, 2, zone="zone_ahead", name="Ahead")))
        clock.now -= back
        answer = client.get("/api/v1/spaces").get_json()
        ages = {space["id"]: space["measures"]["ZONE_OCCUPANCY"]["age_seconds"] for space in answer["spaces"]}
        assert ages["zone_ahead"] == answer["events"]["age_seconds"] == 0
        assert min(ages.values()) >= 0
        space = client.get("/api/v1/spaces/zone/zone_ahead").get_json()
        assert space["measures"]["ZONE_OCCUPANCY"]["age_seconds"] == 0
        for path in ("/", "/spaces/zone/zone_ahead"):
            assert not re.search(r">-\d[^<]*</time>", client.get(path).text)
        assert "clamp_min(time() - butlr_zone_occupancy_timestamp_seconds" in client.get("/spaces/zone/zone_ahead").text
        (total,) = samples(client, "butlr_exporter_event_delay_seconds_sum")[:1]
        assert float(total.rpartition(" ")[2]) >= 0


class TestZone:
    """`GET /api/v1/spaces/zone/<zone_id>` and its page."""

    @pytest.fixture
    def zone(self, clock: Clock) -> FlaskClient:
        """Return a client of an app with a zone that has a corrected reading and both measures."""
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=body(delivery(NOW - MINUTE, 3, generation=G - 50)))
        clock.now += SECOND
        client.post("/webhook", data=body(delivery(NOW - MINUTE, 4, generation=G)))
        client.post("/webhook", data=body(delivery(NOW - MINUTE, 9, generation=G - 60)))
        client.post("/webhook", data=body(delivery(NOW, 2, id="x"), delivery(NOW, 2.5, id="y", measure=SMOOTHED)))
        return client

    def test_readings(self, zone: FlaskClient) -> None:
        """A reading has its value, history and the id of the delivery in effect."""
        answer = zone.get("/api/v1/spaces/zone/zone_a").get_json()
        first, second = answer["readings"]["ZONE_OCCUPANCY"]
        assert first == {
            "timestamp": "2027-01-15T07:59:00Z",
            "value": 4,
            "revisions": 1,
            "deliveries": 3,
            "generation": "2027-01-15T08:00:00Z",
            "outcome": "superseded",
            "arrival": "2027-01-15T08:00:01Z",
            "id": delivery(generation=G).id,
        }
        assert (second["id"], second["generation"], second["outcome"]) == ("x", None, "new")
        assert [reading["value"] for reading in answer["readings"]["ZONE_OCCUPANCY_1MIN"]] == [2.5]
        assert answer["rule"] is None

    def test_corrected_readings(self, zone: FlaskClient) -> None:
        """The page explains its circles."""
        assert "A circle is a reading that Butlr corrected." in zone.get("/spaces/zone/zone_a").text

    def test_capacity_rule(self, clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> None:
        """A zone has the line, the patterns and the capacity of the rule that matches it."""
        file = tmp_path_factory.mktemp("capacity") / "capacity.yml"
        file.write_text(
            'capacity:\n  - {zone_name: "Desk *", max: 6}\n  - {zone_name: Hall, max: null}\n  - {max: 7}\n'
        )
        client = with_capacity(clock, str(file))
        for name in ("Desk 01", "Hall", "Yard"):
            post(client, 1, name)
        rules = {
            name: client.get(f"/api/v1/spaces/zone/zone_{name}").get_json()["rule"] for name in ("Desk 01", "Hall")
        }
        assert rules == {
            "Desk 01": {"line": 2, "fields": {"zone_name": "Desk *"}, "max": 6},
            "Hall": {"line": 3, "fields": {"zone_name": "Hall"}, "max": None},
        }
        page = client.get("/spaces/zone/zone_Desk 01").text
        assert "6, by line 2 of the capacity file: <code>zone_name</code> is <code>Desk *</code>." in page
        assert "any zone" in client.get("/spaces/zone/zone_Yard").text

    def test_unknown_zone(self, client: FlaskClient) -> None:
        """An unknown zone is answered with a problem, by the page as well."""
        for path in ("/spaces/zone/none", "/api/v1/spaces/zone/none", "/spaces/zone/", "/api/v1/spaces/zone/"):
            problem(client.get(path), 404)

    def test_conditional(self, zone: FlaskClient, clock: Clock) -> None:
        """The ETag of a zone is the same while only ages change, and another after a repetition or a silence."""
        path = "/api/v1/spaces/zone/zone_a"
        etag = zone.get(path).headers["ETag"]
        clock.now += SECOND
        assert zone.get(path, headers={"If-None-Match": etag}).status_code == 304
        zone.post("/webhook", data=body(delivery(NOW, 2, id="z")))
        assert zone.get(path, headers={"If-None-Match": etag}).status_code == 200
        etag = zone.get(path).headers["ETag"]
        clock.now += 10 * MINUTE
        assert zone.get(path, headers={"If-None-Match": etag}).status_code == 200
