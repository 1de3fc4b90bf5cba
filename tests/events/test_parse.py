"""The parser: every payload Butlr may send is taken, every other is refused with the field and the reason."""

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.ids import generation
from exporter.events.measures import Measure
from exporter.events.model import Metadata, OccupancyEvent, UnsupportedEvent
from exporter.events.parse import InvalidEvent, NotJson, parse_body, parse_event
from exporter.events.times import EARLIEST_TIMESTAMP, utc
from tests.support.deliveries import NOW, body, delivery, event_id, payload
from tests.support.paths import SAMPLES

VALID = SAMPLES / "valid"
DOCUMENTED = json.loads((VALID / "documented.json").read_bytes())

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def sample(name: str) -> OccupancyEvent:
    """Return the one occupancy event of a valid sample."""
    (item,) = parse_body((VALID / f"{name}.json").read_bytes())
    event = parse_event(item)
    assert isinstance(event, OccupancyEvent)
    return event


def refusal(item: Any) -> tuple[Measure | None, dict[str, str]]:
    """Return the type of a refused event and why, by field."""
    with pytest.raises(InvalidEvent) as caught:
        parse_event(item)
    return caught.value.measure, dict(caught.value.errors)


class TestDocumentedPayload:
    """The event on Butlr's page, and what its reference leaves open."""

    def test_every_field_is_read(self) -> None:
        """The documented event becomes one frozen value."""
        assert sample("documented") == OccupancyEvent(
            id="event_2oUBiSXgx48RtbZKXHm5ekpAzFe",
            measure=Measure.ZONE_OCCUPANCY,
            space_id="zone_2oUJLGKGlqPjwnUCwXNXpX3HB28",
            timestamp=1727735832000,
            value=4,
            generation=1730914400,
            metadata=Metadata(**DOCUMENTED["metadata"]),
        )

    def test_the_type_may_come_in_either_case(self) -> None:
        """The docs print both."""
        assert sample("type-in-lower-case") == sample("documented")

    @pytest.mark.parametrize("name", ["one-minute", "one-minute-as-in-the-changelog"])
    def test_both_spellings_of_the_smoothed_type(self, name: str) -> None:
        """They are one measure."""
        assert sample(name) == sample("documented")._replace(measure=Measure.ZONE_OCCUPANCY_1MIN)

    def test_optional_fields_absent_null_and_empty_are_the_same(self) -> None:
        """The docs do not say which of the three Butlr sends."""
        absent = sample("optional-fields-absent")
        assert absent == sample("optional-fields-null") == sample("optional-fields-empty")
        assert absent.metadata.room_name == absent.metadata.zone_custom_id == ""
        assert absent.metadata.zone_name == "Desk 01"

    def test_the_zone_id_alone_is_enough(self) -> None:
        """A missing name must not cost a count."""
        assert sample("only-the-zone-id").metadata == Metadata(zone_id=sample("documented").space_id)

    def test_unknown_fields_are_ignored(self) -> None:
        """Butlr may add some."""
        assert sample("fields-nobody-knows") == sample("documented")

    def test_fractions_are_legal(self) -> None:
        """The docs say number, not integer."""
        assert sample("fraction").value == 2.5

    def test_minus_zero_is_zero(self) -> None:
        """So that nobody sees -0 people."""
        event = parse_event(DOCUMENTED | {"data": -0.0})
        assert isinstance(event, OccupancyEvent)
        assert str(event.value) == "0.0"

    @pytest.mark.parametrize(
        ("name", "event_type"), [("other-type-room", "ROOM_OCCUPANCY"), ("other-type-without-data", "PIR_MOTION")]
    )
    def test_other_types_are_unsupported(self, name: str, event_type: str) -> None:
        """They are valid by their envelope alone."""
        (item,) = parse_body((VALID / f"{name}.json").read_bytes())
        assert parse_event(item) == UnsupportedEvent(event_type)

    def test_look_alike_letters_are_not_the_type(self) -> None:
        """A dotless i has the upper case of an i."""
        assert parse_event(DOCUMENTED | {"type": "zone_occupancy_1m\u0131n"}) == UnsupportedEvent(
            "zone_occupancy_1m\u0131n"
        )

    def test_a_timestamp_may_have_a_fraction(self) -> None:
        """It is cut to the millisecond."""
        event = parse_event(DOCUMENTED | {"timestamp": 1727735832000.9})
        assert isinstance(event, OccupancyEvent)
        assert event.timestamp == 1727735832000


class TestRefusals:
    """Errors name the field and say what to do; the exact answers stand beside the broken samples."""

    def test_the_type_is_told_if_it_is_exported(self) -> None:
        """So that the event is counted under its type."""
        assert refusal(DOCUMENTED | {"data": -1}) == (Measure.ZONE_OCCUPANCY, {"data": "must be 0 or more"})
        assert refusal({"type": "ROOM_OCCUPANCY"})[0] is None

    def test_the_text_names_every_field(self) -> None:
        """It is what the log says."""
        with pytest.raises(InvalidEvent, match=r"^id: is required; metadata: is required; data: is required$"):
            parse_event({"type": "zone_occupancy", "timestamp": NOW})
        with pytest.raises(InvalidEvent, match=r"^an event must be a JSON object$"):
            parse_event([])

    @pytest.mark.parametrize(
        ("timestamp", "message"),
        [
            (
                1727735832,
                "looks like seconds; send milliseconds since the epoch (1727735832000 for 2024-09-30T22:37:12Z)",
            ),
            (EARLIEST_TIMESTAMP - 1, "is before 2015; send milliseconds since the epoch"),
            (0, "is before 2015; send milliseconds since the epoch"),
            (-5, "is before 2015; send milliseconds since the epoch"),
            (-1.797e308, "is before 2015; send milliseconds since the epoch"),
        ],
    )
    def test_early_timestamps(self, timestamp: float, message: str) -> None:
        """Seconds sent by mistake get an error that says so."""
        assert refusal(DOCUMENTED | {"timestamp": timestamp})[1] == {"timestamp": message}

    def test_the_earliest_timestamp_is_taken(self) -> None:
        """2015 itself is in."""
        assert parse_event(DOCUMENTED | {"timestamp": EARLIEST_TIMESTAMP})

    def test_an_integer_beyond_any_float(self) -> None:
        """It is a number, but not a finite one."""
        assert refusal(DOCUMENTED | {"data": 10**400})[1] == {"data": "must be a finite number"}

    def test_strings_of_1024_characters_are_taken(self) -> None:
        """One more is refused; characters, not bytes."""
        metadata = DOCUMENTED["metadata"]
        assert parse_event(DOCUMENTED | {"metadata": metadata | {"zone_name": "é" * 1024}})
        assert refusal(DOCUMENTED | {"metadata": metadata | {"zone_name": "é" * 1025}})[1] == {
            "metadata.zone_name": "must be at most 1,024 characters long"
        }

    @pytest.mark.parametrize(
        "text", [b"", b"{", b"nul", b'{"data": NaN}', b'{"data": Infinity}', b"\xff", b"[" * 300 + b"]" * 300, b"1 2"]
    )
    def test_what_is_not_json(self, text: bytes) -> None:
        """The text gives the position."""
        with pytest.raises(NotJson, match=r"at line 1 column \d+$"):
            parse_body(text)

    def test_an_array_is_its_items(self) -> None:
        """Anything else is the one item."""
        assert parse_body(b"[1, [2]]") == [1, [2]]
        assert parse_body(b"{}") == [{}]
        assert parse_body(b"[]") == []


class TestGeneration:
    """The time inside an event id."""

    @pytest.mark.parametrize(
        ("id_", "seconds"),
        [
            ("event_2oUBiSXgx48RtbZKXHm5ekpAzFe", 1730914400),
            ("2oULMisdkRfEp6mBag2gLpJ0d7Z", 1730919161),
            ("a_b_2oUBiSXgx48RtbZKXHm5ekpAzFe", 1730914400),
            ("event_" + "0" * 27, 1_400_000_000),
            ("event_aWgEPTl1tmebfsQzFP4bxwgy80V", 1_400_000_000 + (1 << 32) - 1),
            ("event_aWgEPTl1tmebfsQzFP4bxwgy80W", None),
            ("event_" + "z" * 27, None),
            ("event_2oUBiSXgx48RtbZKXHm5ekpAzF", None),
            ("event_2oUBiSXgx48RtbZKXHm5ekpAzF-", None),
            ("event_2oUBiSXgx48RtbZKXHm5ekpAzF٣", None),
            ("event_xxx", None),
            ("event_", None),
        ],
    )
    def test_examples(self, id_: str, seconds: int | None) -> None:
        """Butlr's own ids, the largest KSUID, and shapes that are none."""
        assert generation(id_) == seconds

    @given(st.integers(1_400_000_000, 1_400_000_000 + (1 << 32) - 1), st.integers(0, (1 << 128) - 1))
    def test_round_trip(self, seconds: int, tail: int) -> None:
        """Any second and any random part."""
        assert generation(event_id(seconds, tail)) == seconds


class TestUtc:
    """Times for people."""

    def test_milliseconds(self) -> None:
        """Whole seconds are shown."""
        assert utc(1727735832999) == "2024-09-30T22:37:12Z"

    def test_beyond_the_calendar(self) -> None:
        """The plain number."""
        assert utc(10**20) == str(10**20)


class TestFuzz:
    """Whatever comes is taken or refused in the two ways foreseen."""

    @staticmethod
    def feed(text: bytes) -> None:
        """Parse a body to the end."""
        try:
            items = parse_body(text)
        except NotJson:
            return
        for item in items:
            try:
                assert isinstance(parse_event(item), OccupancyEvent | UnsupportedEvent)
            except InvalidEvent as invalid:
                errors = invalid.errors
            else:
                continue
            assert errors
            assert all(message for _, message in errors)

    def test_mutated_bytes_of_a_good_event(self) -> None:
        """Twelve thousand: bytes replaced, removed and doubled, one to four at a time."""
        rng = random.Random(9728)
        good = body(delivery(generation=NOW // 1000))
        for _ in range(12_000):
            text = bytearray(good)
            for _ in range(rng.randint(1, 4)):
                at = rng.randrange(len(text))
                text[at : at + rng.choice([0, 1, 1, 5])] = rng.choice(
                    [b"", bytes([rng.randrange(256)]), b'"', b"{", b"[", b"null", b"1e9", text[at : at + 20]]
                )
            self.feed(bytes(text))

    @given(st.binary(max_size=200))
    def test_any_bytes(self, text: bytes) -> None:
        """Nothing but NotJson or InvalidEvent."""
        self.feed(text)

    @given(JSON)
    def test_any_json(self, item: Any) -> None:
        """Any JSON value, also with numbers that JSON does not have."""
        self.feed(json.dumps(item).encode())

    @given(st.sampled_from([*payload(delivery()), "metadata.zone_id", "metadata.room_name"]), JSON)
    def test_any_json_in_any_field(self, field: str, value: Any) -> None:
        """One field of a good event replaced by anything."""
        item = payload(delivery())
        *path, last = field.split(".")
        inner = item
        for name in path:
            inner = inner[name]
        inner[last] = value
        self.feed(json.dumps(item).encode())
