"""Kinds of places on the pages and in the JSON: a tab for each, and the places inside a floor or room."""

import re
from html import unescape
from typing import Any
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from exporter.app import create_app
from exporter.events.measures import Measure
from exporter.rule.store import Store
from exporter.web.pages import display
from exporter.web.pages.listing import PAGE_SIZE
from tests.support.crossings import crossing
from tests.support.crossings import payload as traffic
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, Clock, delivery, payload
from tests.support.responses import problem


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves."""
    return Clock()


@pytest.fixture
def client(clock: Clock) -> FlaskClient:
    """Return a client of an app without spaces."""
    return create_app(clock=clock).test_client()


def post(client: FlaskClient, measure: Measure, space_id: str, value: float = 1, **metadata: str) -> None:
    """Post one reading of a space with this id and more metadata."""
    item = payload(delivery(v=value, measure=measure, zone=space_id, id=f"{measure} {space_id} {value}"))
    item["metadata"] |= {"site_name": "SF", "building_name": "HQ"} | metadata
    assert client.post("/webhook", json=item).status_code == 200


def a_floor(client: FlaskClient) -> None:
    """Post a floor with a room and its zone, a sensor, and a room of another floor."""
    post(client, Measure.FLOOR_OCCUPANCY, "f1", 9, floor_name="1st Floor")
    post(client, Measure.ROOM_OCCUPANCY, "r1", 4, floor_id="f1", room_name="Birch")
    post(client, Measure.MOTION, "r1", 1, floor_id="f1", room_name="Birch")
    post(client, Measure.ROOM_OCCUPANCY, "r2", 3, floor_id="f2", room_name="Oak")
    post(client, Measure.ZONE_OCCUPANCY, "z1", 2, floor_id="f1", room_id="r1", room_name="Birch", zone_name="Pod")
    post(client, Measure.DETECTIONS, "s1", 1, floor_id="f1", room_id="r1", room_name="Birch")


def tabs(client: FlaskClient, path: str = "/") -> list[tuple[str, str, bool]]:
    """Return the text and address of each tab of a page, and whether it is the present one."""
    (nav,) = re.findall('<nav class="kinds".*?</nav>', client.get(path).text, re.DOTALL) or [""]
    links = re.findall(r'<a href="([^"]*)"( aria-current="page")?>(\w+) <span class="more">(\d+)</span>', nav)
    return [
        (f"{text} {number}", urljoin(path, unescape(address)), bool(current))
        for address, current, text, number in links
    ]


def listed(client: FlaskClient, path: str) -> list[str]:
    """Return the addresses of the spaces that a page lists."""
    return re.findall(r'<th scope="row"><a href="[./]*/spaces/([^"]*)"', client.get(path).text)


class TestTabs:
    """The page at `/` shows one kind of places at a time."""

    def test_only_kinds_that_have_spaces(self, client: FlaskClient) -> None:
        """There is a tab for each kind that has spaces, and none where there is only one such kind."""
        assert tabs(client) == []
        post(client, Measure.ROOM_OCCUPANCY, "r")
        assert tabs(client) == []
        assert listed(client, "/") == ["room/r"]
        assert 'id="matched">1 room</p>' in client.get("/").text
        post(client, Measure.FLOOR_OCCUPANCY, "f")
        assert tabs(client) == [("Rooms 1", "/", True), ("Floors 1", "/?kind=floor", False)]

    def test_each_tab(self, client: FlaskClient) -> None:
        """A tab lists and counts the places of its kind alone, and keeps the search."""
        a_floor(client)
        assert [text for text, _, _ in tabs(client)] == ["Zones 1", "Rooms 2", "Floors 1", "Sensors 1"]
        for (_, address, _), places in zip(
            tabs(client), [["zone/z1"], ["room/r1", "room/r2"], ["floor/f1"], ["sensor/s1"]], strict=True
        ):
            assert sorted(listed(client, address)) == places
            assert [current for _, of, current in tabs(client, address) if of == address] == [True]
        assert listed(client, "/?kind=room&q=birch") == ["room/r1"]
        assert ("Zones 1", "/?q=birch", False) in tabs(client, "/?kind=room&q=birch&page=1")
        assert '<input type="hidden" name="kind" value="room">' in client.get("/?kind=room").text
        assert 'name="kind"' not in client.get("/").text
        assert 'data-api="./api/v1/spaces?kind=zone"' in client.get("/").text

    def test_people_are_those_of_the_building(self, client: FlaskClient) -> None:
        """Each tab has the people of all floors: by Butlr's own count of the one, and by the rooms of the other."""
        a_floor(client)
        for kind in ("zone", "room", "floor", "sensor"):
            page = client.get(f"/?kind={kind}").text
            assert "<span>People</span> <strong>12</strong>" in page
            assert "Butlr&#39;s own count of 1 floor, sums on 1" in page

    def test_a_kind_without_spaces(self, client: FlaskClient) -> None:
        """A kind that was asked for and has no spaces is said to have none, beside the tabs of the others."""
        post(client, Measure.ZONE_OCCUPANCY, "z")
        post(client, Measure.ROOM_OCCUPANCY, "r")
        page = client.get("/?kind=floor").text
        assert "No floor is known." in page
        assert "No place is known" not in page
        assert [current for _, _, current in tabs(client, "/?kind=floor")] == [False, False]

    def test_motion_of_rooms(self, client: FlaskClient, clock: Clock) -> None:
        """Rooms have a column for motion once one of them has it, with the time since which it is so."""
        post(client, Measure.ROOM_OCCUPANCY, "r2", 3)
        assert '<th scope="col" class="motion">Motion</th>' not in client.get("/").text
        post(client, Measure.MOTION, "r1", 1)
        clock.now += 5 * MINUTE
        page = client.get("/").text
        assert '<th scope="col" class="motion">Motion</th>' in page
        assert re.search(r"<td>motion <span class=\"more\">for <time [^>]*>5 min</time></span></td>", page)

    def test_sensors(self, client: FlaskClient) -> None:
        """A sensor is listed by its id, with the people that it sees, and offers no order by people."""
        a_floor(client)
        page = client.get("/?kind=sensor").text
        assert "<bdi>s1</bdi></a>" in page
        assert '<td class="number">1</td>' in page
        assert 'value="crowded"' not in page
        assert 'value="people"' not in page
        for sort in ("people", "full", "age", "name"):
            assert listed(client, f"/?kind=sensor&sort={sort}") == ["sensor/s1"]


class TestJson:
    """The same choice in `GET /api/v1/spaces`."""

    def test_kinds(self, client: FlaskClient) -> None:
        """Every kind is listed unless one is asked for; the people of all kinds are those of the floors, each once."""
        a_floor(client)
        everything = client.get("/api/v1/spaces").get_json()
        assert [space["id"] for space in everything["spaces"]] == ["z1", "r1", "r2", "f1", "s1"]
        assert everything["totals"] == {"spaces": 5, "fresh": 5, "stale": 0, "crowded": 0, "people": 12, "missing": 0}
        rooms = client.get("/api/v1/spaces?kind=room&sort=people").get_json()
        assert [space["id"] for space in rooms["spaces"]] == ["r1", "r2"]
        assert rooms["totals"] == {"spaces": 2, "fresh": 2, "stale": 0, "crowded": 0, "people": 7, "missing": 0}

    def test_people_of_all_kinds(self, client: FlaskClient) -> None:
        """The people of a floor are Butlr's own count, else those of its zones, else those of its rooms."""
        a_floor(client)
        post(client, Measure.ZONE_OCCUPANCY, "z2", 5, floor_id="f2", zone_name="Pod")
        post(client, Measure.ZONE_OCCUPANCY, "z3", 100, floor_id="f3", zone_name="Hall")
        post(client, Measure.ROOM_OCCUPANCY_1MIN, "r3", 6, floor_id="f4", room_name="Elm")
        post(client, Measure.ZONE_OCCUPANCY, "z4", 7, floor_name="Annex", zone_name="Lobby")
        for kind, people in (("", 9 + 5 + 100 + 6 + 7), ("floor", 9), ("zone", 114), ("room", 13), ("sensor", 0)):
            assert client.get(f"/api/v1/spaces?kind={kind}").get_json()["totals"]["people"] == people

    def test_unknown_kind(self, client: FlaskClient) -> None:
        """An unknown kind is rejected, by the page as well."""
        for path in ("/", "/api/v1/spaces"):
            detail = problem(client.get(f"{path}?kind=rooms"), 400)["detail"]
            assert detail == "kind must be one of zone, room, floor, sensor; did you mean room?"

    def test_etag(self, client: FlaskClient, clock: Clock) -> None:
        """A page is told of the first space of another kind, which is a new tab; the ETag stays while ages grow."""
        post(client, Measure.ZONE_OCCUPANCY, "z")
        clock.now += 2 * MINUTE
        before = client.get("/api/v1/spaces?kind=zone").headers["ETag"]
        clock.now += SECOND
        assert client.get("/api/v1/spaces?kind=zone").headers["ETag"] == before
        post(client, Measure.DETECTIONS, "s")
        assert client.get("/api/v1/spaces?kind=zone").headers["ETag"] != before


class TestInside:
    """The page of a floor has its rooms, zones and sensors; that of a room its zones and sensors."""

    def inside(self, client: FlaskClient, path: str) -> dict[str, Any]:
        """Return the names of the spaces of each kind that lie in a space."""
        found = client.get(f"/api/v1/spaces/{path}").get_json()["inside"]
        return {kind: [space["id"] for space in each["spaces"]] for kind, each in found.items()}

    def test_floor(self, client: FlaskClient) -> None:
        """A floor's page links to each place on it, with people and motion, and back to all floors."""
        a_floor(client)
        assert self.inside(client, "floor/f1") == {"room": ["r1"], "zone": ["z1"], "sensor": ["s1"]}
        page = client.get("/spaces/floor/f1").text
        assert listed(client, "/spaces/floor/f1") == ["room/r1", "zone/z1", "sensor/s1"]
        assert "<td>motion <span" in page
        assert "<p><bdi>HQ</bdi>, <bdi>SF</bdi></p>" in page
        assert '<a href="../../?kind=floor">All floors</a>' in page

    def test_room(self, client: FlaskClient) -> None:
        """A room's page links to its zones and sensors; a zone and a sensor have nothing inside."""
        a_floor(client)
        assert self.inside(client, "room/r1") == {"zone": ["z1"], "sensor": ["s1"]}
        assert self.inside(client, "room/r2") == {}
        assert self.inside(client, "zone/z1") == {}
        assert self.inside(client, "sensor/s1") == {}
        assert "Capacity" not in client.get("/spaces/sensor/s1").text

    def test_many(self, client: FlaskClient) -> None:
        """A page has the first hundred places, and leads to all of them."""
        post(client, Measure.FLOOR_OCCUPANCY, "f1", floor_name="1st Floor")
        for n in range(PAGE_SIZE + 1):
            post(client, Measure.ZONE_OCCUPANCY, f"z{n:03}", floor_id="f1")
        found = client.get("/api/v1/spaces/floor/f1").get_json()["inside"]["zone"]
        assert (found["number"], len(found["spaces"])) == (PAGE_SIZE + 1, PAGE_SIZE)
        (link,) = re.findall(r'<a href="([^"]*)">All 101 zones</a>', client.get("/spaces/floor/f1").text)
        assert 'id="matched">101 zones' in client.get(urljoin("/spaces/floor/f1", unescape(link))).text

    def test_etag(self, client: FlaskClient, clock: Clock) -> None:
        """The ETag of a floor changes with a room on it, and stays while ages grow."""
        a_floor(client)
        before = client.get("/api/v1/spaces/floor/f1").headers["ETag"]
        clock.now += SECOND
        assert client.get("/api/v1/spaces/floor/f1").headers["ETag"] == before
        post(client, Measure.ROOM_OCCUPANCY, "r1", 5, floor_id="f1", room_name="Birch")
        assert client.get("/api/v1/spaces/floor/f1").headers["ETag"] != before


class TestEntryway:
    """The page of a sensor at a door."""

    @pytest.fixture
    def door(self, client: FlaskClient) -> FlaskClient:
        """Return a client of an app with an entryway that three people entered an hour ago, and that one left now."""
        for crossed in (crossing(1, 3, 0, t=NOW - HOUR), crossing(2, 0, 1, t=NOW)):
            assert client.post("/webhook", json=traffic(crossed)).status_code == 200
        return client

    def test_list(self, door: FlaskClient) -> None:
        """An entryway is listed with all that was counted, in and out; it sees nobody as it sends no detections."""
        cells = re.findall('<td class="number">([^<]*)</td>', door.get("/").text)
        assert cells[:3] == [display.NONE, "3", "1"]

    def test_day(self, door: FlaskClient) -> None:
        """The page has the people of the day and of each hour with some, as a drawing and as a table."""
        page = door.get("/spaces/sensor/sensor_a").text
        assert '<p class="count">3 in, 1 out <span class="more">since ' in page
        assert page.count('<rect class="in"') == page.count('<rect class="out"') == 1
        hours = re.findall(r">(\d\d:\d\d)</time></td><td class=\"number\">(\d+)</td><td class=\"number\">(\d+)<", page)
        assert hours == [("08:00", "0", "1"), ("07:00", "3", "0")]
        assert "butlr_entryway_crossings_total{sensor_id=&#34;sensor_a&#34;}" in page
        assert "Readings, CROSSINGS" not in page

    def test_nobody(self, door: FlaskClient, clock: Clock) -> None:
        """A day on, nobody crossed within the day; what was counted in all stays."""
        clock.now += 23 * HOUR
        client = door
        assert client.post("/webhook", json=traffic(crossing(3, 0, 0, t=NOW + 23 * HOUR))).status_code == 200
        clock.now += 3 * HOUR
        page = client.get("/spaces/sensor/sensor_a").text
        assert "0 in, 0 out" in page
        assert "Nobody crossed." in page
        assert "Counted in all: 3 in, 1 out." in page

    def test_forgotten_meanwhile(self, door: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        """A space that is forgotten while its page is made has a page without readings and crossings."""
        post(door, Measure.ZONE_OCCUPANCY, "zone_a")
        monkeypatch.setattr(Store, "crossings", lambda *_: None)
        monkeypatch.setattr(Store, "readings", lambda *_: [])
        assert "Nobody crossed." in door.get("/spaces/sensor/sensor_a").text
        assert door.get("/api/v1/spaces/sensor/sensor_a").get_json()["day"]["in"] == 0
        assert door.get("/spaces/zone/zone_a").status_code == door.get("/").status_code == 200

    def test_json(self, door: FlaskClient, clock: Clock) -> None:
        """The JSON has the same day, and its ETag changes with a crossing, not with the time."""
        path = "/api/v1/spaces/sensor/sensor_a"
        day = door.get(path).get_json()["day"]
        assert (day["since"], day["in"], day["out"], len(day["hours"])) == ("2027-01-15T07:00:00Z", 3, 1, 2)
        before = door.get(path).headers["ETag"]
        clock.now += SECOND
        assert door.get(path).headers["ETag"] == before
        door.post("/webhook", json=traffic(crossing(2, 0, 2, t=NOW)))
        assert door.get(path).headers["ETag"] != before
        post(door, Measure.DETECTIONS, "s")
        assert door.get("/api/v1/spaces/sensor/s").get_json()["day"] is None
