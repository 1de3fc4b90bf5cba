"""The parser: every payload that Butlr may send is accepted, every other is refused with the field and the reason."""

import contextlib
import gc
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.ids import generation
from exporter.events.measures import Measure
from exporter.events.model import Metadata, ReadingEvent, UnsupportedEvent
from exporter.events.parse import InvalidEvent, NotJson, parse_body, parse_event
from exporter.events.times import EARLIEST_TIMESTAMP, utc
from tests.support.deliveries import NOW, body, delivery, event_id, payload, place
from tests.support.paths import SAMPLES

VALID = SAMPLES / "valid"
DOCUMENTED = json.loads((VALID / "documented.json").read_bytes())

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


def sample(name: str) -> ReadingEvent:
    """Return the one occupancy event of a valid sample."""
    (item,) = parse_body((VALID / f"{name}.json").read_bytes())
    event = parse_event(item)
    assert isinstance(event, ReadingEvent)
    return event


def refusal(item: Any) -> tuple[str | None, dict[str, str]]:
    """Return the type of a refused event, and its errors by field."""
    with pytest.raises(InvalidEvent) as caught:
        parse_event(item)
    return caught.value.type, dict(caught.value.errors)


class TestDocumentedPayload:
    """The event on Butlr's page, and the cases that its reference leaves open."""

    def test_every_field_is_read(self) -> None:
        """The documented event becomes one frozen value."""
        assert sample("documented") == ReadingEvent(
            id="event_2oUBiSXgx48RtbZKXHm5ekpAzFe",
            measure=Measure.ZONE_OCCUPANCY,
            space_id="zone_2oUJLGKGlqPjwnUCwXNXpX3HB28",
            timestamp=1727735832000,
            value=4,
            generation=1730914400,
            metadata=Metadata(**DOCUMENTED["metadata"]),
        )

    def test_the_type_may_come_in_either_case(self) -> None:
        """The type may come in either case, as the docs print both."""
        assert sample("type-in-lower-case") == sample("documented")

    @pytest.mark.parametrize("name", ["one-minute", "one-minute-as-in-the-changelog"])
    def test_both_spellings_of_the_smoothed_type(self, name: str) -> None:
        """Both spellings of the smoothed type are one measure."""
        assert sample(name) == sample("documented")._replace(measure=Measure.ZONE_OCCUPANCY_1MIN)

    def test_optional_fields_absent_null_and_empty_are_the_same(self) -> None:
        """An optional field may be absent, null or empty, and the event is the same."""
        absent = sample("optional-fields-absent")
        assert absent == sample("optional-fields-null") == sample("optional-fields-empty")
        assert place(absent).room_name == place(absent).zone_custom_id == ""
        assert place(absent).zone_name == "Desk 01"

    def test_the_zone_id_alone_is_enough(self) -> None:
        """An event without names, but with a zone id, is accepted."""
        assert sample("only-the-zone-id").metadata == Metadata(zone_id=sample("documented").space_id)

    def test_unknown_fields_are_ignored(self) -> None:
        """Unknown fields, which Butlr may add, are ignored."""
        assert sample("fields-nobody-knows") == sample("documented")

    def test_fractions_are_legal(self) -> None:
        """A count may be a fraction, as the docs say number, not integer."""
        assert sample("fraction").value == 2.5

    def test_minus_zero_is_zero(self) -> None:
        """A count of minus zero becomes zero."""
        event = parse_event(DOCUMENTED | {"data": -0.0})
        assert isinstance(event, ReadingEvent)
        assert str(event.value) == "0.0"

    def test_other_types_are_unsupported(self) -> None:
        """An event of another type with a valid envelope is unsupported."""
        (item,) = parse_body((VALID / "other-type.json").read_bytes())
        assert parse_event(item) == UnsupportedEvent("SENSOR_HEALTH")

    def test_look_alike_letters_are_not_the_type(self) -> None:
        """A dotless i is no i in a type, although both have the same upper case."""
        assert parse_event(DOCUMENTED | {"type": "zone_occupancy_1m\u0131n"}) == UnsupportedEvent(
            "zone_occupancy_1m\u0131n"
        )

    def test_a_timestamp_may_have_a_fraction(self) -> None:
        """A timestamp with a fraction is truncated to the millisecond."""
        event = parse_event(DOCUMENTED | {"timestamp": 1727735832000.9})
        assert isinstance(event, ReadingEvent)
        assert event.timestamp == 1727735832000


class TestRefusals:
    """Errors name the field and the remedy; the exact answers stand beside the broken samples."""

    def test_the_type_of_a_refused_event(self) -> None:
        """A refused event keeps its type, so that it is counted under its type."""
        assert refusal(DOCUMENTED | {"data": -1}) == ("ZONE_OCCUPANCY", {"data": "must be 0 or more"})
        assert refusal({"type": "sensor_health"})[0] == "SENSOR_HEALTH"
        unknown: list[Any] = [{"type": "\u017fENSOR_HEALTH"}, {"type": "ELEVATOR"}, {"type": 1}, []]
        assert [refusal(item)[0] for item in unknown] == [None] * 4

    def test_the_text_names_every_field(self) -> None:
        """The error's text, which the log shows, names every wrong field."""
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
        """A timestamp before 2015 is refused, and one in seconds gets an error that says so."""
        assert refusal(DOCUMENTED | {"timestamp": timestamp})[1] == {"timestamp": message}

    def test_the_earliest_timestamp_is_accepted(self) -> None:
        """The first timestamp of 2015 is accepted."""
        assert parse_event(DOCUMENTED | {"timestamp": EARLIEST_TIMESTAMP})

    def test_an_integer_beyond_any_float(self) -> None:
        """An integer beyond any float is refused as not finite."""
        assert refusal(DOCUMENTED | {"data": 10**400})[1] == {"data": "must be a finite number"}

    def test_strings_of_1024_characters_are_accepted(self) -> None:
        """A string of 1,024 characters is accepted, however many bytes it has, and one of 1,025 is refused."""
        metadata = DOCUMENTED["metadata"]
        assert parse_event(DOCUMENTED | {"metadata": metadata | {"zone_name": "é" * 1024}})
        assert refusal(DOCUMENTED | {"metadata": metadata | {"zone_name": "é" * 1025}})[1] == {
            "metadata.zone_name": "must be at most 1,024 characters long"
        }

    @pytest.mark.parametrize(
        "text", [b"", b"{", b"nul", b'{"data": NaN}', b'{"data": Infinity}', b"\xff", b"[" * 300 + b"]" * 300, b"1 2"]
    )
    def test_not_json(self, text: bytes) -> None:
        """A body that is not JSON is refused with the position of its error."""
        with pytest.raises(NotJson, match=r"at line 1 column \d+$"):
            parse_body(text)

    def test_an_array_is_its_items(self) -> None:
        """An array is its items, and any other value is the one item."""
        assert parse_body(b"[1, [2]]") == [1, [2]]
        assert parse_body(b"{}") == [{}]
        assert parse_body(b"[]") == []

    @pytest.mark.parametrize("body", [b"[" + b"[[]]," * 20_000 + b"[]]", b"[" + b"[[]]," * 20_000])
    def test_no_collection_meanwhile(self, body: bytes) -> None:
        """The garbage collector does not walk the new objects of a body again and again, good or bad."""
        began: list[str] = []
        gc.callbacks.append(note := lambda phase, _: began.append(phase))
        try:
            with contextlib.suppress(NotJson):
                parse_body(body)
        finally:
            gc.callbacks.remove(note)
        assert len(began) < 10
        assert gc.isenabled()


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
        """Butlr's own ids and the largest KSUID have a generation, and other shapes have none."""
        assert generation(id_) == seconds

    @given(st.integers(1_400_000_000, 1_400_000_000 + (1 << 32) - 1), st.integers(0, (1 << 128) - 1))
    def test_round_trip(self, seconds: int, tail: int) -> None:
        """An id made of any second and any random part yields that second."""
        assert generation(event_id(seconds, tail)) == seconds


class TestUtc:
    """Times for people."""

    def test_milliseconds(self) -> None:
        """A time is shown in whole seconds."""
        assert utc(1727735832999) == "2024-09-30T22:37:12Z"

    def test_beyond_the_calendar(self) -> None:
        """A time beyond the calendar is shown as its number of milliseconds."""
        assert utc(10**20) == str(10**20)


class TestFuzz:
    """Every input is parsed, or refused with NotJson or InvalidEvent."""

    @staticmethod
    def feed(text: bytes) -> None:
        """Parse a body to the end."""
        try:
            items = parse_body(text)
        except NotJson:
            return
        for item in items:
            try:
                assert isinstance(parse_event(item), ReadingEvent | UnsupportedEvent)
            except InvalidEvent as invalid:
                errors = invalid.errors
            else:
                continue
            assert errors
            assert all(message for _, message in errors)

    def test_mutated_bytes_of_a_good_event(self) -> None:
        """Each of 12,000 mutations of a good event is parsed or refused."""
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
        """Any bytes are parsed or refused."""
        self.feed(text)

    @given(JSON)
    def test_any_json(self, item: Any) -> None:
        """Any JSON value is parsed or refused, even with numbers that JSON does not have."""
        self.feed(json.dumps(item).encode())

    @given(st.sampled_from([*payload(delivery()), "metadata.zone_id", "metadata.room_name"]), JSON)
    def test_any_json_in_any_field(self, field: str, value: Any) -> None:
        """An event with any value in one of its fields is parsed or refused."""
        item = payload(delivery())
        *path, last = field.split(".")
        inner = item
        for name in path:
            inner = inner[name]
        inner[last] = value
        self.feed(json.dumps(item).encode())
