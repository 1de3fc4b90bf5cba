"""Capacities that are configured at Butlr, beside the rules of a capacity file."""

from pathlib import Path

import pytest

from exporter.app import build
from exporter.capacity.file import CapacityFile
from exporter.capacity.parse import CapacityError, parse
from exporter.capacity.rules import NO_RULES
from exporter.events.measures import Kind, Measure
from exporter.events.model import Metadata
from exporter.settings.declared import Settings
from tests.support.deliveries import Clock, body, delivery
from tests.support.inventories import asset, inventory
from tests.support.responses import samples

DESK = Metadata(zone_id="zone_a", zone_name="Desk 01")
HALL = Metadata(zone_id="zone_b", zone_name="Hall")
ROOM = Metadata(room_id="zone_a", room_name="Desk 01")

CONFIGURED = {Kind.ZONE: {"zone_a": 4.0, "zone_b": 50.0}}


@pytest.fixture
def file(tmp_path: Path) -> CapacityFile:
    """Return a capacity file that has a rule for desks only."""
    (tmp_path / "capacity.yml").write_text("capacity: [{zone_name: Desk *, max: 1}]")
    return CapacityFile(str(tmp_path / "capacity.yml"), Clock())


def write(file: CapacityFile, rules: str) -> None:
    """Replace the rules of the file."""
    assert file.path is not None
    Path(file.path).write_text(f"capacity: [{rules}]")


def test_without_rules() -> None:
    """Without a rule, a space has the capacity that Butlr has for its id and kind; any other has none."""
    capacity = NO_RULES.beside(CONFIGURED)
    assert [capacity.of(each) for each in (DESK, HALL, Metadata(zone_id="zone_c"))] == [4, 50, None]
    assert capacity.of(ROOM, Kind.ROOM) is None
    assert NO_RULES.of(DESK) is None


def test_a_rule_wins() -> None:
    """A rule that matches is in force in place of Butlr's capacity, also one that says none."""
    capacity = parse("capacity: [{zone_name: Desk *, max: 1}, {zone_name: Hall, max: null}]").beside(CONFIGURED)
    assert [capacity.of(each) for each in (DESK, HALL)] == [1, None]


def test_a_reload_keeps_what_butlr_has(file: CapacityFile) -> None:
    """Butlr's capacities stay in force when the file is read again, be it good or bad."""
    file.configure(CONFIGURED)
    assert [file.current.of(each) for each in (DESK, HALL)] == [1, 50]
    write(file, "{zone_name: Hall, max: 2}")
    file.reload()
    assert [file.current.of(each) for each in (DESK, HALL)] == [4, 2]
    write(file, "{max: 0}")
    with pytest.raises(CapacityError):
        file.reload()
    assert [file.current.of(each) for each in (DESK, HALL)] == [4, 2]


def test_other_capacities(file: CapacityFile) -> None:
    """New capacities of Butlr take the place of all earlier ones; the same ones change nothing, as nothing is drawn."""
    file.configure(CONFIGURED)
    before = file.current
    file.configure(dict(CONFIGURED))
    assert file.current is before
    file.configure({Kind.ZONE: {"zone_b": 60}})
    assert [file.current.of(each) for each in (DESK, HALL)] == [1, 60]
    file.configure({})
    assert [file.current.of(each) for each in (DESK, HALL)] == [1, None]


def test_everybody_sees_them(file: CapacityFile) -> None:
    """Butlr's capacity is in the metrics, on the pages and in their JSON; no rule is named there."""
    exporter = build(Settings(capacity_file=file.path), Clock())
    client = exporter.app.test_client()
    room = delivery(v=9, zone="room_1", name="Birch", measure=Measure.ROOM_OCCUPANCY)
    client.post("/webhook", data=body(delivery(zone="zone_b", name="Hall"), delivery(), room))
    assert len(samples(client, "butlr_zone_capacity")) == 1
    exporter.assets.replace(
        inventory(
            asset(Kind.ZONE, "zone_a", capacity=4),
            asset(Kind.ZONE, "zone_b", capacity=50),
            asset(Kind.ROOM, "room_1", capacity=8),
        )
    )
    assert [line.rpartition(" ")[2] for line in samples(client, "butlr_zone_capacity")] == ["50.0", "1.0"]
    assert samples(client, "butlr_room_capacity")[0].endswith(" 8.0")
    spaces = client.get("/api/v1/spaces").get_json()["spaces"]
    assert {space["id"]: space["capacity"] for space in spaces} == {"zone_a": 1, "zone_b": 50, "room_1": 8}
    hall = client.get("/api/v1/spaces/zone/zone_b").get_json()
    assert (hall["capacity"], hall["rule"]) == (50, None)
    assert "Capacity 50, as configured at Butlr" in client.get("/spaces/zone/zone_b").text
    assert "Capacity 1, by line 1" in client.get("/spaces/zone/zone_a").text
    assert "room for 8" in client.get("/spaces/room/room_1").text
