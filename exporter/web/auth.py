"""Who may pass: API keys and HTTP basic credentials, compared in constant time.

A `Guard` looks at the headers of a request as WSGI has them (PEP 3333: bytes spelt in Latin-1), so that it can be
asked before a body is read. A leaf: it knows nothing of Flask, of settings, or of what it guards.
"""

import binascii
import contextlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Any


class Guard:
    """Admits who brings one of the keys, or the name and password; without either of these, everyone."""

    def __init__(
        self, realm: str, basic: tuple[str, str] | None = None, keys: Iterable[str] = (), header: str = "X-API-Key"
    ) -> None:
        """Take what to name in a challenge, a name with its password, and API keys with their header."""
        self._keys = [spelt for key in keys for spelt in _spelt(key)]
        self._basic = _spelt(":".join(basic)) if basic else []
        self._variable = "HTTP_" + header.upper().replace("-", "_")
        self.challenges: list[str] = []
        """What `WWW-Authenticate` says to who is not admitted (RFC 9110, 11.6.1)."""
        wanted = []
        if self._keys:
            self.challenges.append(f'ApiKey realm="{realm}", header="{header}"')
            wanted.append(f"an API key in the header {header}")
        if self._basic:
            self.challenges.append(f'Basic realm="{realm}", charset="UTF-8"')
            wanted.append("HTTP basic credentials")
        self.wanted = " or ".join(wanted)
        """The same for people."""

    def admits(self, environ: Mapping[str, Any]) -> bool:
        """Tell whether a request may pass; no header, however odd, raises an error."""
        if not self.challenges:
            return True
        by_key = _is_one_of(_bytes(environ.get(self._variable, "")), self._keys)
        by_name = _is_one_of(_decoded(environ.get("HTTP_AUTHORIZATION", "")), self._basic)
        return by_key or by_name


def _is_one_of(given: bytes, secrets: Iterable[bytes]) -> bool:
    """Compare with every secret: the time tells neither which one it was nor how much of it was right."""
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(given, secret)
    return found


def _spelt(text: str) -> list[bytes]:
    """Return the bytes in which a client may send a text: how Butlr's does is not documented."""
    spelt = [text.encode()]
    if not text.isascii():
        with contextlib.suppress(UnicodeEncodeError):
            spelt.append(text.encode("latin-1"))
    return spelt


def _bytes(header: str) -> bytes:
    """Return a header as it came; servers that decode it against PEP 3333 must not cause an error."""
    return header.encode("latin-1", "replace")


def _decoded(authorization: str) -> bytes:
    """Return `name:password` of HTTP basic authentication (RFC 7617); empty if it is anything else."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return binascii.a2b_base64(_bytes(token.strip(" ")), strict_mode=True)
    except binascii.Error:
        return b""
