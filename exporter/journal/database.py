"""The SQLite file of a journal: made, known for what it is, and opened for one process; and what went wrong with it."""

import os
import sqlite3
from contextlib import closing, suppress
from random import uniform
from time import monotonic, sleep

from exporter.journal.interface import JournalError
from exporter.journal.log import log_numbers, log_path, sync_folder

APPLICATION_ID = 0x42544C52
"""What tells a journal from other SQLite files: "BTLR"."""

VERSION = 3
"""Of the tables and what is in them; a file of another one is refused."""

_MAGIC = b"SQLite format 3\0"

_LOCK_TIMEOUT = 2.0
"""Seconds that another process is given to let go of the file."""

PAGE_SIZE = 1024
"""Bytes. What a zone takes is some of them, so small ones leave less empty."""

_LOG_PAGES = 8000
"""Size of SQLite's log at which it goes into the file."""

_TABLES = f"""
BEGIN;
CREATE TABLE space (
    id TEXT NOT NULL PRIMARY KEY,
    state BLOB NOT NULL  -- one record
);
CREATE TABLE piece (  -- of logs that were taken in
    number INTEGER PRIMARY KEY,
    records BLOB NOT NULL
);
CREATE TABLE log (  -- one row: what is beside the file
    journal BLOB NOT NULL,  -- the name of this one, by which its logs are known
    oldest INTEGER NOT NULL,  -- the numbers of those without which the file is not all
    newest INTEGER NOT NULL  -- less than the oldest if there is none
);
INSERT INTO log VALUES (randomblob(8), 1, 0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""  # noqa: S608 - two numbers of our own

FAILURES = (sqlite3.Error, OSError, ValueError, TypeError, KeyError, OverflowError)
"""What reading a file can raise that is damaged."""

_OF_THE_SYSTEM = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)
"""Errors for which the file is not to blame."""


def failure(path: str, error: Exception) -> JournalError:
    """Return what is to be said of an error: whose it is, and if it is the file's, what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalError(f"{path} is in use by another process")
    if code in _OF_THE_SYSTEM or isinstance(error, OSError):
        where = getattr(error, "filename", None) or path
        return JournalError(f"{where}: {getattr(error, 'strerror', None) or error}")
    return JournalError(
        f"{path} is corrupt ({error}); restore it from a copy, or move it away to start without what it knew"
    )


def check_header(path: str, anew: bool) -> None:
    """Refuse a file that is no journal of ours, before anything touches it. Raises JournalError.

    If all is to be written anew, it may be missing beside its log.
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
        for log in () if anew else logs:
            if os.path.exists(log) and os.path.getsize(log):
                raise JournalError(
                    f"{path} is missing, although its log {log} is there; restore it, or move the log away"
                )
        return
    if header[:16] != _MAGIC or int.from_bytes(header[68:72]) != APPLICATION_ID:
        raise JournalError(f"{path} is not a journal of butlr-exporter; choose another path")
    version = int.from_bytes(header[60:64])
    if version < VERSION:
        raise JournalError(
            f"{path} was written before the first release of butlr-exporter; move it away to start without what it knew"
        )
    if version > VERSION:
        raise JournalError(f"{path} was written by a later version of butlr-exporter; run that, or choose another path")


def connect(path: str) -> sqlite3.Connection:
    """Return a connection to a file that nobody else has, with its tables. Raises sqlite3.Error and OSError."""
    if not os.path.exists(path):
        _make(path)
    end = monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            return _connected(path)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
        # Two that begin at once may each have a part of the lock: both let go of it, and one is the first then.
        sleep(uniform(0.01, 0.1))  # noqa: S311 - it is no secret


def _connected(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        database.execute(f"PRAGMA page_size = {PAGE_SIZE}")
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        if not database.execute("PRAGMA schema_version").fetchone()[0]:
            database.executescript(_TABLES)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        database.execute("BEGIN IMMEDIATE")
        database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def _make(path: str) -> None:
    """Make a file with its tables, all of it at once. Raises sqlite3.Error and OSError."""
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
        with suppress(FileNotFoundError):  # it would be taken for that of the new one
            os.remove(f"{path}-wal")
        with suppress(FileExistsError):
            os.link(new, path)
        sync_folder(path)
    finally:
        with suppress(FileNotFoundError):
            os.remove(new)
