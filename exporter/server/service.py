"""A service: everything that one port serves, as one value. It knows WSGI, but no connection."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from wsgiref.types import WSGIApplication


class FastPath(Protocol):
    """Answers some POSTs to one path without the app; it trusts their clients more than strangers."""

    path: bytes
    max_body: int
    """Bytes of the largest body that the fast path accepts."""

    def accepts(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Return whether a POST to the path with these headers, names in lower case, may do without the app."""

    def respond(self, bodies: Sequence[bytes]) -> list[bytes | None]:
        """Return the response to each body; None, with nothing changed, leaves the body to the app.

        A response is a status line, headers and a body, as bytes. There are few different ones.
        """


ADMITTED = "server.admitted"
"""The key of the WSGI environment that an app sets to true for a client that it trusts more than a stranger."""


def _always(_: object) -> bool:
    return True


def _never(*_: object) -> bool:
    return False


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that one port serves."""

    wsgi: WSGIApplication
    max_body: int
    """Bytes of the largest body that the app accepts; a request that announces more comes to it without the body."""
    name: str = ""
    """The port's name in log lines."""
    wants_body: Callable[[Mapping[str, Any]], bool] = _always
    """Returns whether the app reads the body of a POST with this WSGI environment; if not, it is called at once."""
    is_quick: Callable[[Mapping[str, Any], bytes | None], bool] = _never
    """Returns whether the app answers a request with this WSGI environment and body (None: the body was not read) so
    quickly that the event loop may call it; a thread calls it for any other request."""
    is_slow: Callable[[Mapping[str, Any]], bool] = _never
    """Returns whether the app may take a second for a request with this WSGI environment. All such requests share one
    thread, so they hold up only each other."""
    fast_path: FastPath | None = None
    count_malformed: Callable[[], None] = _nothing
    """Called for each request that is not valid HTTP, and so never reaches the app."""
