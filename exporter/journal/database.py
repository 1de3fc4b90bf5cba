"""The SQLite file of a journal: recognised, created, opened for one process; and its errors in words for people."""

import os
import sqlite3
from contextlib import closing, suppress
from random import uniform
from time import monotonic, sleep

from exporter.journal.interface import JournalError
from exporter.journal.log import log_numbers, log_path, sync_folder

APPLICATION_ID = 0x42544C52
"""Distinguishes a journal from other SQLite files: "BTLR"."""

VERSION = 4
"""The version of the tables; a file with another one is refused."""

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


def failure(path: str, error: Exception) -> JournalError:
    """Return an error in words for people: another process has the file, the system fails, or the file is corrupt."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalError(f"{path} is in use by another process")
    if code in _OF_THE_SYSTEM or isinstance(error, OSError):
        where = getattr(error, "filename", None) or path
        return JournalError(f"{where}: {getattr(error, 'strerror', None) or error}")
    if isinstance(error, MemoryError):  # a damaged length of a row may ask for any amount
        return JournalError(f"{path}: there is not enough memory to read it, or it is corrupt")
    return JournalError(f"{path} is corrupt ({error}); restore it from a copy, or move it away to start with no spaces")


def check_header(path: str, rewrite: bool) -> None:
    """Refuse a file that is no journal of this version, before anything touches it. Raises JournalError.

    With `rewrite`, the file may be missing although a log of it is there.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise JournalError(f"{path}: there is no folder {folder}")
    if os.path.exists(path) and not os.path.isfile(path):
        raise JournalError(f"{path} is not a file")
    try:
        logs = [f"{path}-wal", *(log_path(path, number) for number in log_numbers(path))]
        with open(path, "rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        header = b""
    except OSError as error:
        raise failure(path, error) from None
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
    if version < VERSION:
        raise JournalError(
            f"{path} was written before the first release of butlr-exporter; move it away to start with no spaces"
        )
    if version > VERSION:
        raise JournalError(f"{path} was written by a later version of butlr-exporter; run that, or choose another path")


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
