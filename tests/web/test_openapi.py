"""docs/openapi.yaml and the program agree, in both directions."""

import re
from typing import Any

from exporter import __version__
from exporter.app import create_app
from exporter.events.measures import WITH_PEOPLE, Kind, Measure
from exporter.events.model import FIELDS, MAX_STRING, Metadata
from exporter.events.times import EARLIEST_TIMESTAMP
from exporter.ingest.activity import MAX_REFUSALS
from exporter.ingest.intake import MAX_EVENTS
from exporter.ingest.receipt import MAX_ERRORS
from exporter.rule.outcome import APPLIED, Outcome
from exporter.settings.declared import Settings
from exporter.web.pages.listing import PAGE_SIZE
from exporter.web.pages.rows import Sort, State
from exporter.web.pages.views import MAX_WORDS
from tests.support import yamls
from tests.support.crossings import crossing, sensor
from tests.support.crossings import payload as crossing_payload
from tests.support.deliveries import Clock, body, delivery
from tests.support.paths import ROOT

SPECIFICATION: dict[str, Any] = yamls.load((ROOT / "docs" / "openapi.yaml").read_text())
SCHEMAS = SPECIFICATION["components"]["schemas"]


def test_paths() -> None:
    """The description has every path with its methods, and no other."""
    assert {(path, method.upper()) for path, methods in SPECIFICATION["paths"].items() for method in methods} == {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in create_app().url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }


def test_numbers_and_names() -> None:
    """The description has the limits, outcomes, measures, fields and defaults of the code."""
    (events,) = SPECIFICATION["paths"]["/webhook"]["post"]["requestBody"]["content"].values()
    assert events["schema"]["oneOf"][1]["maxItems"] == MAX_EVENTS
    assert SCHEMAS["Event"]["properties"]["timestamp"]["minimum"] == EARLIEST_TIMESTAMP
    assert SCHEMAS["Event"]["properties"]["id"]["maxLength"] == SCHEMAS["Text"]["maxLength"] == MAX_STRING
    assert set(SCHEMAS["Metadata"]["properties"]) == set(Metadata._fields)
    for kind in WITH_PEOPLE:
        assert tuple(SCHEMAS[f"{kind.title()}Metadata"]["properties"]) == FIELDS[kind]
    assert set(SCHEMAS["Outcomes"]["propertyNames"]["enum"]) == set(Outcome)
    assert SCHEMAS["Refusal"]["properties"]["errors"]["maxItems"] == MAX_ERRORS
    assert set(SCHEMAS["Measure"]["enum"]) == set(Measure)
    assert set(SCHEMAS["Reading"]["properties"]["outcome"]["enum"]) == APPLIED | {Outcome.SUPERSEDED}
    assert set(SCHEMAS["Space"]["properties"]["kind"]["enum"]) == set(Kind)
    parameters = SPECIFICATION["components"]["parameters"]
    assert set(parameters["State"]["schema"]["enum"]) == {"", *State}
    assert set(parameters["Sort"]["schema"]["enum"]) == set(Sort)
    assert parameters["Words"]["schema"]["maxLength"] == MAX_WORDS
    assert f"Of {PAGE_SIZE} spaces" in parameters["Page"]["description"]
    assert SCHEMAS["Spaces"]["properties"]["events"]["properties"]["refused"]["maxItems"] == MAX_REFUSALS
    assert SPECIFICATION["components"]["securitySchemes"]["apiKey"]["name"] == Settings().webhook_api_key_header
    assert SPECIFICATION["info"]["version"] == __version__


def test_the_example() -> None:
    """The documented event is accepted."""
    (events,) = SPECIFICATION["paths"]["/webhook"]["post"]["requestBody"]["content"].values()
    client = create_app(clock=Clock()).test_client()
    assert client.post("/webhook", json=events["examples"]["documented"]["value"]).get_json()["outcomes"] == {"new": 1}


def test_every_field_of_the_answer_is_described() -> None:
    """The description has every field of an answer, including those that need a zone, which Schemathesis may lack."""
    client = create_app(clock=Clock()).test_client()
    shown = {Measure.ZONE_OCCUPANCY: {"occupancy"}, Measure.MOTION: {"motion"}, Measure.DETECTIONS: {"detections"}}
    client.post("/webhook", data=body(*[delivery(measure=measure) for measure in shown]))
    shown[Measure.CROSSINGS] = {"in", "out"}
    client.post("/webhook", json=crossing_payload(crossing(0), sensor("sensor_b")))
    client.post("/webhook", data=b"{}")
    listed = client.get("/api/v1/spaces").get_json()
    whole = client.get("/api/v1/spaces/zone/zone_a").get_json()
    described = SCHEMAS["Spaces"]["properties"]
    assert set(listed) == set(described)
    assert set(listed["events"]) == set(described["events"]["properties"])
    assert set(listed["events"]["refused"][0]) == set(
        described["events"]["properties"]["refused"]["items"]["properties"]
    )
    described = SCHEMAS["Space"]["properties"]
    zone = next(space for space in listed["spaces"] if space["kind"] == "zone")
    assert set(zone) == set(described)
    fields = set(described["measures"]["additionalProperties"]["properties"])
    for space in listed["spaces"]:
        ((measure, value),) = space["measures"].items()
        assert set(value) == fields.difference(*shown.values()) | shown[measure]
    assert set(whole) - set(zone) == set(SCHEMAS["WholeSpace"]["allOf"][1]["properties"])
    assert set(whole["readings"]["ZONE_OCCUPANCY"][0]) == set(SCHEMAS["Reading"]["properties"])
