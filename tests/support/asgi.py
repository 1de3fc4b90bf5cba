"""One request as an ASGI server gives it to the adapter."""

from collections.abc import Callable
from typing import Any

SCOPE: dict[str, Any] = {
    "method": "POST",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "http_version": "1.1",
    "scheme": "http",
    "server": None,
    "client": None,
    "headers": [],
}
"""The scope of a request, as an ASGI server describes it."""


class Client:
    """A client that has left or not, and notes that it was admitted or aborted."""

    def __init__(
        self, *, gone: bool = False, half_closed: bool = False, on_abort: Callable[[], None] = lambda: None
    ) -> None:
        self._gone = gone
        self._half_closed = half_closed
        self._on_abort = on_abort
        self.admitted = False

    def is_gone(self) -> bool:
        """Return whether the client has left."""
        return self._gone

    def may_be_gone(self) -> bool:
        """Return whether the client sends no more."""
        return self._gone or self._half_closed

    def admit(self) -> None:
        """Note it."""
        self.admitted = True

    def abort(self) -> None:
        """Note it."""
        self._on_abort()


async def no_body() -> dict[str, Any]:
    """Fail, as the adapter does not read the body of a GET."""
    raise AssertionError("a GET has no body")


async def ignore(_: Any) -> None:
    """Send nothing."""
