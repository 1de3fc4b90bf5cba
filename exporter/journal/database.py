"""The SQLite file of a journal: recognised, created, opened for one process."""

import errno
import fcntl
import os
import sqlite3
import stat
from contextlib import closing, suppress
from random import uniform
from time import monotonic, sleep

from exporter.journal.failures import failure, probe
from exporter.journal.interface import JournalError
from exporter.journal.log import log_numbers, log_path, sync_folder

APPLICATION_ID = 0x42544C52
"""Distinguishes a journal from other SQLite files: "BTLR"."""

VERSION = 6
"""The version of the tables and of all records in a file; a file with a later one is refused."""

OLDEST_VERSION = 4
"""The oldest version that is read. An older exporter must not read a file that a newer one has written, so an opened
file gets the present version at once."""

_NAME_SIZE = 8
"""Bytes of a journal's name, which the header of each of its logs repeats."""

_GET_LOG = "SELECT journal, oldest, newest FROM log"

_MAGIC = b"SQLite format 3\0"

_LOCK_TIMEOUT = 2.0
"""Seconds in which another process may release the file."""

PAGE_SIZE = 1024
"""Bytes. A space takes a few pages, so small pages leave less of them empty."""

_WAL_PAGES = 8000
"""Pages of SQLite's write-ahead log at which SQLite copies them into the file."""

_TABLES = f"""
BEGIN;
CREATE TABLE space (
    key TEXT NOT NULL PRIMARY KEY,  -- kind:id
    state BLOB NOT NULL  -- one record
);
CREATE TABLE piece (  -- entries of logs that were moved into the file
    number INTEGER PRIMARY KEY,
    records BLOB NOT NULL  -- one after the other
);
CREATE TABLE log (  -- one row: the logs beside the file
    journal BLOB NOT NULL,  -- the name of this journal, which the header of each log repeats
    oldest INTEGER NOT NULL,  -- the numbers of the logs that are needed
    newest INTEGER NOT NULL  -- less than the oldest if none is
);
INSERT INTO log (journal, oldest, newest) VALUES (randomblob(8), 1, 0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""  # noqa: S608 - two constants

_LOCKED_AT, _LOCKED_BYTES = 0x40000000, 512
"""The bytes of a file that SQLite locks (sqlite.org/fileformat.html, the lock-byte page)."""


def check_header(path: str, rewrite: bool) -> None:
    """Refuse a file that is no journal of a version that is read, before anything touches it. Raises JournalError.

    With `rewrite`, the file may be missing although a log of it is there.
    """
    folder = os.path.dirname(path)
    try:
        logs = [f"{path}-wal", *(log_path(path, number) for number in log_numbers(path))]
    except FileNotFoundError:
        raise JournalError(f"{path}: there is no folder {folder}; create it, or choose another path") from None
    except OSError as error:
        raise failure(path, error, "opened") from None
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe, for example, would wait for its other end
            raise JournalError(f"{path} is not a file; choose another path")
        with open(path, "rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        header = b""
    except OSError as error:
        raise failure(path, error, "opened") from None
    if not header:
        for log in () if rewrite else logs:
            if os.path.exists(log) and os.path.getsize(log):
                raise JournalError(
                    f"{path} is missing, although its log {log} is there; restore {path}, or move the log away"
                )
        return
    if header[:16] != _MAGIC or int.from_bytes(header[68:72]) != APPLICATION_ID:
        raise JournalError(f"{path} is not a journal of butlr-exporter; choose another path")
    version = int.from_bytes(header[60:64])
    if version < OLDEST_VERSION:
        raise JournalError(
            f"{path} was written before the first release of butlr-exporter; move it away to start with no spaces"
        )
    if version > VERSION:
        raise JournalError(f"{path} was written by a later version of butlr-exporter; run that, or choose another path")


def check_path(path: str) -> None:
    """Check that a journal could be opened at a path, and change nothing. Raises JournalError.

    The content of the journal is not read, and another process may have it open.
    """
    path = os.path.realpath(path)
    check_header(path, rewrite=False)
    if error := probe(path):
        raise failure(path, error, "opened")


def is_in_use(path: str) -> bool:
    """Tell whether another process has the journal at a path open."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, _LOCKED_BYTES, _LOCKED_AT)
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EAGAIN)
    finally:
        os.close(file)
    return False


def connect(path: str) -> sqlite3.Connection:
    """Return a connection to the file, locked for this process, with its tables. Raises sqlite3.Error and OSError."""
    if not os.path.exists(path):
        _create(path)
    end = monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            return _connected(path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
        # Two processes that start together may each hold a part of the lock: both release it, and one is first then.
        sleep(uniform(0.01, 0.1))  # noqa: S311 - no secret


def _connected(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        database.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        if not database.execute("PRAGMA schema_version").fetchone()[0]:
            database.executescript(_TABLES)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        database.execute("BEGIN IMMEDIATE")
        database.execute("COMMIT")
        if database.execute("PRAGMA user_version").fetchone()[0] < VERSION:
            database.execute(f"PRAGMA user_version = {VERSION}")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # as `check_header` reads the version from the file
    except BaseException:
        database.close()
        raise
    return database


def _create(path: str) -> None:
    """Create a file with its tables, in one step. Raises sqlite3.Error and OSError."""
    new = f"{path}.{os.getpid()}"
    for left_over in (new, f"{new}-journal", f"{new}-wal"):
        with suppress(FileNotFoundError):
            os.remove(left_over)
    try:
        with closing(sqlite3.connect(new, isolation_level=None)) as database:
            database.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            database.executescript(_TABLES)
            database.execute("PRAGMA journal_mode = WAL")
        with open(new, "rb") as file:
            os.fsync(file)
        with suppress(FileNotFoundError):  # or SQLite would read it as that of the new file
            os.remove(f"{path}-wal")
        with suppress(FileExistsError):
            os.link(new, path)
        sync_folder(path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(new)


def log_row(database: sqlite3.Connection) -> tuple[bytes, int, int]:
    """Return the name of a journal, and the oldest and newest number of the logs that it needs. Raises ValueError."""
    name, oldest, newest = database.execute(_GET_LOG).fetchone()
    is_name = isinstance(name, bytes) and len(name) == _NAME_SIZE
    if not (is_name and isinstance(oldest, int) and isinstance(newest, int)):
        raise ValueError("the row about its logs is damaged")
    return name, oldest, newest
