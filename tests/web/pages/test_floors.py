"""Floors on the page at `/`: their headings, their index, and the people on each."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from exporter.app import create_app
from exporter.events.measures import Measure
from exporter.settings.declared import Settings
from exporter.web.pages.listing import INDEX_SIZE, PAGE_SIZE
from tests.support.crossings import crossing, sensor
from tests.support.crossings import payload as traffic
from tests.support.deliveries import HOUR, NOW, Clock, delivery, payload

ZONE, ROOM, FLOOR = Measure.ZONE_OCCUPANCY, Measure.ROOM_OCCUPANCY, Measure.FLOOR_OCCUPANCY


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """Return a client of an app where zones and floors have a capacity."""
    (tmp_path / "capacity.yml").write_text("capacity: [{kind: floor, max: 10}, {max: 4}]")
    return create_app(Settings(capacity_file=str(tmp_path / "capacity.yml")), Clock()).test_client()


def post(
    client: FlaskClient,
    measure: Measure,
    value: float,
    space_id: str,
    floor: str = "1st Floor",
    age: int = 0,
    **names: str,
) -> None:
    """Post one reading of a space on a floor of HQ."""
    item = payload(delivery(NOW - age, value, measure=measure, zone=space_id, id=f"{measure} {space_id} {value}"))
    item["metadata"] |= {"building_name": "HQ", "floor_name": floor} | names
    assert client.post("/webhook", json=item).status_code == 200


def read(text: str) -> str:
    """Return the text of a part of a page, as a person reads it."""
    return " ".join(unescape(re.sub("<[^>]*>", "", text)).split())


def headings(client: FlaskClient, path: str = "/") -> list[str]:
    """Return the heading of each floor."""
    return [read(each) for each in re.findall("<summary><h3>(.*?)</summary>", client.get(path).text, re.DOTALL)]


def index(client: FlaskClient, path: str = "/") -> list[tuple[str, str]]:
    """Return the text and address of each floor in the index."""
    (nav,) = re.findall('<nav class="floors".*?</nav>', client.get(path).text, re.DOTALL) or [""]
    items = re.findall(r'<li [^>]*><a href="([^"]*)">(.*?)</li>', nav, re.DOTALL)
    return [(read(text), urljoin(path, unescape(address))) for address, text in items]


def people(client: FlaskClient) -> str:
    """Return the number of people in the first tile, and where it is from."""
    return read(re.findall("<span>People</span>(.*?)</a>", client.get("/").text, re.DOTALL)[0])


class TestHeadings:
    """A floor is a heading that can be folded."""

    def test_numbers(self, client: FlaskClient) -> None:
        """A heading has the people of the floor, its zones in use, those over capacity and those that are silent."""
        for space_id, value in (("a", 7), ("b", 4), ("c", 0)):
            post(client, ZONE, value, space_id)
        post(client, ZONE, 3, "d", age=HOUR)
        assert headings(client) == [
            "1st Floor, HQ: 11 people, 2 of 4 zones in use 1 over 1 silent people: sum of its zones"
        ]
        assert client.get("/").text.count('<details class="group" open') == 1

    def test_own_count(self, client: FlaskClient) -> None:
        """Butlr's own count of a floor is the floor's number, with its capacity; a sum of zones is not added."""
        post(client, ZONE, 7, "a", floor_id="f1")
        post(client, FLOOR, 12, "f1")
        (heading,) = headings(client)
        assert heading.startswith(
            "1st Floor, HQ: 12 people, room for 10, 1 of 1 zone in use floor over capacity by 2 1 over"
        )
        assert heading.endswith("Butlr's own count of the floor")
        assert people(client) == "12 Butlr's own count of 1 floor"

    def test_a_zone_without_the_id_of_its_floor(self, client: FlaskClient) -> None:
        """A zone that names its floor without an id lies on the floor of that name."""
        post(client, FLOOR, 5, "f1")
        post(client, ZONE, 2, "a")
        post(client, ZONE, 2, "b", floor_id="f1")
        assert people(client) == "5 Butlr's own count of 1 floor"
        assert len(headings(client)) == 1

    def test_order(self, client: FlaskClient) -> None:
        """Floors and zones are in their natural order."""
        for floor in ("10th Floor", "2nd Floor", "Ground", "1st Floor"):
            post(client, ZONE, 1, floor, floor=floor)
        assert [text.partition(",")[0] for text in headings(client)] == [
            "Ground",
            "1st Floor",
            "2nd Floor",
            "10th Floor",
        ]
        for number in (10, 9):
            post(client, ZONE, 1, f"z{number}", floor="Ground", zone_name=f"Desk {number}")
        page = client.get("/?floor=Ground,+HQ").text
        assert re.findall("<bdi>(Desk [0-9]+)</bdi>", page) == ["Desk 01", "Desk 9", "Desk 10"]

    def test_a_filter_leaves_the_numbers(self, client: FlaskClient) -> None:
        """A search lists some zones of a floor under the numbers of the whole floor."""
        post(client, ZONE, 7, "a", zone_name="Hall")
        post(client, ZONE, 2, "b", zone_name="Desk")
        assert headings(client, "/?q=hall")[0].startswith("1st Floor, HQ: 9 people, 2 of 2 zones in use")
        assert "<bdi>Desk</bdi>" not in client.get("/?q=hall").text

    def test_without_any_names(self, client: FlaskClient) -> None:
        """Zones of which no floor is known have a heading of their own, and so a page."""
        post(client, ZONE, 1, "a")
        post(client, ZONE, 1, "b", floor="", building_name="")
        assert headings(client)[1].startswith("No floor: 1 person, 1 of 1 zone in use")
        assert "<bdi>b</bdi>" not in client.get("/?floor=1st+Floor,+HQ").text
        assert headings(client, "/?floor=\N{EN DASH}")[0].startswith("No floor: 1 person")

    def test_buildings(self, client: FlaskClient) -> None:
        """Floors are listed under their building, whose people are those of all its floors, also of uncounted ones."""
        post(client, FLOOR, 5, "f1")
        post(client, FLOOR, 0, "f2")
        post(client, ZONE, 3, "a", floor="3rd Floor")
        (heading,) = headings(client, "/?kind=floor")
        assert heading == "HQ: 8 people, 1 of 2 floors in use 3 of them on floors without a count of their own"

    def test_all_silent(self, client: FlaskClient) -> None:
        """A floor without present data has no number of people, and says since when."""
        post(client, ZONE, 3, "a", age=HOUR)
        post(client, ZONE, 3, "b", age=2 * HOUR)
        assert headings(client) == ["1st Floor, HQ: 2 zones no data since 07:00 UTC"]
        assert people(client) == "\N{EN DASH} no place has a present count"


class TestIndex:
    """More zones than fit on a page are reached from an index of floors."""

    def test_a_small_building(self, client: FlaskClient) -> None:
        """On one page the index leads to the headings below it, and one floor alone needs no index."""
        post(client, ZONE, 7, "a")
        assert index(client) == []
        post(client, ZONE, 2, "b", floor="2nd Floor", floor_id="f2")
        (first, address), (second, _) = index(client)
        assert (first, second) == ("1st Floor 7 1 over", "2nd Floor 2")
        assert f'id="{address.partition("#")[2]}"' in client.get("/").text

    def test_a_large_building(self, client: FlaskClient) -> None:
        """The index leads to a page for each floor, and there is no list of all zones in pages."""
        for n in range(2 * PAGE_SIZE):
            post(client, ZONE, 1, f"z{n}", floor=f"{n % 4}. Floor", floor_id=f"f{n % 4}", zone_name=f"Desk {n}")
        assert headings(client) == []
        page = client.get("/").text
        assert "Next" not in page
        assert "<table" not in page
        texts = [text for text, _ in index(client)]
        assert texts == [f"{n}. Floor 50" for n in range(4)]
        for n, (_, address) in enumerate(index(client)):
            assert headings(client, address)[0].startswith(f"{n}. Floor, HQ: 50 people, 50 of 50 zones in use")
            assert client.get(address).text.count('<th scope="row">') == 50
        assert len(index(client, "/?q=desk+1")) == 4
        assert "floor=f1&amp;q=desk+1" in client.get("/?q=desk+1").text

    def test_several_buildings(self, client: FlaskClient) -> None:
        """With several buildings the index names the building of each floor."""
        for building in ("HQ", "Annex"):
            post(client, ZONE, 1, building, building_name=building)
        assert [text for text, _ in index(client)] == ["1st Floor Annex 1", "1st Floor HQ 1"]

    def test_a_floor_that_is_counted(self, client: FlaskClient) -> None:
        """The list of a floor's zones leads to the page of the floor itself, if Butlr counts its people."""
        post(client, ZONE, 1, "a", floor_id="f1")
        assert "About this floor" not in client.get("/?floor=f1").text
        post(client, FLOOR, 1, "f1")
        assert '<a href="./spaces/floor/f1">About this floor</a>' in client.get("/?floor=f1").text

    def test_a_large_floor(self, client: FlaskClient) -> None:
        """A floor with more zones than fit on a page has several."""
        for n in range(PAGE_SIZE + 1):
            post(client, ZONE, 1, f"z{n}")
        page = client.get("/?page=2").text
        assert "Page 2 of 2" in page
        assert page.count('<th scope="row">') == 1
        assert headings(client, "/?page=2")[0].startswith(f"1st Floor, HQ: {PAGE_SIZE + 1} people")

    def test_very_many_floors(self, client: FlaskClient) -> None:
        """The index itself has pages, so that no building makes a page without end."""
        for n in range(INDEX_SIZE + 1):
            post(client, ZONE, 1, f"z{n}", floor=f"Floor {n}")
        assert [len(index(client, f"/?page={page}")) for page in (1, 2)] == [INDEX_SIZE, 1]

    def test_json(self, client: FlaskClient) -> None:
        """The API finds the spaces of a floor, of every kind."""
        post(client, ZONE, 7, "a", floor_id="f1")
        post(client, FLOOR, 12, "f1")
        post(client, ROOM, 1, "r", floor="2nd Floor", floor_id="f2")
        found = client.get("/api/v1/spaces?floor=f1").get_json()
        assert ([space["id"] for space in found["spaces"]], found["matched"]) == (["a", "f1"], 2)
        assert client.get("/api/v1/spaces?kind=room&floor=f2").get_json()["matched"] == 1
        assert client.get("/api/v1/spaces?floor=none").get_json()["matched"] == 0


class TestAccounts:
    """An account with only one kind of places has true totals."""

    def test_only_rooms(self, client: FlaskClient) -> None:
        """With rooms alone the people are those of the rooms."""
        post(client, ROOM, 3, "a")
        post(client, ROOM, 2, "b", floor="2nd Floor")
        assert people(client) == "5 sum of rooms"
        assert headings(client)[0] == "1st Floor, HQ: 3 people, 1 of 1 room in use people: sum of its rooms"
        assert client.get("/api/v1/spaces").get_json()["totals"]["people"] == 5

    def test_only_floors(self, client: FlaskClient) -> None:
        """With floors alone the people are those of the floors, and one that is too full is counted."""
        post(client, FLOOR, 12, "a")
        post(client, FLOOR, 2, "b")
        assert people(client) == "14 Butlr's own count of 2 floors"
        assert headings(client) == ["HQ: 14 people, 2 of 2 floors in use 1 over"]
        assert "1 floor</span>" in client.get("/").text

    def test_only_sensors(self, client: FlaskClient) -> None:
        """With sensors alone no tile counts people, places over capacity or silent ones: sensors have none of them."""
        post(client, Measure.DETECTIONS, 2, "s", age=HOUR)
        page = client.get("/").text
        assert "<span>People</span>" not in page
        assert read(re.findall('<ul class="tiles">(.*?)</ul>', page, re.DOTALL)[0]).startswith(
            "Sensors 1 without a count of people Last event 0 s"
        )
        assert headings(client) == ["1st Floor, HQ: 1 sensor"]
        assert "<p>1 event in the last minute: 1 new." in page

    def test_only_entryways(self, client: FlaskClient) -> None:
        """With entryways alone the people who came and went are added up, also below a sensor that sees somebody."""
        for number, sensor_id in enumerate(("north", "south")):
            crossed = traffic(crossing(number, 3, 1), sensor(sensor_id))
            assert client.post("/webhook", json=crossed).status_code == 200
        post(client, Measure.DETECTIONS, 2, "south")
        assert "6 in, 2 out, counted in all" in client.get("/").text
        assert [text.partition(": ")[2] for text in headings(client)] == ["1 sensor, 3 in, 1 out"] * 2

    def test_only_motion(self, client: FlaskClient) -> None:
        """With motion alone no number of people is claimed, and a room with motion is in use."""
        post(client, Measure.MOTION, 1, "a")
        post(client, Measure.MOTION, 0, "b")
        page = client.get("/").text
        assert "<span>Rooms</span> <strong>2</strong>" in page
        assert headings(client) == ["1st Floor, HQ: 1 of 2 rooms in use"]

    def test_silent_floor_with_rooms(self, client: FlaskClient) -> None:
        """Where the floor's own count is silent, its zones count, and where these are, its rooms."""
        post(client, FLOOR, 9, "f1", age=HOUR)
        post(client, ZONE, 5, "a", floor_id="f1", age=HOUR)
        post(client, ROOM, 3, "r", floor_id="f1")
        assert people(client) == "3 sum of rooms"
        post(client, ZONE, 6, "a", floor_id="f1")
        assert people(client) == "6 sum of zones, which may overlap"
