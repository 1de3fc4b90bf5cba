"""Text as senders write it: a byte order mark, halves of characters, another encoding, two spellings of one character.

It knows no event. Source: RFC 8259 sections 8.1 and 8.2; Unicode Standard Annex 15.
"""

import re
from contextlib import suppress
from unicodedata import normalize

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_GZIP = b"\x1f\x8b"
"""The first bytes of a file that gzip has compressed."""


class NotText(ValueError):  # noqa: N818 - the name reads as what it is
    """A file of other bytes than UTF-8; the text goes on after the file's name, such as `is compressed`."""


def check_first_line(line: bytes) -> None:
    """Check the first line of a file of deliveries: a wrong encoding is one mistake, not one a line. Raises NotText."""
    if line.startswith(_GZIP):
        raise NotText("is compressed; pass it through gunzip")
    if is_utf_16(line):
        raise NotText("is UTF-16 text; pass it through iconv -f UTF-16 -t UTF-8")


_ESCAPES = re.compile(
    rb"\\(?:"
    rb"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|[^u](?:\\[^u])*"  # others are matched too, so that the second of two backslashes begins no escape
    rb")"
)


def repaired(json: bytes) -> bytes:
    """Return a JSON text with U+FFFD for each half of a surrogate pair, escaped or in bytes.

    A sender that cuts a name at a number of UTF-16 units leaves such a half, which strict JSON readers reject.
    """
    if b"\xed" in json:  # all surrogates in bytes begin so
        with suppress(UnicodeDecodeError):
            json = joined(json.decode("utf-8", "surrogatepass")).encode()
    return _ESCAPES.sub(lambda match: rb"\ufffd" if match["half"] else match[0], json)


def joined(text: str) -> str:
    """Return a text whose surrogates are joined in pairs, with U+FFFD for each half."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_utf_16(text: bytes) -> bool:
    """Tell whether a text is UTF-16: it begins with a mark, or with a NUL beside a character."""
    first = text[:2]
    return first in (b"\xff\xfe", b"\xfe\xff") or (len(first) == 2 and first.count(0) == 1)


def composed(text: str) -> str:
    """Return a text as names are compared and searched: in Unicode NFC, where an accent is a part of its letter."""
    return normalize("NFC", text)
