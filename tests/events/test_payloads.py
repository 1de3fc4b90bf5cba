"""Every event type of Butlr's pages: parsed strictly and fast, and refused with the field and the reason."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.fast import parse_fast
from exporter.events.measures import Kind, Measure, Payload
from exporter.events.model import FIELDS, METADATA, CrossingEvent, Event, ReadingEvent, UnsupportedEvent
from exporter.events.parse import InvalidEvent, NotJson, parse_body, parse_event
from exporter.events.payloads import MAX_CROSSINGS, MAX_POINTS
from tests.support.examples import thorough
from tests.support.paths import SAMPLES

ROOM, FLOOR = "room_2oUDDps5iKHHo6RwlMgGVihmTlq", "space_2oUBnI7YL51GNemTvKIxEgSZ8gx"
SENSOR = "2oULMisdkRfEp6mBag2gLpJ0d7Z"

READINGS: dict[str, tuple[Measure, str, float, str]] = {
    "room": (Measure.ROOM_OCCUPANCY, ROOM, 4.0, "ROOM_OCCUPANCY"),
    "room-below-zero": (Measure.ROOM_OCCUPANCY, ROOM, 0.0, "ROOM_OCCUPANCY"),
    "room-one-minute": (Measure.ROOM_OCCUPANCY_1MIN, ROOM, 4.0, "ROOM_OCCUPANCY_1MIN"),
    "room-one-minute-as-in-the-changelog": (Measure.ROOM_OCCUPANCY_1MIN, ROOM, 4.0, "ROOM_OCCUPANCY_1MIN"),
    "floor": (Measure.FLOOR_OCCUPANCY, FLOOR, 25.0, "FLOOR_OCCUPANCY"),
    "floor-one-minute": (Measure.FLOOR_OCCUPANCY_1MIN, FLOOR, 25.0, "FLOOR_OCCUPANCY_1MIN"),
    "floor-one-minute-as-in-the-changelog": (Measure.FLOOR_OCCUPANCY_1MIN, FLOOR, 25.0, "FLOOR_OCCUPANCY_1MIN"),
    "motion": (Measure.MOTION, ROOM, 1.0, "PIR_MOTION"),
    "motion-with-data": (Measure.MOTION, ROOM, 1.0, "PIR_MOTION"),
    "no-motion": (Measure.MOTION, ROOM, 0.0, "PIR_NO_MOTION"),
    "detections": (Measure.DETECTIONS, SENSOR, 2.0, "DETECTIONS"),
}
"""The measure, space, value and counted type of the readings in samples."""

NAMES = [*READINGS, "traffic"]

LOWER = [name for name in NAMES if (SAMPLES / "valid" / f"{name}-in-lower-case.json").exists()]


def sample(name: str) -> dict[str, Any]:
    """Return the item of a valid sample."""
    item: dict[str, Any] = json.loads((SAMPLES / "valid" / f"{name}.json").read_bytes())
    return item


def parsed(item: Any) -> Event | UnsupportedEvent | dict[str, str]:
    """Return the event of an item, or its errors by field; the fast parser returns the same event, or nothing."""
    body = json.dumps(item).encode()
    fast = parse_fast(body)
    try:
        (read,) = parse_body(body)
        event = parse_event(read)
    except InvalidEvent as invalid:
        assert fast is None
        return dict(invalid.errors)
    assert fast is None or repr(fast) == repr(event)
    return event


class TestSamples:
    """The documented event of every type."""

    @pytest.mark.parametrize("name", READINGS)
    def test_readings(self, name: str) -> None:
        """An event of each type becomes a reading of its measure and space, in one step as in two."""
        measure, space_id, value, event_type = READINGS[name]
        event = parsed(sample(name))
        assert isinstance(event, ReadingEvent)
        assert (event.measure, event.space_id, event.value, event.type) == (measure, space_id, value, event_type)
        assert event.space_key == f"{measure.kind}:{space_id}"
        assert event.was_negative is (name == "room-below-zero")
        metadata = sample(name)["metadata"]
        assert event.metadata == METADATA[measure.kind](**metadata)

    def test_crossings(self) -> None:
        """An event of an entryway has the people who came in and those who went out."""
        event = parsed(sample("traffic"))
        assert isinstance(event, CrossingEvent)
        assert (event.measure, event.space_id, event.entered, event.left) == (Measure.CROSSINGS, SENSOR, 0, 1)
        assert (event.type, event.space_key) == ("TRAFFIC", f"sensor:{SENSOR}")
        assert (event.timestamp, event.generation) == (1727735832000, 1730914400)
        assert event.metadata._asdict()["mac_address"] == "00-17-0d-00-00-cc-bb-aa"

    @pytest.mark.parametrize("name", LOWER)
    def test_lower_case(self, name: str) -> None:
        """A type in lower case is the same type."""
        assert parsed(sample(f"{name}-in-lower-case")) == parsed(sample(name))

    @pytest.mark.parametrize("name", [name for name in NAMES if name not in ("room-below-zero", "motion-with-data")])
    def test_in_one_step(self, name: str) -> None:
        """An event as Butlr documents it takes the fast path."""
        assert parse_fast(json.dumps(sample(name)).encode()) is not None


CROSSED = "must be a whole number, 0 or more"
PAIR = "must be a pair of numbers"

MISTAKES: list[tuple[str, Any, dict[str, str]]] = [
    *(("traffic", {"in": each, "out": 0}, {"data.in": CROSSED}) for each in (-1, 0.5, "1", True, None, "", 10**400)),
    ("traffic", {"in": 0, "out": -0.5}, {"data.out": CROSSED}),
    ("traffic", {"in": MAX_CROSSINGS + 1, "out": 0}, {"data.in": "must be at most 1,000,000,000"}),
    ("traffic", {"out": 0}, {"data.in": "is required"}),
    ("traffic", {}, {"data.in": "is required", "data.out": "is required"}),
    *(("traffic", value, {"data": "must be a JSON object"}) for value in (1, None, [0, 1], "in")),
    *(
        ("detections", {"local": [[0, 1], point]}, {"data.local.1": PAIR})
        for point in ([], [1], [1, 2, 3], [1, "2"], [True, 1], [None, 1], 1, "ab", {"x": 1, "y": 2}, [10**400, 1])
    ),
    ("detections", {"world": [[1, 2]] * (MAX_POINTS + 1)}, {"data.world": "must have at most 10,000 points"}),
    ("detections", {"world": 5}, {"data.world": "must be a JSON array of points"}),
    ("detections", {"local": [1] * 50, "world": []}, {"data.local.0": PAIR}),
    *(
        ("detections", value, {"data": "must have local or world, an array of points"})
        for value in ({}, {"local": None}, {"more": 1})
    ),
    ("detections", 3, {"data": "must be a JSON object"}),
    ("room", "4", {"data": "must be a JSON number, not quoted and not a boolean"}),
    ("floor", 10**400, {"data": "must be a finite number"}),
]


class TestMistakes:
    """Errors name the field."""

    @pytest.mark.parametrize(("name", "data", "errors"), MISTAKES)
    def test_data(self, name: str, data: Any, errors: dict[str, str]) -> None:
        """Each payload has errors of its own."""
        assert parsed(sample(name) | {"data": data}) == errors

    @pytest.mark.parametrize("name", ["room", "floor", "traffic", "detections"])
    def test_data_is_required(self, name: str) -> None:
        """A type with `data` needs it."""
        item = sample(name)
        del item["data"]
        assert parsed(item) == {"data": "is required"}

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize(("value", "message"), [("", "must not be empty"), (None, "must be a string")])
    def test_the_id_of_the_space(self, name: str, value: str | None, message: str) -> None:
        """An event without the id of its own space is refused, and the error names the field."""
        item = sample(name)
        own = {"room": "room_id", "floor": "floor_id", "motion": "room_id", "no": "room_id"}.get(
            name.partition("-")[0], "sensor_id"
        )
        item["metadata"][own] = value
        assert parsed(item) == {f"metadata.{own}": message}
        del item["metadata"][own]
        assert parsed(item) == {f"metadata.{own}": "is required"}

    def test_the_type_of_a_refused_event(self) -> None:
        """A refused event keeps its type as Butlr calls it, so that it is counted under that."""
        for name, event_type in (("no-motion-in-lower-case", "PIR_NO_MOTION"), ("traffic", "TRAFFIC")):
            item = sample(name)
            item["metadata"] = {}
            with pytest.raises(InvalidEvent) as caught:
                parse_event(item)
            assert caught.value.type == event_type


class TestLenience:
    """Values that can be understood are accepted."""

    @pytest.mark.parametrize(
        ("data", "people"),
        [
            ({"local": [[0, 1]]}, 1),
            ({"world": [[0, 1], [2, -3.5]], "local": None}, 2),
            ({"world": [[0, 1]], "local": [[1, 2], [3, 4], [5, 6]]}, 3),
            ({"world": [], "local": []}, 0),
            ({"world": [], "more": {}}, 0),
            ({"world": [[0, 0]] * MAX_POINTS}, MAX_POINTS),
        ],
    )
    def test_detections(self, data: Any, people: int) -> None:
        """The people that a sensor sees are the points of the longer list; one list is enough."""
        event = parsed(sample("detections") | {"data": data})
        assert isinstance(event, ReadingEvent)
        assert event.value == people

    @pytest.mark.parametrize("value", [2, 2.0, 0, -0.0, MAX_CROSSINGS])
    def test_crossings(self, value: float) -> None:
        """A whole number may be written with a fraction of 0."""
        event = parsed(sample("traffic") | {"data": {"in": value, "out": 1, "more": 1}})
        assert isinstance(event, CrossingEvent)
        assert (repr(event.entered), event.left) == (str(int(value)), 1)

    @pytest.mark.parametrize("data", [None, 0, 7, "x", [1], {"in": 1}])
    def test_motion_ignores_data(self, data: Any) -> None:
        """`data` of an event about motion is ignored."""
        assert parsed(sample("motion") | {"data": data}) == parsed(sample("motion"))

    @pytest.mark.parametrize(("value", "taken", "negative"), [(-3, 0, True), (-0.0, 0, False), (2.5, 2.5, False)])
    def test_counts_below_zero(self, value: float, taken: float, negative: bool) -> None:
        """The count of a room or floor below zero is taken as zero; that of a zone is refused."""
        for name in ("room", "floor-one-minute"):
            event = parsed(sample(name) | {"data": value})
            assert isinstance(event, ReadingEvent)
            assert (repr(event.value), event.was_negative) == (repr(float(taken)), negative)
        assert parsed(sample("documented") | {"data": -3}) == {"data": "must be 0 or more"}

    def test_fields_that_a_space_cannot_have(self) -> None:
        """The metadata of a room or floor have no zone, whatever an event says; a field of them is never an error."""
        for name, kind in (("room", Kind.ROOM), ("floor", Kind.FLOOR)):
            item = sample(name)
            known = parsed(item)
            item["metadata"] |= {field: "x" for field in FIELDS[Kind.ZONE] if field not in FIELDS[kind]}
            assert parsed(item) == known
            assert parse_fast(json.dumps(item).encode()) == known
            item["metadata"]["zone_name"] = 7
            assert parsed(item) == known


ITEMS = [sample(name) for name in NAMES]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
DATA = VALUES | st.fixed_dictionaries(
    {},
    optional={
        "in": VALUES,
        "out": st.integers(0, 3),
        "local": st.lists(st.lists(VALUES | st.integers(), max_size=3) | VALUES, max_size=3),
        "world": st.none() | st.lists(st.tuples(st.floats(0, 9), st.integers()), max_size=3),
        "more": VALUES,
    },
)
TYPES = st.sampled_from([item["type"] for item in ITEMS] + ["traffic", "ZONE_OCCUPANCY", "Pir_Motion", "other"])
CHANGES = st.fixed_dictionaries({}, optional={"data": DATA, "type": TYPES, "id": VALUES, "more": VALUES})
NAMED = st.dictionaries(st.sampled_from(["sensor_id", "room_id", "zone_name", "hive_id", "more"]), VALUES, max_size=2)


@thorough
@given(st.sampled_from(ITEMS), CHANGES, NAMED, st.sampled_from(["", "data", "metadata"]))
def test_both_parsers_agree(item: dict[str, Any], changed: dict[str, Any], names: dict[str, Any], gone: str) -> None:
    """The fast parser returns the event of the strict parser or nothing, for every type."""
    item = item | changed
    item["metadata"] = item["metadata"] | names
    item.pop(gone, None)
    text = json.dumps(item).encode()
    fast = parse_fast(text)
    try:
        (read,) = parse_body(text)
        expected = parse_event(read)
    except (NotJson, InvalidEvent):
        assert fast is None
    else:
        assert fast is None or repr(fast) == repr(expected)


def test_each_payload_has_a_sample() -> None:
    """No payload is without a documented event here."""
    measures = {measure for measure, *_ in READINGS.values()} | {Measure.CROSSINGS, Measure.ZONE_OCCUPANCY}
    assert {measure.declared.payload for measure in measures} == set(Payload)
