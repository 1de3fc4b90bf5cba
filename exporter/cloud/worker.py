"""One thread that works in rounds until it is stopped; no pause of a round outlasts the stop."""

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

AFTER_FAILURE_SECONDS = 60.0
"""Time from a round that failed unexpectedly to the next."""


class Stopped(Exception):  # noqa: N818 - the name reads as what happened
    """The worker was stopped; the round ends."""


class Worker:
    """One thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def pause(self, seconds: float) -> None:
        """Wait. Raises Stopped."""
        if self._stop.wait(min(seconds, threading.TIMEOUT_MAX)):
            raise Stopped

    def start(self, work: Callable[[], float]) -> None:
        """Call `work` again and again; each call returns the seconds until the next. It may raise Stopped."""
        # A daemon, because a request under way may last longer than anybody waits for the end of the service.
        self._thread = threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Have the thread end, at its next pause at the latest."""
        self._stop.set()

    def wait(self, seconds: float) -> None:
        """Wait for the end of the thread, but no longer than this."""
        if self._thread is not None:
            self._thread.join(max(0.0, seconds))

    def _run(self, work: Callable[[], float]) -> None:
        try:
            while True:
                try:
                    seconds = work()
                except Stopped:
                    raise
                except Exception as error:
                    log.error("background work failed", {"thread": self._name}, exc_info=error)
                    seconds = AFTER_FAILURE_SECONDS
                self.pause(seconds)
        except Stopped:
            log.debug("background work ended", {"thread": self._name})
