"""A service: everything that one port serves, as one value. It knows WSGI, but no connection."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from wsgiref.types import WSGIApplication


class Response(NamedTuple):
    """A response of the fast path."""

    status: int
    rest: bytes
    """Its headers and its body, without the status line and the headers of all responses."""
    admits: bool = True
    """Whether the fast path trusts the client more than a stranger."""


class FastPath(Protocol):
    """Answers some POSTs to one path without the app."""

    path: bytes
    max_body: int
    """Bytes of the largest body that the fast path accepts."""

    def accepts(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Return whether a POST to the path with these headers, names in lower case, may do without the app."""

    def refuse(self, headers: Sequence[tuple[bytes, bytes]], client: str, /) -> Response | None:
        """Return the response to a POST from this address with headers that are not accepted; None is for the app."""

    def respond(self, bodies: Sequence[bytes]) -> list[Response | None]:
        """Return a response to each body; None, with nothing changed, is for `answer`."""

    def answer(self, body: bytes, client: str, /) -> Response | None:
        """Return the response to one body from this address that `respond` left; None is for the app."""


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
