"""Errors of the system and of SQLite in words for people: the file, the cause and the remedy.

SQLite calls nearly every failure of a disk "disk I/O error". So after such an error `probe` asks the system again, and
changes nothing by it.
"""

import errno
import os
import resource
import sqlite3
from typing import NamedTuple

from exporter.journal.interface import JournalError

FAILURES = (sqlite3.Error, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError)
"""Errors that reading a damaged file can raise."""

_OF_THE_SYSTEM = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)
"""SQLite's errors that come from the system and not from the content of the file."""

_OF_LOCKS = (
    sqlite3.SQLITE_IOERR_LOCK,
    sqlite3.SQLITE_IOERR_UNLOCK,
    sqlite3.SQLITE_IOERR_RDLOCK,
    sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
)

_PROBE = bytes(1 << 16)
"""Content that is written to see whether the disk has room."""


class Cause(NamedTuple):
    """The cause of a failure, and the remedy."""

    text: str
    remedy: str


_CAUSES = {
    errno.EROFS: Cause("the file system is read-only", "mount it for writing; the system's log (dmesg) may say why"),
    errno.ENOSPC: Cause("the disk is full", "make room on it"),
    errno.EDQUOT: Cause("the disk quota is used up", "raise it, or make room"),
    errno.EFBIG: Cause("it may not grow further", "raise the limit on the size of a file (ulimit -f, LimitFSIZE)"),
    errno.EACCES: Cause("user {user} has no permission", "let that user write to the file and to its folder"),
    errno.EPERM: Cause("user {user} has no permission", "let that user write to the file and to its folder"),
    errno.EIO: Cause("the disk reports an error", "see the system's log (dmesg), and replace the disk if it is broken"),
    errno.EMFILE: Cause("the exporter has too many open files", "raise its limit (ulimit -n, LimitNOFILE)"),
    errno.ENFILE: Cause("the system has too many open files", "raise the limit (sysctl fs.file-max)"),
    errno.ENOENT: Cause("it is missing", "give it back"),
    errno.EEXIST: Cause("a file is in its place", "move that away"),
    errno.EISDIR: Cause("a folder is in its place", "choose another path"),
    errno.ENOTDIR: Cause("a part of its path is a file and no folder", "choose another path"),
    errno.ELOOP: Cause("its symbolic links form a loop", "mend the links"),
    errno.ENAMETOOLONG: Cause("its path is too long", "choose a shorter one"),
    errno.ENOLCK: Cause("the file system cannot lock files", "choose a path on a local disk"),
    errno.ESTALE: Cause("the network file system has lost it", "mount that again"),
    errno.ENOMEM: Cause("there is not enough memory", "give the exporter more"),
}


def failure(path: str, error: Exception, done: str = "written") -> JournalError:
    """Return the error of something that could not be `done` with the journal at `path`: `opened`, `read`, `written`.

    The cause is another process, the system, or the content of the file.
    """
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return in_use(path)
    if isinstance(error, OSError):
        return _failure_of_system(path, error, done)
    if code in _OF_THE_SYSTEM:
        otherwise = _error(errno.ENOLCK) if extended in _OF_LOCKS else OSError(0, str(error))
        if code == sqlite3.SQLITE_FULL:
            otherwise = _error(errno.ENOSPC)
        return _failure_of_system(path, probe(path) or otherwise, done)
    if isinstance(error, MemoryError):  # a damaged length of a row may ask for any amount
        return JournalError(f"{path}: there is not enough memory to read it, or it is corrupt")
    return JournalError(f"{path} is corrupt ({error}); restore it from a copy, or move it away to start with no spaces")


def in_use(path: str) -> JournalError:
    """Return the error of a journal that another process has open."""
    return JournalError(f"{path} is in use by another process; end that one, or choose another path")


def _failure_of_system(path: str, error: OSError, done: str) -> JournalError:
    name = error.filename if isinstance(error.filename, str) else ""
    where = name if name.startswith(f"{path}-") else path  # people do not know a temporary file by its name
    cause = _CAUSES.get(error.errno or 0)
    if cause is None:
        return JournalError(f"{where} cannot be {done}: {error.strerror or error}")
    return JournalError(f"{where} cannot be {done}: {cause.text.format(user=os.geteuid())}; {cause.remedy}")


def probe(path: str) -> OSError | None:
    """Return the error with which the system refuses to write the journal at `path`, or beside it; None if it does not.

    No file of the journal is created, changed or opened: closing one would release the lock that this process may have.
    """
    folder = os.path.dirname(path)
    files = [file for file in (path, f"{path}-wal") if os.path.exists(file)]
    try:
        if not all(os.access(file, os.R_OK | os.W_OK, effective_ids=True) for file in files):
            return _error(errno.EROFS if _is_read_only(folder) else errno.EACCES)
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            return _error(errno.EROFS if _is_read_only(folder) else errno.EACCES)
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY and limit < max(map(os.path.getsize, files), default=0) + len(_PROBE):
            return _error(errno.EFBIG)
        _write_to_nowhere(folder)
    except OSError as error:
        return error
    return None


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _is_read_only(folder: str) -> bool:
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def _write_to_nowhere(folder: str) -> None:
    """Write to a file without a name. Raises OSError."""
    try:
        file = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):  # not every file system has such files
            return
        raise
    try:
        if os.write(file, _PROBE) < len(_PROBE):
            raise _error(errno.ENOSPC)
        os.fsync(file)
    finally:
        os.close(file)
