"""The declarations of the measures: unique, and the only place that a new measure needs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.events.measures import Kind, Measure, known_type
from exporter.events.model import FIELDS, ID_POSITION, METADATA
from tests.support.paths import ROOT

DECLARATION = """
    MADE_UP_{number} = (
        "{KIND}_NOISE",
        Declaration(
            number={number},
            kind=Kind.{KIND},
            payload=Payload.{payload},
            cadence=Cadence.MINUTE,
            types=(EventType("{KIND}_NOISE", ("{KIND}_DIN",)),),
            family="butlr_{kind}_noise",
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

def exporter(now):
    return closing(build(Settings(journal=sys.argv[1]), lambda: now))

def event(kind, **more):
    metadata = {f"{kind}_id": "z"}
    return {"id": "e", "type": f"{kind}_din", "timestamp": NOW * 1000, "data": 7, "metadata": metadata} | more

with exporter(NOW) as first:
    client = first.app.test_client()
    for kind in ("zone", "room"):
        event_type = f"{kind.upper()}_NOISE"
        assert client.post("/webhook", data=json.dumps(event(kind))).get_json()["outcomes"] == {"new": 1}
        assert client.post("/webhook", data=json.dumps(event(kind, metadata={}))).status_code == 422
        below = client.post("/webhook", data=json.dumps(event(kind, id="f", timestamp=NOW * 1000 - 1, data=-7)))
        assert below.status_code == (422 if kind == "zone" else 200)
        scrape = client.get("/metrics").text
        assert f"# HELP butlr_{kind}_noise Noise now." in scrape
        assert f"butlr_{kind}_noise{{" in scrape
        assert f'event_type="{event_type}",outcome="new"}} 1.0' in scrape
        assert (f'negative_values_total{{event_type="{event_type}"}} 1.0' in scrape) is (kind == "room")
        space = client.get(f"/api/v1/spaces/{kind}/z").get_json()
        assert space["measures"][event_type]["occupancy"] == 7
        assert f"butlr_{kind}_noise{{{kind}_id=&#34;z&#34;}}" in client.get(f"/spaces/{kind}/z").text
        people = event(kind, type=f"{kind}_occupancy")  # with two measures, each has a heading
        assert client.post("/webhook", data=json.dumps(people)).get_json()["outcomes"] == {"new": 1}
        assert "<h2>Noise</h2>" in client.get(f"/spaces/{kind}/z").text
with exporter(NOW + 400) as second:
    settled = second.app.test_client().get("/metrics/settled").text
    for kind in ("zone", "room"):
        assert f"# HELP butlr_{kind}_noise_settled Noise then." in settled
        (line,) = [line for line in settled.splitlines() if line.startswith(f"butlr_{kind}_noise_settled{{")]
        assert f'{kind}_id="z"' in line
        assert line.endswith("} 7.0 1800000000.0")
"""


def test_a_made_up_measure_needs_one_declaration(tmp_path: Path) -> None:
    """Parsers, rule, families, settled readings, pages and journal know a measure that is only declared."""
    shutil.copytree(ROOT / "exporter", tmp_path / "exporter")
    measures = tmp_path / "exporter" / "events" / "measures.py"
    text = measures.read_text()
    assert text.count("    def __new__(cls") == 1
    declarations = "".join(
        DECLARATION.format(number=number, KIND=kind.upper(), kind=kind, payload=payload)
        for number, kind, payload in ((98, "zone", "COUNT"), (99, "room", "CLAMPED"))
    )
    measures.write_text(text.replace("    def __new__(cls", f"{declarations}\n    def __new__(cls"))
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
    """An event type is found by its name and by each other spelling, in any case."""
    for each in measure.declared.types:
        for spelling in (each.name, *each.spellings):
            known = known_type(spelling)
            assert known == known_type(spelling.lower()) == (measure, each.name, each.value)


@pytest.mark.parametrize("event_type", ["", "ZONE", "SENSOR_HEALTH", "ZONE_OCCUPANCY ", "zone_occupancy_1m\u0131n"])
def test_other_types_are_not_exported(event_type: str) -> None:
    """Neither an unknown type nor one with letters that only look alike has a measure."""
    assert known_type(event_type) is None


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_has_an_id_in_the_metadata(kind: Kind) -> None:
    """The metadata field named after a kind holds the id of a space, and the key of a space holds both."""
    assert METADATA[kind]._fields[ID_POSITION[kind]] == f"{kind}_id"
    assert f"{kind}_id" in FIELDS[kind]
    assert kind.key("a:b").partition(":") == (kind, ":", "a:b")
