"""What is kept, as records: each tells its length, and whether it is what was written.

Neither SQLite nor a file system says that of what it gives back.
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO
from zlib import crc32

_HEAD = struct.Struct("<III")
"""What stands before the content: its length in bytes, the complement of that, and the CRC-32."""

_COMPLEMENT = 0xFFFFFFFF


class Truncated(ValueError):  # noqa: N818 - the name reads as what happened
    """The last record is not whole."""


def sealed(content: bytes) -> bytes:
    """Return a record."""
    return _HEAD.pack(len(content), len(content) ^ _COMPLEMENT, crc32(content)) + content


def opened(blob: bytes) -> Iterator[bytes]:
    """Return what is in records. Raises ValueError where one is not what was written."""
    return contents(BytesIO(blob))


def contents(records: BinaryIO) -> Iterator[bytes]:
    """Return what is in records. Raises ValueError where one is not what was written, CutOff if it is the last."""
    while head := records.read(_HEAD.size):
        content = None
        if len(head) == _HEAD.size:
            length, complement, check = _HEAD.unpack(head)
            if length ^ complement == _COMPLEMENT:
                content = records.read(length)
        if content is None or crc32(content) != check:
            # After a loss of power, a file may be longer than what was written of it, and nothing but zeros there.
            raise (ValueError if any(records.read()) else Truncated)("a record is not what was written")
        yield content
