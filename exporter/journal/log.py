"""The log of a journal: files beside it, one after the other, to which what came in one turn is one write.

What is written is never changed, so what a crash may leave is an end that is not whole.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress

from exporter.journal.records import Truncated, contents

log = logging.getLogger(__name__)

_MAGIC = b"BTLRLOG1"
"""What a file begins with, before the name of its journal."""

_BUFFER = 1 << 20


class Foreign(ValueError):  # noqa: N818 - the name reads as what it is
    """A log is of another journal, or none; the text is for people."""


class Log:
    """One file that is written."""

    def __init__(self, path: str, journal: bytes) -> None:
        """Make it, for the journal of that name. Raises OSError."""
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._size = 0
        self._is_torn = False
        """Whether there may be something behind the last record."""
        try:
            self.inode = os.fstat(self._file).st_ino
            self.append(_MAGIC + journal)
        except BaseException:
            self.close()
            with suppress(OSError):
                os.remove(path)
            raise

    def append(self, record: bytes) -> None:
        """Write a record, all of it or none. Raises OSError."""
        if self._is_torn:
            os.ftruncate(self._file, self._size)
        self._is_torn = True
        written = os.pwrite(self._file, record, self._size)
        while written < len(record):
            written += os.pwrite(self._file, record[written:], self._size + written)
        self._size += written
        self._is_torn = False

    def is_there(self) -> bool:
        """Tell whether it is where it was."""
        return is_file(self.path, self.inode)

    def close(self) -> None:
        """Write no more."""
        os.close(self._file)


class Logs:
    """All that are beside a journal."""

    def __init__(self, path: str, journal: bytes, oldest: int, newest: int) -> None:
        """Find those of the journal at a path, which has a name and needs those of some numbers. Raises OSError."""
        self._path, self._journal, self._oldest = path, journal, oldest
        self.numbers = log_numbers(path)
        """The number of each, the oldest first."""
        self.newest = max(newest, oldest - 1, *self.numbers)
        """The highest number that there was; it is not given twice."""

    def missing(self) -> str | None:
        """Return where one should be that is needed, if one is not there."""
        for number in range(self._oldest, self.newest + 1):
            if number not in self.numbers:
                return log_path(self._path, number)
        return None

    def begin(self) -> Log:
        """Make the next one, so that it is found also after a loss of power. Raises OSError."""
        new = Log(log_path(self._path, self.newest + 1), self._journal)
        sync_folder(self._path)
        self.newest += 1
        self.numbers.append(self.newest)
        return new

    def contents(self, needed: bool = True) -> Iterator[bytes]:
        """Return what is in the records of all, or only what can be read.

        Raises ValueError where one is not what was written, and OSError.
        """
        for number in self.numbers:
            if number < self._oldest:
                continue
            path = log_path(self._path, number)
            try:
                yield from self._contents(path)
            except Truncated:
                log.warning("journal has a log that was cut off", {"log": path})
            except (ValueError, OSError) as error:
                if needed:
                    raise error if isinstance(error, (Foreign, OSError)) else ValueError(f"{path}: {error}") from None

    def _contents(self, path: str) -> Iterator[bytes]:
        with open(path, "rb", buffering=_BUFFER) as file:
            header = _MAGIC + self._journal
            if file.read(len(header)) == header:
                yield from contents(file)
            elif any(file.read()):
                raise Foreign(f"{path} is of another journal than {self._path}; move it away")
            else:
                raise Truncated("it was not begun")

    def remove(self, number: int) -> None:
        """Remove one. Raises OSError."""
        with suppress(FileNotFoundError):
            os.remove(log_path(self._path, number))
        self.numbers.remove(number)


def is_file(path: str, inode: int) -> bool:
    """Tell whether this file is at a path."""
    try:
        return os.stat(path).st_ino == inode
    except OSError:
        return False


def sync_folder(path: str) -> None:
    """Force to the disk what files there are beside a path, if the system can."""
    with suppress(OSError):
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def log_path(path: str, number: int) -> str:
    """Return where a log of the journal at a path is."""
    return f"{path}-log.{number}"


def log_numbers(path: str) -> list[int]:
    """Return the numbers of the logs beside a journal, the oldest first. Raises OSError."""
    folder, name = os.path.split(os.path.abspath(f"{path}-log."))
    ends = (file.removeprefix(name) for file in os.listdir(folder) if file.startswith(name))
    return sorted(int(end) for end in ends if end.isascii() and end.isdecimal())
