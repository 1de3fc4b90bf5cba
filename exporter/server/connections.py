"""The connections of one port, limited in number."""

import logging
from typing import Protocol

from uvicorn.server import ServerState

log = logging.getLogger(__name__)


class Member(Protocol):
    """A connection, or a TLS handshake that may become one."""

    @property
    def peer(self) -> str:
        """The address of the client, for the log."""

    def abort(self) -> None:
        """End the connection at once."""


class ConnectionLimit(ServerState):
    """The connections of one port. Beyond the limit, the connection that was served least recently is aborted."""

    def __init__(self, limit: int, listener: str = "") -> None:
        """Allow `limit` connections; `listener` names the port in the log."""
        super().__init__()
        self._limit = limit
        self._listener = listener
        self._by_service: dict[Member, None] = {}

    def touch(self, connection: Member) -> None:
        """Add a connection, or note that it was served just now."""
        self._by_service.pop(connection, None)
        self._by_service[connection] = None
        if len(self._by_service) > self._limit:
            oldest = next(iter(self._by_service))
            self.remove(oldest)
            oldest.abort()
            log.warning(
                "too many connections", {"limit": self._limit, "aborted": oldest.peer, "listener": self._listener}
            )

    def remove(self, connection: Member) -> None:
        """Forget a connection."""
        self._by_service.pop(connection, None)
