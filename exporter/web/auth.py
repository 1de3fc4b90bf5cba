"""API keys and HTTP basic credentials, compared in constant time.

A `Guard` reads the headers of a request as WSGI has them (PEP 3333: bytes decoded as Latin-1), so that it can decide
before a body is read. It knows nothing of Flask, of settings, or of the views that it guards.
"""

import binascii
import contextlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any


class Guard:
    """Admits requests with one of the keys, or with the name and password; without any of these, all requests."""

    def __init__(
        self, realm: str, basic: tuple[str, str] | None = None, keys: Iterable[str] = (), header: str = "X-API-Key"
    ) -> None:
        """Accept a name with its password, and API keys in `header`; challenges name `realm`."""
        self._keys = [encoded for key in keys for encoded in _encodings(key)]
        self._basic = _encodings(":".join(basic)) if basic else []
        self._variable = "HTTP_" + header.upper().replace("-", "_")
        self.challenges: list[str] = []
        """The values of `WWW-Authenticate` in the answer to a request that is not admitted (RFC 9110, 11.6.1)."""
        wanted = []
        if self._keys:
            self.challenges.append(f'ApiKey realm="{realm}", header="{header}"')
            wanted.append(f"an API key in the header {header}")
        if self._basic:
            self.challenges.append(f'Basic realm="{realm}", charset="UTF-8"')
            wanted.append("HTTP basic credentials")
        self.wanted = " or ".join(wanted)
        """The same in words; empty if every request is admitted."""

    def admits(self, environ: Mapping[str, Any]) -> bool:
        """Return whether the request is admitted; no header, however odd, raises an error."""
        if not self.challenges:
            return True
        by_key = _is_one_of(_bytes(environ.get(self._variable, "")), self._keys)
        by_name = _is_one_of(_decoded(environ.get("HTTP_AUTHORIZATION", "")), self._basic)
        return by_key or by_name


def _is_one_of(candidate: bytes, secrets: Iterable[bytes]) -> bool:
    """Compare with every secret, so that the time reveals neither which one matches nor how much of it."""
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(candidate, secret)
    return found


def _encodings(text: str) -> list[bytes]:
    """Return the bytes in which a client may send a text: Butlr does not document its encoding."""
    encodings = [text.encode()]
    if not text.isascii():
        with contextlib.suppress(UnicodeEncodeError):
            encodings.append(text.encode("latin-1"))
    return encodings


def _bytes(header: str) -> bytes:
    """Return the bytes of a header; a server that decodes it against PEP 3333 must not cause an error."""
    return header.encode("latin-1", "replace")


def _decoded(authorization: str) -> bytes:
    """Return `name:password` of HTTP basic authentication (RFC 7617); empty for any other header."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return binascii.a2b_base64(_bytes(token.strip(" ")), strict_mode=True)
    except binascii.Error:
        return b""
