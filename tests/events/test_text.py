"""Text as senders write it: halves of surrogate pairs, byte order marks, other encodings."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.fast import parse_fast
from exporter.events.model import ReadingEvent
from exporter.events.parse import NotJson, parse_body, parse_event
from exporter.events.text import NotText, check_first_line, composed, is_utf_16, joined, repaired
from tests.support.deliveries import NOW, body, delivery, payload, place
from tests.support.examples import thorough

HALF = "\ud83d"

NAMES = [
    (rb"Lounge \ud83d", "Lounge \ufffd"),
    (rb"\uDE00 Lounge", "\ufffd Lounge"),
    (rb"\ud83d\ud83d\ude00", "\ufffd😀"),
    (rb"\ud83d\ude00\ude00", "😀\ufffd"),
    (rb"\ud83d\u0041\ud83d\n\ude00", "\ufffdA\ufffd\n\ufffd"),
    (rb"\ud83d\ude00", "😀"),
    (rb"a\u0000b", "a\0b"),
    (rb"\\ud83d \\\ud83d", "\\ud83d \\\ufffd"),
    (b"\xed\xa0\xbd Lounge", "\ufffd Lounge"),
    (b"\xed\xa0\xbd\xed\xb8\x80", "😀"),
    (b"\xed\xa0\xbd\\ude00", "\ufffd\ufffd"),
]
"""Strings of a JSON text, and the text that each is read as."""


def parsed(item: Any) -> ReadingEvent:
    """Return the one occupancy event of an item."""
    event = parse_event(item)
    assert isinstance(event, ReadingEvent)
    return event


class TestHalves:
    """Half of a surrogate pair, which a sender leaves that cuts a text at a number of UTF-16 units."""

    @pytest.mark.parametrize(("name", "read"), NAMES)
    def test_names(self, name: bytes, read: str) -> None:
        """A half is read as U+FFFD, in bytes too, and a whole pair as its character."""
        text = body(delivery(name="NAME"), delivery(name="Hall")).replace(b"NAME", name)
        cut, good = map(parsed, parse_body(text))
        assert place(cut).zone_name == read
        assert good == delivery(name="Hall")
        single = parse_fast(body(delivery(name="NAME")).replace(b"NAME", name))
        assert single is None or single == cut

    @pytest.mark.parametrize("field", ["id", "version", *payload(delivery())["metadata"]])
    def test_fields(self, field: str) -> None:
        """A half in any field touches neither the other fields nor the next event."""
        item = payload(delivery(id="event_a"))
        holder = item if field in item else item["metadata"]
        holder[field] = f"x{HALF}y"
        cut, good = map(parsed, parse_body(json.dumps([item, payload(delivery())]).encode()))
        holder[field] = "x\ufffdy"
        assert cut == parsed(item)
        assert good == delivery()

    @pytest.mark.parametrize(
        "more",
        [{"more": HALF}, {HALF: 1}, {"more": [{"deep": {HALF: [HALF, "x"]}}]}, {f"{HALF}a": 1, f"{HALF}b": 2}],
    )
    def test_unknown_fields(self, more: dict[str, Any]) -> None:
        """A half in a field that nobody knows, or in its name, is ignored with the field."""
        for where in ("event", "metadata"):
            item = payload(delivery())
            (item if where == "event" else item["metadata"]).update(more)
            assert parsed(*parse_body(json.dumps(item).encode())) == delivery()

    @thorough
    @given(
        st.lists(st.sampled_from(["\ud83d", "\ude00", "😀", "\0", "0000", "\\", '"', "\n", "u", "d83d", "é", "x"])).map(
            "".join
        )
    )
    def test_any_text(self, text: str) -> None:
        """Any text is read with its pairs whole and U+FFFD for each half, escaped or in bytes."""
        escaped = json.dumps([text]).encode()
        read = re.sub("[\ud800-\udfff]", "\ufffd", json.loads(escaped)[0])
        assert parse_body(escaped) == parse_body(
            json.dumps([text], ensure_ascii=False).encode("utf-8", "surrogatepass")
        )
        assert parse_body(escaped) == [read]
        assert joined(text) == read

    def test_texts_without_a_half_stay(self) -> None:
        """A text without a half stays as it is, and another mistake is reported at its place in the whole text."""
        text = body(delivery(name="Büro 😀"))
        assert repaired(text) == text
        with pytest.raises(NotJson, match=r"trailing comma at line 1 column 13$"):
            parse_body(rb'["\ud83d\n",]')

    @pytest.mark.parametrize(
        "text", [b'"\xff"', b'"\xc3"', b'"\xed"', b'"\xe2\x82"', b'"\xc0\x80"', b'"\xf4\x90\x80\x80"']
    )
    def test_other_bytes_are_no_text(self, text: bytes) -> None:
        """Bytes that are not UTF-8 are no JSON: nobody knows the characters that they were meant for."""
        with pytest.raises(NotJson, match=r"invalid unicode code point at line 1 column \d$"):
            parse_body(text)


class TestEncodings:
    """Byte order marks, and texts that are not UTF-8."""

    @pytest.mark.parametrize("text", [body(delivery()), body(delivery(), delivery(NOW - 1)), b"[]", b" \r\n[]\r\n"])
    def test_a_byte_order_mark_is_skipped(self, text: bytes) -> None:
        """A byte order mark before JSON changes nothing."""
        assert parse_body(b"\xef\xbb\xbf" + text) == parse_body(text)

    @pytest.mark.parametrize("text", [b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf{}", b"{}\xef\xbb\xbf", b"\xef\xbb{}"])
    def test_marks_that_are_in_the_way(self, text: bytes) -> None:
        """A body of a mark alone, a second mark, one behind the JSON, and half of a mark are refused."""
        with pytest.raises(NotJson, match=r"at line 1 column \d$"):
            parse_body(text)

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    def test_other_encodings_are_named(self, encoding: str) -> None:
        """A body in UTF-16 is refused with the encoding as the reason."""
        with pytest.raises(NotJson, match=r"^UTF-16 text instead of UTF-8 at line 1 column 1$"):
            parse_body(body(delivery()).decode().encode(encoding))

    @pytest.mark.parametrize("text", [b"", b"\0", b"{", b"\0\0", b"{}", b"\xff", b"\xef\xbb\xbf{}"])
    def test_short_texts_are_not_utf_16(self, text: bytes) -> None:
        """A text that shows no encoding is not called UTF-16."""
        assert not is_utf_16(text)


def test_one_spelling_of_a_character() -> None:
    """A letter with an accent of its own becomes one character."""
    assert composed("Cafe\u0301") == composed("Caf\u00e9") == "Caf\u00e9"


def test_the_first_line_of_a_file() -> None:
    """A compressed file and UTF-16 text are named, each with the program that turns it into text."""
    check_first_line(b"{}")
    with pytest.raises(NotText, match=r"^is compressed; pass it through gunzip$"):
        check_first_line(b"\x1f\x8b\x08")
    with pytest.raises(NotText, match=r"^is UTF-16 text; pass it through iconv -f UTF-16 -t UTF-8$"):
        check_first_line("{}".encode("utf-16"))
