"""Spaces that Butlr lists and that nothing ever came from, on the pages and in the API."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from exporter.app import Exporter
from exporter.events.measures import Kind
from exporter.inventory import Assets
from exporter.pieces import in_pieces
from exporter.web.pages import cloud as cloud_module
from exporter.web.pages.cloud import Directory
from tests.support.connected import POD, named, send, text
from tests.support.deliveries import HOUR, NOW
from tests.support.inventories import ROOM, asset, device, inventory


class TestMissing:
    """Spaces that Butlr lists and that nothing ever came from."""

    def test_the_list(self, exporter: Exporter, client: FlaskClient) -> None:
        """The totals have their number, the list has a line with name, place and capacity, by place."""
        exporter.assets.replace(
            inventory(
                named(Kind.ZONE, "zone_b", "Booth 10", capacity=2),
                named(Kind.ZONE, "zone_c", "Booth 9"),
                asset(Kind.ZONE, "zone_a"),
            )
        )
        send(client, "zone_a")
        page = text(client.get("/").text)
        assert "Missing 2 2 zones that never reported" in page
        assert page.index("Booth 9 1st Floor, Main, HQ") < page.index("Booth 10 1st Floor, Main, HQ 2")
        only = text(client.get("/?state=missing").text)
        assert "2 zones that Butlr lists and that never reported" in only
        assert "Booth 9 1st Floor" in only
        assert "Desk 01" not in only
        assert "Booth" not in client.get("/?state=fresh").text
        assert "Booth 10" in client.get("/?q=booth+10").text
        assert "Booth 9" not in client.get("/?q=booth+10").text
        assert "No zone is missing here." in text(client.get("/?state=missing&q=nowhere").text)

    def test_nothing_is_missing(self, exporter: Exporter, client: FlaskClient) -> None:
        """Where nothing is missing and all devices are online, the page shows nothing of it."""
        exporter.assets.replace(inventory(asset(Kind.ZONE, "zone_a"), sensors=(device("a"),)))
        send(client, "zone_a")
        page = text(client.get("/").text)
        for word in ("Missing", "missing", "Offline", "offline"):
            assert word not in page

    def test_no_kind_that_never_came_stands_out(self, exporter: Exporter, client: FlaskClient) -> None:
        """Where only zones are delivered, floors and rooms are in no tile and no list, but are found."""
        exporter.assets.replace(
            inventory(asset(Kind.ZONE, "zone_a"), named(Kind.ROOM, "room_1", "Birch"), asset(Kind.FLOOR, "space_1"))
        )
        send(client, "zone_a")
        page = client.get("/").text
        assert "never reported" not in page
        assert "Birch" not in page
        unknown = text(client.get("/?kind=room").text)
        missing = text(client.get("/?kind=room&state=missing").text)
        assert "Butlr lists 1 room" in unknown
        assert "like every room" in missing
        for page in (unknown, missing):
            assert "perhaps poll_measurements or the event types of the webhook leave rooms out" in page
        assert "nothing ever came from any room" in text(client.get("/spaces/room/room_1").text)
        assert client.get("/api/v1/spaces").get_json()["totals"]["missing"] == 2

    def test_right_after_connecting(self, exporter: Exporter, client: FlaskClient) -> None:
        """Before anything came, the page says what Butlr lists and what to do next."""
        zones = [named(Kind.ZONE, f"zone_{n}", f"Desk {n}") for n in range(40)]
        exporter.assets.replace(inventory(*zones, asset(Kind.FLOOR, "space_1")))
        page = text(client.get("/").text)
        assert "Butlr lists 40 zones and 1 floor; none has reported yet" in page
        assert "butlr-exporter webhooks apply --url https://" in page
        assert "--poll 60s" in page
        assert "Desk 39" in page

    def test_many_have_pages(self, exporter: Exporter, client: FlaskClient) -> None:
        """A hundred of them are on a page, on the JSON's pages too."""
        exporter.assets.replace(inventory(*[named(Kind.ZONE, f"zone_{n:03}", f"Desk {n:03}") for n in range(150)]))
        send(client, "zone_000")
        assert "All 149 missing zones" in client.get("/").text
        second = client.get("/?state=missing&page=2").text
        assert ("Desk 100<" in second, "Desk 101<" in second, "Page 2 of 2" in second) == (False, True, True)
        answer = client.get("/api/v1/spaces?page=2").get_json()
        assert (answer["matched"], answer["pages"], len(answer["spaces"])) == (150, 2, 50)
        assert answer["spaces"][0]["id"] == "zone_100"

    def test_json(self, exporter: Exporter, client: FlaskClient) -> None:
        """The JSON has them behind the others, with their state and without measures."""
        exporter.assets.replace(inventory(named(Kind.ZONE, "zone_b", "Booth", capacity=2), asset(Kind.ZONE, "zone_a")))
        send(client, "zone_a")
        answer = client.get("/api/v1/spaces").get_json()
        assert [(space["id"], space["state"]) for space in answer["spaces"]] == [
            ("zone_a", "fresh"),
            ("zone_b", "missing"),
        ]
        assert (answer["totals"]["spaces"], answer["totals"]["missing"], answer["matched"]) == (1, 1, 2)
        (missing,) = client.get("/api/v1/spaces?state=missing").get_json()["spaces"]
        assert (missing["measures"], missing["measure"], missing["capacity"]) == ({}, None, 2)
        assert missing["metadata"]["zone_name"] == "Booth"
        assert client.get("/api/v1/spaces?state=missing&kind=room").get_json()["spaces"] == []
        for floor, found in (("space_1", 1), ("1st Floor, Main, HQ", 1), ("space_2", 0)):
            query = {"state": "missing", "floor": floor}
            assert client.get("/api/v1/spaces", query_string=query).get_json()["matched"] == found

    def test_the_page_of_one(self, exporter: Exporter, client: FlaskClient) -> None:
        """A missing space has a page with its place, capacity, tags and sensors, and nothing to forget."""
        exporter.assets.replace(
            inventory(
                named(Kind.ZONE, "zone_b", "Booth", ROOM, tags=("Quiet", "Phone"), capacity=2),
                asset(Kind.ZONE, "zone_a"),
                sensors=(device("a", ROOM, is_online=False, heard_ms=NOW - 3 * HOUR), device("b", ROOM)),
            )
        )
        send(client, "zone_a")
        page = text(client.get("/spaces/zone/zone_b").text)
        for words in (
            "Booth missing 1 of 2 sensors offline",
            "Birch, 1st Floor, Main, HQ",
            "Butlr lists this zone, and nothing ever came from it.",
            "Tags: Quiet, Phone.",
            "Capacity 2, as configured at Butlr",
            "offline 3 h ago",
        ):
            assert words in page
        assert "Forget" not in page
        assert client.delete("/api/v1/spaces/zone/zone_b").status_code == 404
        assert client.get("/spaces/zone/zone_x").status_code == 404
        space = client.get("/api/v1/spaces/zone/zone_b").get_json()
        assert (space["state"], space["tags"], space["readings"]) == ("missing", ["Quiet", "Phone"], {})
        assert space["sensors"] == {"number": 2, "offline": 1, "of_floor": False}

    def test_zones_of_a_missing_floor(self, exporter: Exporter, client: FlaskClient) -> None:
        """The page of a floor without a count of its own lists its zones."""
        exporter.assets.replace(inventory(asset(Kind.FLOOR, "space_1")))
        client.post(
            "/webhook",
            json={
                "id": "event_1",
                "type": "ZONE_OCCUPANCY",
                "timestamp": NOW,
                "metadata": POD._asdict(),
                "data": 3,
            },
        )
        page = text(client.get("/spaces/floor/space_1").text)
        assert "Zones 1" in page
        assert "Pod" in page

    def test_one_that_comes_is_missing_no_longer(self, exporter: Exporter, client: FlaskClient) -> None:
        """With its first event a space leaves the list, and the ETag changes; with new assets it changes, too."""
        exporter.assets.replace(inventory(asset(Kind.ZONE, "zone_a"), asset(Kind.ZONE, "zone_b")))
        etags = [client.head("/api/v1/spaces").headers["ETag"]]
        assert client.head("/api/v1/spaces").headers["ETag"] == etags[0]
        exporter.assets.replace(inventory(asset(Kind.ZONE, "zone_a"), asset(Kind.ZONE, "zone_c")))
        etags.append(client.head("/api/v1/spaces").headers["ETag"])
        send(client, "zone_a")
        etags.append(client.head("/api/v1/spaces").headers["ETag"])
        assert len(set(etags)) == 3
        assert client.get("/api/v1/spaces").get_json()["totals"]["missing"] == 1

    def test_in_pieces(self, monkeypatch: pytest.MonkeyPatch, exporter: Exporter) -> None:
        """Other threads run while many spaces are compared and sorted; what was sorted is kept until it changes."""
        pieces = []

        def counted(items: Any, size: int) -> Any:
            for piece in in_pieces(items, size):
                pieces.append(len(piece))
                yield piece

        monkeypatch.setattr(cloud_module, "in_pieces", counted)
        assets = Assets()
        assets.replace(inventory(*[asset(Kind.ZONE, f"zone_{n}") for n in range(5000)]))
        directory = Directory(assets)
        snapshot = exporter.store.snapshot(NOW)
        first = directory.missing(snapshot)
        assert max(pieces) == 2000
        assert directory.missing(snapshot)[Kind.ZONE] is first[Kind.ZONE]
