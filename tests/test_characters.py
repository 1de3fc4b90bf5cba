"""Capacity rules and names whose characters are written in different ways."""

from pathlib import Path

import pytest

from exporter.app import create_app
from exporter.capacity.parse import CapacityError, parse, read
from exporter.events.model import Metadata
from exporter.settings.declared import Settings
from tests.support.deliveries import Clock, body, delivery

COMPOSED, DECOMPOSED = "Caf\u00e9", "Cafe\u0301"


@pytest.mark.parametrize("field", ["site_name", "floor_custom_id", "zone_id"])
def test_every_field(field: str) -> None:
    """Each field of a rule matches a name that is the same in NFC."""
    assert parse(f"capacity: [{{{field}: {COMPOSED}, max: 4}}]").of(Metadata(**{field: DECOMPOSED})) == 4


def test_escapes(tmp_path: Path) -> None:
    """A character that a YAML escape writes as two halves is whole, half of one is U+FFFD, and both are shown."""
    file = tmp_path / "capacity.yml"
    file.write_text(r'capacity: [{zone_name: "\ud83d\ude00", max: 4}, {zone_name: "a\ud83d", max: 5}]')
    client = create_app(Settings(capacity_file=str(file)), Clock()).test_client()
    client.post("/webhook", data=body(delivery(zone="a", name="😀"), delivery(zone="b", name="a\ufffd")))
    for zone, people in (("a", 4), ("b", 5)):
        assert client.get(f"/api/v1/spaces/zone/{zone}").get_json()["rule"]["max"] == people
        assert client.get(f"/spaces/zone/{zone}").status_code == 200


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16(tmp_path: Path, encoding: str) -> None:
    """A capacity file in UTF-16 is refused with the encoding as the reason."""
    file = tmp_path / "capacity.yml"
    file.write_bytes(f"capacity: [{{zone_name: {COMPOSED}, max: 4}}]".encode(encoding))
    with pytest.raises(CapacityError) as caught:
        read(str(file))
    assert caught.value.mistakes == [f"'{file}' is UTF-16 text; save it as UTF-8"]


def test_a_byte_order_mark(tmp_path: Path) -> None:
    """A byte order mark before the rules is skipped."""
    file = tmp_path / "capacity.yml"
    file.write_bytes(b"\xef\xbb\xbfcapacity: [{max: 4}]")
    assert read(str(file)).of(Metadata(zone_id="a")) == 4


@pytest.mark.parametrize(
    ("name", "words"),
    [("Cafe\u0301", "Café"), ("Café", "cafe\u0301"), ("CAFE\u0301", "café"), ("\u212bngstro\u0308m", "ångström")],
)
def test_a_search_finds_each_spelling_of_a_character(name: str, words: str) -> None:
    """A search finds a name in which the same characters are written in another way, in any case."""
    client = create_app(clock=Clock()).test_client()
    client.post("/webhook", data=body(delivery(name=name), delivery(zone="zone_b", name="Cafeteria")))
    found = client.get("/api/v1/spaces", query_string={"q": words}).get_json()
    assert [space["metadata"]["zone_name"] for space in found["spaces"]] == [name]
