"""The pace of a connection: bytes held back, and deadlines."""

import asyncio
import logging
from typing import Protocol

from uvicorn.protocols.http.flow_control import FlowControl

log = logging.getLogger(__name__)


class Flow(FlowControl):
    """uvicorn's flow control, which reads nothing while it is held."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Control the flow of `transport`."""
        super().__init__(transport)
        self._held = False

    def hold(self) -> None:
        """Read nothing, even if `resume_reading` is called, until `release`."""
        if not (self._held or self.read_paused):
            self._transport.pause_reading()
        self._held = True

    def release(self) -> None:
        """Read again, unless `pause_reading` was called."""
        if self._held and not self.read_paused:
            self._transport.resume_reading()
        self._held = False

    def pause_reading(self) -> None:
        """Read nothing until `resume_reading`."""
        if self._held:
            self.read_paused = True
        else:
            super().pause_reading()

    def resume_reading(self) -> None:
        """Read again, unless the connection is held."""
        if self._held:
            self.read_paused = False
        else:
            super().resume_reading()


class Slow(Protocol):
    """A connection that may make no progress."""

    loop: asyncio.AbstractEventLoop

    @property
    def peer(self) -> str:
        """The address of the client, for the log."""

    @property
    def listener(self) -> str:
        """The name of the port, for the log."""

    def abort(self) -> None:
        """End the connection at once."""


class Deadline:
    """Aborts a connection some seconds after `start`, unless it is cancelled before; may be started again."""

    __slots__ = ("_connection", "_reason", "_seconds", "_timer")

    def __init__(self, connection: Slow, seconds: float, reason: str) -> None:
        self._connection, self._seconds, self._reason = connection, seconds, reason
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to wait, unless it does already."""
        if self._timer is None:
            self._timer = self._connection.loop.call_later(self._seconds, self._abort)

    def cancel(self) -> None:
        """Wait no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _abort(self) -> None:
        fields = {"client": self._connection.peer, "listener": self._connection.listener}
        log.debug("connection aborted", {"reason": self._reason, **fields})
        self._connection.abort()
