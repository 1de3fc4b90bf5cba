"""Deliveries in files: one on each line, as it would be POSTed."""

import os
import stat
from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread
from typing import IO

from exporter.events.text import BYTE_ORDER_MARK, check_first_line
from exporter.simulate.world.delivery import Delivery

_MAX_LINES_AHEAD = 1000
"""Lines that are read from a pipe before they are sent."""


def read(lines: IO[bytes]) -> Iterator[Delivery | None]:
    """Return the deliveries of a file; None while a slow pipe has none, so that the caller never waits for it.

    Raises NotText.
    """
    bodies = iter(lines) if stat.S_ISREG(os.fstat(lines.fileno()).st_mode) else _read_in_thread(lines)
    checked = False
    for line in bodies:
        if line is None:
            yield None
            continue
        if not checked:
            check_first_line(line)
            checked = True
        if body := line.removeprefix(BYTE_ORDER_MARK).strip():
            yield Delivery(0, body)


def _read_in_thread(lines: IO[bytes]) -> Iterator[bytes | None]:
    """Return the lines that a thread reads from a pipe; None while it waits for the next one."""
    queue: Queue[bytes | None] = Queue(_MAX_LINES_AHEAD)
    # The thread has a file object of its own: closing one waits for a read that is under way in it.
    own = os.dup(lines.fileno())

    def fill_queue() -> None:
        with open(own, "rb") as file:
            for line in file:
                queue.put(line)
        queue.put(None)

    Thread(target=fill_queue, daemon=True).start()
    while True:
        try:
            line = queue.get_nowait()
        except Empty:
            yield None
        else:
            if line is None:
                return
            yield line
