"""Files that a person named: opened, shown, and why not."""

import errno
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import IO, TextIO

_LONGEST_PATH = 500


def shown_path(path: str) -> str:
    """Return a path as a mistake shows it: not if it may be a secret that was written in its place."""
    plain = path.isprintable() and len(path) <= _LONGEST_PATH and ("/" in path or "." in path)
    return repr(path) if plain else "what was given"


STANDARD = "-"
"""The name of a file that is standard input or output."""


def opened(name: str, mode: str) -> AbstractContextManager[IO[bytes]]:
    """Open a file to read or write bytes. Raises OSError."""
    if name != STANDARD:
        return open(name, mode)
    stream: TextIO | None = sys.stdout if mode == "wb" else sys.stdin
    if stream is None:  # as whoever started this has closed it
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), name)
    return nullcontext(stream.buffer)


def reason(error: OSError | ValueError) -> str:
    """Return why a file cannot be opened."""
    return getattr(error, "strerror", None) or "that is no path"
