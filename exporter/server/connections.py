"""The connections of one port, limited in number."""

import logging
from collections import OrderedDict
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
    """The connections of one port. Beyond the limit, the stranger that was served least recently is aborted.

    A connection is a stranger's until it is admitted, so strangers never drive out an admitted client. At most three
    quarters of the limit are admitted: one more, and the one that was served least recently becomes a stranger's again.
    So admitted clients never keep a newcomer out.
    """

    def __init__(self, limit: int, listener: str = "") -> None:
        """Allow `limit` connections; `listener` names the port in the log."""
        super().__init__()
        self._limit = limit
        self._max_admitted = limit * 3 // 4
        self._listener = listener
        self._admitted: OrderedDict[Member, None] = OrderedDict()
        self._strangers: OrderedDict[Member, None] = OrderedDict()
        """Each by its last service, the oldest first."""

    def touch(self, connection: Member) -> None:
        """Add a connection, or note that it was served just now."""
        if connection in self._admitted:
            self._admitted.move_to_end(connection)
            return
        self._strangers[connection] = None
        self._strangers.move_to_end(connection)
        if len(self._strangers) + len(self._admitted) > self._limit:
            oldest, _ = self._strangers.popitem(last=False)
            oldest.abort()
            log.warning(
                "too many connections", {"limit": self._limit, "aborted": oldest.peer, "listener": self._listener}
            )

    def admit(self, connection: Member) -> None:
        """Note that the connection is no stranger's, and was served just now."""
        try:
            self._admitted.move_to_end(connection)
        except KeyError:
            if connection not in self._strangers:
                return  # it was aborted
            del self._strangers[connection]
            self._admitted[connection] = None
            if len(self._admitted) > self._max_admitted:
                oldest, _ = self._admitted.popitem(last=False)
                self._strangers[oldest] = None

    def remove(self, connection: Member) -> None:
        """Forget a connection."""
        self._admitted.pop(connection, None)
        self._strangers.pop(connection, None)
