"""Files that a person named: opened, read, written, and shown in messages with the reason if they cannot be."""

import errno
import os
import stat
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import IO, TextIO

_MAX_SHOWN_PATH = 500
"""Characters of the longest path that is shown."""

STANDARD_STREAM = "-"
"""The file name that means standard input or output."""

_UTF_16 = "is UTF-16 text; save it as UTF-8"


class FileError(Exception):
    """A file that cannot be read; the text goes on after the file's name, such as `is not UTF-8 text`."""


def shown_path(path: str) -> str:
    """Return a path as messages show it; a placeholder if it may be a secret that was written in its place."""
    is_plain = path.isprintable() and len(path) <= _MAX_SHOWN_PATH and ("/" in path or "." in path)
    return repr(path) if is_plain else "<path not shown>"


def open_binary(name: str, mode: str) -> AbstractContextManager[IO[bytes]]:
    """Open a file, or a standard stream for `-`, in mode `rb` or `wb`. Raises OSError, ValueError."""
    if name != STANDARD_STREAM:
        return open(name, mode)
    stream: TextIO | None = sys.stdout if mode == "wb" else sys.stdin
    if stream is None:  # as the parent process has closed it
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), name)
    return nullcontext(stream.buffer)


def read_text(path: str, max_characters: int | None = None, *, may_wait: bool = True) -> str:
    """Return the text of a UTF-8 file, without its byte order mark. Raises FileError.

    A pipe or a terminal, which may send nothing for ever, is read only if that `may_wait`.
    """
    try:
        with open(path, encoding="utf-8-sig", opener=None if may_wait else _open_at_once) as file:
            text = file.read(-1 if max_characters is None else max_characters + 1)
    except UnicodeDecodeError as error:
        first = error.object[:2]
        is_utf_16 = first in (b"\xff\xfe", b"\xfe\xff") or first.count(0) == 1
        raise FileError(_UTF_16 if is_utf_16 else "is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        raise FileError(f"cannot be read: {reason(error)}") from None
    if "\0" in text[:2]:
        raise FileError(_UTF_16)
    if max_characters is not None and len(text) > max_characters:
        raise FileError(f"is larger than {max_characters} characters")
    return text


def write_whole(name: str, lines: Iterable[str]) -> None:
    """Write a file whole, or leave the old one as it is; `-` is standard output. Raises OSError, ValueError."""

    def write_lines(file: IO[bytes]) -> None:
        file.writelines(line.encode() for line in lines)
        file.flush()

    if name == STANDARD_STREAM or (os.path.exists(name) and not os.path.isfile(name)):  # such as a pipe
        with open_binary(name, "wb") as file:
            write_lines(file)
        return
    path = os.path.realpath(name)
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            write_lines(file)
        os.replace(part, path)
    except BaseException:  # the lines may come from a file that turns out unreadable
        with suppress(OSError):
            os.remove(part)
        raise


def _open_at_once(path: str, flags: int) -> int:
    """Open a file that is on a disk. Raises OSError for any other, such as a pipe, whose writer may never come."""
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
    if stat.S_ISFIFO(mode := os.fstat(descriptor).st_mode) or stat.S_ISCHR(mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is a pipe or a device, which the exporter does not wait for")
    return descriptor


def discard_output() -> None:
    """Send standard output to nowhere once its reader has closed it, so that Python's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reason(error: OSError | ValueError) -> str:
    """Return why a file cannot be opened, read or written, in the system's words."""
    return getattr(error, "strerror", None) or "not a valid path"
