"""The connections of one port."""

import logging
from typing import Protocol

from uvicorn.server import ServerState

log = logging.getLogger(__name__)


class _Member(Protocol):
    """What can be in a crowd."""

    @property
    def peer(self) -> str:
        """The address of the other side, for the log."""

    def abort(self) -> None:
        """End it at once."""


class ConnectionLimit(ServerState):
    """The connections of one port. When there are too many, the one served least recently makes room."""

    def __init__(self, most: int) -> None:
        """Take how many there may be."""
        super().__init__()
        self._most = most
        self._order: dict[_Member, None] = {}

    def touch(self, connection: "_Member") -> None:
        """Let one in, or go to the end of the queue because it was served."""
        self._order.pop(connection, None)
        self._order[connection] = None
        if len(self._order) > self._most:
            oldest = next(iter(self._order))
            self.remove(oldest)
            oldest.abort()
            log.warning("too many connections", {"limit": self._most, "cut_off": oldest.peer})

    def remove(self, connection: "_Member") -> None:
        """Forget one."""
        self._order.pop(connection, None)
