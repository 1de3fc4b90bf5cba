"""The declarations of the measures: unique, and the only place that a new measure needs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.events.measures import Kind, Measure, measure_of
from exporter.events.model import ID_POSITION, Metadata
from tests.support.paths import ROOT

DECLARATION = """
    MADE_UP = (
        "ZONE_NOISE",
        Declaration(
            number=99,
            kind=Kind.ZONE,
            payload=Payload.COUNT,
            cadence=Cadence.MINUTE,
            spellings=("ZONE_DIN",),
            family="butlr_zone_noise",
            title="Noise",
            help="Noise now.",
            settled_help="Noise then.",
        ),
    )
"""

PROGRAM = """
import json, sys
from contextlib import closing
from exporter.app import build
from exporter.settings.declared import Settings

NOW = 1_800_000_000
EVENT = {"id": "e", "type": "zone_din", "timestamp": NOW * 1000, "data": 7, "metadata": {"zone_id": "z"}}

def exporter(now):
    return closing(build(Settings(journal=sys.argv[1]), lambda: now))

with exporter(NOW) as first:
    client = first.app.test_client()
    assert client.post("/webhook", data=json.dumps(EVENT)).get_json()["outcomes"] == {"new": 1}
    assert client.post("/webhook", data=json.dumps(EVENT | {"data": -7})).status_code == 422
    scrape = client.get("/metrics").text
    assert "# HELP butlr_zone_noise Noise now." in scrape
    assert "butlr_zone_noise{" in scrape
    assert 'event_type="ZONE_NOISE",outcome="new"} 1.0' in scrape
    space = client.get("/api/v1/spaces/zone/z").get_json()
    assert space["measures"]["ZONE_NOISE"]["occupancy"] == 7
    assert "<h2>Noise " in client.get("/spaces/zone/z").text
with exporter(NOW + 400) as second:
    settled = second.app.test_client().get("/metrics/settled").text
    assert "# HELP butlr_zone_noise_settled Noise then." in settled
    assert "} 7.0 1800000000.0" in settled
"""


def test_a_made_up_measure_needs_one_declaration(tmp_path: Path) -> None:
    """Parsers, rule, families, settled readings, pages and journal know a measure that is only declared."""
    shutil.copytree(ROOT / "exporter", tmp_path / "exporter")
    measures = tmp_path / "exporter" / "events" / "measures.py"
    text = measures.read_text()
    assert text.count("    def __new__(cls") == 1
    measures.write_text(text.replace("    def __new__(cls", f"{DECLARATION}\n    def __new__(cls"))
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "journal.db")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("field", ["number", "family"])
def test_declarations_differ(field: str) -> None:
    """No two measures share a number in journals or a family."""
    values = [getattr(measure.declared, field) for measure in Measure]
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("measure", Measure)
def test_every_spelling_is_found(measure: Measure) -> None:
    """A measure is found by its event type and by each other spelling, in any case."""
    for spelling in (measure.value, *measure.declared.spellings):
        assert measure_of(spelling) is measure_of(spelling.lower()) is measure


@pytest.mark.parametrize("event_type", ["", "ZONE", "ROOM_OCCUPANCY", "ZONE_OCCUPANCY ", "zone_occupancy_1m\u0131n"])
def test_other_types_are_not_exported(event_type: str) -> None:
    """Neither an unknown type nor one with letters that only look alike has a measure."""
    assert measure_of(event_type) is None


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_has_an_id_in_the_metadata(kind: Kind) -> None:
    """The metadata field named after a kind holds the id of a space, and the key of a space holds both."""
    assert Metadata._fields[ID_POSITION[kind]] == f"{kind}_id"
    assert kind.key("a:b").partition(":") == (kind, ":", "a:b")
