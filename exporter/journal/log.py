"""The logs of a journal: files beside it, one after the other; one entry is one write.

Nothing that is written is changed, so a crash can leave only an incomplete record at the end.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress

from exporter.journal.records import Truncated, contents

log = logging.getLogger(__name__)

_MAGIC = b"BTLRLOG1"
"""The first bytes of a log, before the name of its journal."""

_BUFFER = 1 << 20
"""Bytes read at a time."""


class Foreign(ValueError):  # noqa: N818 - the name reads as what it is
    """The file belongs to another journal, or is no log; the text is for people."""


class Log:
    """A log that is written."""

    def __init__(self, path: str, journal: bytes) -> None:
        """Create the file, for the journal with this name. Raises OSError."""
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self._size = 0
        self._is_torn = False
        """Whether bytes may stand behind the last record, after a write that failed."""
        try:
            self.inode = os.fstat(self._file).st_ino
            self.append(_MAGIC + journal)
        except BaseException:
            self.close()
            with suppress(OSError):
                os.remove(path)
            raise

    def append(self, record: bytes) -> None:
        """Write a record, all of it or nothing. Raises OSError."""
        if self._is_torn:
            os.ftruncate(self._file, self._size)
        self._is_torn = True
        written = os.pwrite(self._file, record, self._size)
        while written < len(record):
            written += os.pwrite(self._file, record[written:], self._size + written)
        self._size += written
        self._is_torn = False

    def is_in_place(self) -> bool:
        """Tell whether the file is still at its path."""
        return is_file(self.path, self.inode)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Logs:
    """The logs beside a journal."""

    def __init__(self, path: str, journal: bytes, oldest: int, newest: int) -> None:
        """Find the logs of the journal at `path`; it needs those from `oldest` to `newest`. Raises OSError."""
        self._path, self._journal, self._oldest = path, journal, oldest
        self.numbers = log_numbers(path)
        """Their numbers, ascending."""
        self.newest = max(newest, oldest - 1, *self.numbers)
        """The highest number given so far; none is given twice."""

    def missing(self) -> str | None:
        """Return the path of a log that is needed and not there, if there is one."""
        for number in range(self._oldest, self.newest + 1):
            if number not in self.numbers:
                return log_path(self._path, number)
        return None

    def begin(self) -> Log:
        """Create the next log, and force its name to the disk. Raises OSError."""
        new = Log(log_path(self._path, self.newest + 1), self._journal)
        sync_folder(self._path)
        self.newest += 1
        self.numbers.append(self.newest)
        return new

    def contents(self, needed: bool = True) -> Iterator[bytes]:
        """Return the content of every record, oldest first; a truncated end is logged and passed over.

        Raises ValueError for a damaged record, Foreign, and OSError. Without `needed`, the rest of such a log is passed
        over instead.
        """
        for number in self.numbers:
            if number < self._oldest:
                continue
            path = log_path(self._path, number)
            try:
                yield from self._contents(path)
            except Truncated:
                log.warning("journal has a truncated log", {"log": path})
            except (ValueError, OSError) as error:
                if needed:
                    raise error if isinstance(error, (Foreign, OSError)) else ValueError(f"{path}: {error}") from None

    def _contents(self, path: str) -> Iterator[bytes]:
        with open(path, "rb", buffering=_BUFFER) as file:
            header = _MAGIC + self._journal
            if file.read(len(header)) == header:
                yield from contents(file)
            elif any(file.read()):
                raise Foreign(f"{path} belongs to another journal than {self._path}; move it away")
            else:
                raise Truncated("the header is incomplete")

    def remove(self, number: int) -> None:
        """Remove a log. Raises OSError."""
        with suppress(FileNotFoundError):
            os.remove(log_path(self._path, number))
        self.numbers.remove(number)


def is_file(path: str, inode: int) -> bool:
    """Tell whether the file with this inode is at a path."""
    try:
        return os.stat(path).st_ino == inode
    except OSError:
        return False


def sync_folder(path: str) -> None:
    """Force the folder of a path to the disk, with the names of its files, if the system can."""
    with suppress(OSError):
        folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def log_path(path: str, number: int) -> str:
    """Return the path of a log of the journal at `path`."""
    return f"{path}-log.{number}"


def log_numbers(path: str) -> list[int]:
    """Return the numbers of the logs beside the journal at `path`, ascending. Raises OSError."""
    folder, name = os.path.split(os.path.abspath(f"{path}-log."))
    ends = (file.removeprefix(name) for file in os.listdir(folder) if file.startswith(name))
    return sorted(int(end) for end in ends if end.isascii() and end.isdecimal())
