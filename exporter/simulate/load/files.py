"""Deliveries in files: one on each line, as it would be POSTed."""

import os
import stat
from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread
from typing import IO

from exporter.simulate.world.delivery import Delivery

_AHEAD = 1000
"""Most lines read from a pipe before they are sent."""


def read(lines: IO[bytes]) -> Iterator[Delivery | None]:
    """Return the deliveries of a file; None where none has come yet, so that a slow pipe holds up nobody."""
    bodies = iter(lines) if stat.S_ISREG(os.fstat(lines.fileno()).st_mode) else _as_they_come(lines)
    for line in bodies:
        if line is None:
            yield None
        elif body := line.strip():
            yield Delivery(0, body)


def _as_they_come(lines: IO[bytes]) -> Iterator[bytes | None]:
    queue: Queue[bytes | None] = Queue(_AHEAD)
    # A file of the thread's own, or whoever closes the other would wait for what is being read.
    own = os.dup(lines.fileno())

    def read_on() -> None:
        with open(own, "rb") as file:
            for line in file:
                queue.put(line)
        queue.put(None)

    Thread(target=read_on, daemon=True).start()
    while True:
        try:
            line = queue.get_nowait()
        except Empty:
            yield None
        else:
            if line is None:
                return
            yield line
