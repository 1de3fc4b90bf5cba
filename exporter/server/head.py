"""The rules of RFC 9112 for the head of a request that the parser leaves to the server, and the refusal of a request.

The parser refuses a head that is malformed in itself: folded lines, bare CR or LF, blanks before a colon, odd or
contradictory lengths. This module knows the head of one request, and no connection.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import httptools

MAX_HEAD = 1 << 14
"""Bytes of a request line with its headers, or of trailers."""

MAX_HEADERS = 100
"""Headers of one request."""

Headers = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as received."""

_HOST = re.compile(rb"(?:\[[A-Za-z0-9:.%_~-]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?")
"""A value of Host (RFC 9112, 3.2): a name or address, with or without a port, or nothing."""

_ABSOLUTE = re.compile(rb"https?://([^/?:][^/?]*)(.*)", re.IGNORECASE | re.DOTALL)
"""A target with its host (RFC 9112, 3.2.2): clients send it to a proxy, but every server must accept it."""


class Refusal(NamedTuple):
    """The answer to a request that the app does not see."""

    status: int
    title: str
    detail: str

    def response(self, headers: Iterable[tuple[bytes, bytes]], *, head_only: bool = False) -> bytes:
        """Return the whole response, a problem like any other error; `headers` are those of every response.

        The response to HEAD is its head only (RFC 9110, 9.3.2).
        """
        members = {"type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail}
        body = json.dumps(members).encode()
        lines = [
            b"HTTP/1.1 %d %b" % (self.status, self.title.encode()),
            *[b"%b: %b" % header for header in headers],
            b"Content-Type: application/problem+json",
            b"Content-Length: %d" % len(body),
            b"Connection: close",
        ]
        return b"\r\n".join([*lines, b"", b"" if head_only else body])


class Refused(Exception):  # noqa: N818 - the client is at fault
    """A request that gets a refusal instead of a response of the app."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def bad_request(detail: str) -> Refusal:
    """Return the refusal of a request that is not valid HTTP."""
    return Refusal(400, "Bad Request", detail)


NOT_HTTP = bad_request("the request is not valid HTTP")
TOO_LARGE = Refusal(
    431,
    "Request Header Fields Too Large",
    f"at most {MAX_HEADERS} headers, and {MAX_HEAD} bytes with the request line, are accepted",
)
TARGET_TOO_LONG = Refusal(414, "URI Too Long", f"the path with its query may have at most {MAX_HEAD} bytes")
OTHER_VERSION = Refusal(505, "HTTP Version Not Supported", "only HTTP/1.1 and HTTP/1.0 are served")
NO_TUNNELS = Refusal(501, "Not Implemented", "this server opens no tunnels")
UNKNOWN_CODING = Refusal(501, "Not Implemented", "the only accepted coding of Transfer-Encoding is chunked")
ENDLESS_BODY = bad_request("the last coding of Transfer-Encoding must be chunked: the body would have no end")
CODING_OF_OLD_VERSION = bad_request("HTTP/1.0 has no Transfer-Encoding")
ONE_HOST = bad_request("the request must have exactly one header Host")
ODD_HOST = bad_request("the host must be a name or an address, with or without a port")
ODD_TARGET = bad_request("the request line must have a path")


def refusal_for(error: httptools.HttpParserError) -> Refusal | None:
    """Return the refusal of the bytes at which the parser failed; None if the error is a bug of a callback.

    The parser turns every error of a callback into one of its own.
    """
    cause = error.__context__
    if isinstance(cause, Refused):
        return cause.refusal
    # uvicorn decodes the target, and parses it.
    return NOT_HTTP if cause is None or isinstance(cause, (UnicodeError, httptools.HttpParserError)) else None


def check(method: bytes, version: str, headers: Headers) -> None:
    """Check a head that the parser accepted. Raises Refused."""
    if not version.startswith("1."):
        raise Refused(OTHER_VERSION)
    if method == b"CONNECT":
        raise Refused(NO_TUNNELS)
    hosts = 0
    codings = []
    for name, value in headers:
        if name == b"host":
            hosts += 1
            _check_host(value)
        elif name == b"transfer-encoding":
            codings.append(value)
    if hosts > 1 or (hosts == 0 and version != "1.0"):
        raise Refused(ONE_HOST)
    if codings:
        _check_codings(b",".join(codings), version)


def _check_host(host: bytes) -> None:
    if not _HOST.fullmatch(host):
        raise Refused(ODD_HOST)


def _check_codings(value: bytes, version: str) -> None:
    """Check the value of Transfer-Encoding (RFC 9112, 6.1 and 6.3)."""
    codings = [coding for part in value.split(b",") if (coding := part.strip(b" \t").lower())]
    if version == "1.0":
        raise Refused(CODING_OF_OLD_VERSION)
    if codings[-1:] != [b"chunked"]:
        raise Refused(ENDLESS_BODY)
    if len(codings) > 1:
        raise Refused(UNKNOWN_CODING)


def origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """Return the path with its query, and the host if `target` names one. Raises Refused.

    `*`, a target of OPTIONS alone (RFC 9112, 3.2.4), is returned as it is.
    """
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target, None
    absolute = _ABSOLUTE.fullmatch(target.partition(b"#")[0])
    if absolute is None:
        raise Refused(ODD_TARGET)
    host, rest = absolute.groups()
    _check_host(host)
    return rest if rest.startswith(b"/") else b"/" + rest, host
