"""The fast parser: an event straight from its bytes, as the strict parser reads it, or nothing."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.events.fast import parse_fast
from exporter.events.model import ReadingEvent
from exporter.events.parse import InvalidEvent, NotJson, parse_body, parse_event
from tests.support.deliveries import NOW, G, body, delivery, payload

TEXTS = st.text(max_size=3) | st.sampled_from(["ZONE_OCCUPANCY", "zone_occupancy_1m", "TRAFFIC", "zone_a"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
PIECES = [
    *(bytes([byte]) for byte in range(256)),
    *(rb"\u0000 \ud800 \u00e9 \n \/ \x1f -0 1e999 1e-999 00 0x1 1_0 .5 5. +5 null true [] {} NaN Infinity".split()),
    b"12345678901234567890123",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b'"',
    b'"data": 7, ',
    b'"d\\u0061ta": 7, ',
    b'"more": [{"a": "\xff"}], ',
    b'"more": 01, ',
    b"/**/",
    b",",
]
"""Bytes that damage a body."""
FIELDS = st.sampled_from([*payload(delivery()), "more", "zone_id", "floor_name"])


class TestParsing:
    """The fast parser beside the strict one."""

    @given(st.dictionaries(FIELDS, VALUES), st.dictionaries(FIELDS, VALUES), st.booleans())
    def test_the_same_as_in_two_steps(self, changed: dict[str, Any], names: dict[str, Any], twice: bool) -> None:
        """The fast parser returns the event of the strict parser or nothing, even if a field is there twice."""
        item = payload(delivery()) | changed
        if isinstance(item["metadata"], dict):
            item["metadata"] |= names
        text = json.dumps(item).encode()
        if twice and changed:
            text = text[:-1] + b", " + json.dumps(payload(delivery())).encode()[1:]
        try:
            (parsed,) = parse_body(text)
            expected = parse_event(parsed)
        except (NotJson, InvalidEvent):
            expected = None
        single = parse_fast(text)
        assert single is None or repr(single) == repr(expected)  # 0 is not -0
        if isinstance(expected, ReadingEvent) and b"NaN" not in text and b"Infinity" not in text:
            assert single == expected

    @given(
        st.lists(st.tuples(st.integers(-5, 600), st.integers(0, 2), st.sampled_from(PIECES)), min_size=1, max_size=3)
    )
    @example([(-6, 3, b"-0.0")])
    @example([(1, 0, b'"more": ["\xff"], ')])
    @example([(1, 0, b'"metadata": {"more": ["\xff"], "zone_id": "z"}, ')])
    def test_damaged_bytes(self, damages: list[tuple[int, int, bytes]]) -> None:
        """A damaged body yields the event of the strict parser or nothing."""
        text = body(delivery(NOW, 2.5, generation=G, name="Büro"))
        for at, length, piece in damages:
            text = text[:at] + piece + text[at + length :]
        try:
            (parsed,) = parse_body(text)
            expected = parse_event(parsed)
        except (NotJson, InvalidEvent, ValueError):
            expected = None
        single = parse_fast(text)
        assert single is None or repr(single) == repr(expected)  # 0 is not -0

    @pytest.mark.parametrize("name", ["zone_name", "floor_name", "room_custom_id"])
    def test_a_name_that_is_null(self, name: str) -> None:
        """An optional name that is null is parsed in one step, as empty."""
        item = payload(delivery())
        item["metadata"] |= {name: None}
        single = parse_fast(json.dumps(item).encode())
        assert single is not None
        assert getattr(single.metadata, name) == ""

    @pytest.mark.parametrize(
        "text",
        [
            b"[" + body(delivery()) + b"]",
            json.dumps(payload(delivery()) | {"metadata": {"zone_id": ""}}).encode(),
            json.dumps(payload(delivery()) | {"type": "SENSOR_HEALTH"}).encode(),
            json.dumps(payload(delivery()) | {"type": "SENSOR_HEALTH", "data": 1, "more": [1]}).encode(),
            json.dumps(payload(delivery()) | {"metadata": {"zone_id": ""}, "more": [1]}).encode(),
            json.dumps(payload(delivery()) | {"data": "seven"}).encode(),
            body(delivery()).replace(b'"data": 1.0', b'"data": NaN'),
        ],
    )
    def test_other_bodies_go_in_two_steps(self, text: bytes) -> None:
        """A body that is no single valid event of an exported measure is left to `parse_body` and `parse_event`."""
        assert parse_fast(text) is None

    def test_a_new_field_goes_in_one_step(self) -> None:
        """An event with a field that Butlr adds one day is parsed in one step."""
        assert parse_fast(json.dumps(payload(delivery()) | {"more": [1]}).encode()) == delivery()
