"""Deliveries in files: one on each line, as it would be POSTed."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from queue import Empty, Queue
from threading import Thread
from typing import IO, TextIO

from exporter.simulate.delivery import Delivery

STANDARD = "-"
"""The name of a file that is standard input or output."""

_AHEAD = 1000
"""Most lines read from a pipe before they are sent."""


def opened(name: str, mode: str) -> AbstractContextManager[IO[bytes]]:
    """Open a file to read or write bytes. Raises OSError."""
    if name != STANDARD:
        return open(name, mode)
    stream: TextIO | None = sys.stdout if mode == "wb" else sys.stdin
    if stream is None:  # as whoever started this has closed it
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), name)
    return nullcontext(stream.buffer)


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
