"""Records: content behind a frame that tells its length and whether it is undamaged.

Neither SQLite nor a file system detects that a byte has changed.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO
from zlib import crc32

_FRAME = struct.Struct("<III")
"""The length of the content in bytes, the complement of the length, and the CRC-32 of the content."""

FRAME_SIZE = _FRAME.size
"""Bytes of a record beside its content."""

_COMPLEMENT = 0xFFFFFFFF


class Truncated(ValueError):  # noqa: N818 - the name reads as what happened
    """The last record is incomplete."""


def frame(content: bytes) -> bytes:
    """Return the record of a content."""
    return _FRAME.pack(len(content), len(content) ^ _COMPLEMENT, crc32(content)) + content


def unframe_one(record: bytes) -> bytes:
    """Return the content of a single record. Raises ValueError where it is damaged."""
    content = record[_FRAME.size :]
    if record[: _FRAME.size] != _FRAME.pack(len(content), len(content) ^ _COMPLEMENT, crc32(content)):
        raise ValueError("a record is damaged")
    return content


def unframe(records: bytes) -> Iterator[bytes]:
    """Return the content of each record. Raises ValueError where one is damaged, Truncated where it is the last."""
    return contents(BytesIO(records))


def contents(records: BinaryIO) -> Iterator[bytes]:
    """Return the content of each record. Raises ValueError where one is damaged, Truncated where it is the last."""
    while head := records.read(_FRAME.size):
        content = None
        if len(head) == _FRAME.size:
            length, complement, check = _FRAME.unpack(head)
            if length ^ complement == _COMPLEMENT:
                content = records.read(length)
        if content is None or crc32(content) != check:
            # A loss of power may leave a file longer than what was written to it, with zeros at its end.
            raise (ValueError if any(records.read()) else Truncated)("a record is damaged")
        yield content
