"""Records: a frame detects every damage to its content."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.journal.records import Truncated, frame, unframe_one
from tests.support.records import read

CONTENTS = st.lists(st.binary(max_size=50).map(lambda content: content + b"x"), min_size=1, max_size=5)


class TestDamage:
    """Damaged and truncated records."""

    @given(written=CONTENTS, at=st.integers(0, 10_000), bit=st.integers(0, 7))
    def test_any_bit(self, written: list[bytes], at: int, bit: int) -> None:
        """A changed bit is detected, and the records before it are read."""
        records = [frame(content) for content in written]
        blob = bytearray(b"".join(records))
        assert read(bytes(blob)) == (written, None)
        at %= len(blob)
        blob[at] ^= 1 << bit
        found, end = read(bytes(blob))
        # A damaged length hides where the record ends.
        is_last = at >= len(blob) - len(records[-1]) + 8
        assert end is (Truncated if is_last else ValueError)
        assert found == [content for n, content in enumerate(written) if len(b"".join(records[: n + 1])) <= at]

    @given(content=st.binary(max_size=50), other=st.binary(max_size=50), at=st.integers(0, 10_000))
    def test_a_single_record(self, content: bytes, other: bytes, at: int) -> None:
        """A single record is read whole; one that is changed, truncated or not alone is damaged."""
        record = frame(content)
        assert unframe_one(record) == content
        at %= len(record)
        changed = record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]
        for damaged in (changed, record[:at], record + frame(other)):
            with pytest.raises(ValueError, match="a record is damaged"):
                unframe_one(damaged)

    @given(written=CONTENTS, cut=st.integers(1, 62), zeros=st.sampled_from([0, 1, 99]))
    def test_an_incomplete_end(self, written: list[bytes], cut: int, zeros: int) -> None:
        """An incomplete last record is truncated and not damaged, also with zeros behind it."""
        records = [frame(content) for content in written]
        blob = b"".join(records)
        left = blob[: len(blob) - min(cut, len(records[-1]) - 1)] + bytes(zeros)
        assert read(left) == (written[:-1], Truncated)
