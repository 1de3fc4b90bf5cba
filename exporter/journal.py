"""What makes an acknowledged event survive the process: readings written before the answer, and read back at start.

A journal keeps what is known of each reading (`Memory`) for as long as memory does, so its size is bounded by
zones and window. It serves nothing: memory is folded from it once, and is what is served from.

A SQLite file holds one row for a zone, which changes when its names do, and one for each reading. Write-ahead
logging makes a write one append and keeps a file whole that a crash cut off; the process may be killed at any
time, and losing power costs at most the last moments. The file is locked while it is open.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from time import monotonic
from typing import Protocol

from exporter.events import Measure, Metadata
from exporter.readings import HASH, Memory

APPLICATION_ID = 0x42544C52
"""What tells a journal from other SQLite files: "BTLR"."""

VERSION = 1
"""Of the tables; a file of a later one is refused."""

_MAGIC = b"SQLite format 3\0"

_LOCK_TIMEOUT = 2.0
"""Seconds that another process is given to let go of the file."""

_CHECK_EVERY = 0.05
"""Seconds between two looks, when something is written, whether the file is still where it was."""

PAGE_SIZE = 1024
"""Bytes. A write is a page or two in the log, so small ones pay."""

_LOG_PAGES = 8000
"""Size of the log at which it goes into the file: what is hot is written there less often."""

_MEASURES = {Measure.ZONE_OCCUPANCY: 0, Measure.ZONE_OCCUPANCY_1MIN: 1}
_BY_NUMBER = {number: measure for measure, number in _MEASURES.items()}

_TABLES = f"""
BEGIN;
CREATE TABLE space (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    {", ".join(f"{name} TEXT NOT NULL" for name in Metadata._fields)}
);
CREATE TABLE reading (
    space INTEGER NOT NULL,
    measure INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    arrival INTEGER NOT NULL,
    value REAL NOT NULL,
    generation INTEGER,
    deliveries BLOB NOT NULL,
    PRIMARY KEY (space, measure, timestamp)
) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""

SPACES = "SELECT * FROM space ORDER BY number"
# Newest first, so that what is older only has to be put beside it.
READINGS = "SELECT * FROM reading ORDER BY space DESC, measure DESC, timestamp DESC"
PUT_SPACE = f"INSERT OR REPLACE INTO space VALUES ({', '.join('?' * (2 + len(Metadata._fields)))})"  # noqa: S608
PUT_READING = """
INSERT INTO reading VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
arrival = excluded.arrival, value = excluded.value, generation = excluded.generation, deliveries = excluded.deliveries
"""
_CLOSE_WINDOW = "DELETE FROM reading WHERE space = ? AND measure = ? AND timestamp <= ?"
_DROP = ("DELETE FROM reading WHERE space = ?", "DELETE FROM space WHERE number = ?")

Row = tuple[object, ...]

Statement = tuple[str, Sequence[Row]]
"""SQL, and the parameters of each time that it is executed."""


_FAILURES = (sqlite3.Error, OSError, ValueError, TypeError, KeyError, OverflowError)
"""What reading a file can raise that was written by nobody."""

_OF_THE_SYSTEM = (
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
)
"""Errors for which the file is not to blame."""


class JournalError(Exception):
    """A journal that cannot be opened, read or written; the text says why and what to do, for people."""


class JournalGone(JournalError):  # noqa: N818 - the name reads as what happened
    """The file is not where it was."""


class Journal(Protocol):
    """What a journal does. For one thread at a time."""

    def replay(self) -> Iterator[Memory]:
        """Return everything that was kept, space by space, newer readings first. Raises JournalError."""

    def append(self, memories: Iterable[Memory]) -> None:
        """Keep these, all or none, in place of what was kept of the same readings. Raises JournalError."""

    def retain(self, space_ids: set[str]) -> None:
        """Drop every space but these. Raises JournalError."""

    def check(self) -> None:
        """See that the next start will find it. Raises JournalGone."""

    def close(self) -> None:
        """Let go of it."""

    def abandon(self) -> None:
        """Let go of one that is gone, with what is left of it."""


class SqliteJournal:
    """A journal in a SQLite file."""

    def __init__(self, path: str) -> None:
        """Open a file of which `check_header` is content, or make it. Raises JournalError if that cannot be."""
        self._path = path
        self._spaces: dict[str, tuple[int, Metadata]] = {}
        """The number of each space that is written, and what it is called there."""
        self._next = 1
        self._floors: dict[tuple[int, int], int] = {}
        """By number and measure: what was dropped up to here need not be dropped again."""
        self._checked = 0.0
        try:
            self._database = connect(path)
            self._inode, self._log_inode = os.stat(path).st_ino, os.stat(f"{path}-wal").st_ino
        except _FAILURES as error:
            raise failure(self._path, error) from None

    def replay(self) -> Iterator[Memory]:
        """Return everything that was kept, space by space, newer readings first. Raises JournalError."""
        spaces: dict[int, tuple[str, Metadata]] = {}
        try:
            for number, space_id, *fields in self._database.execute(SPACES):
                spaces[number] = (space_id, Metadata(*fields))
            self._spaces = {space_id: (number, metadata) for number, (space_id, metadata) in spaces.items()}
            self._next = 1 + max(spaces, default=0)
            for space, measure, timestamp, arrival, value, generation, packed in self._database.execute(READINGS):
                if not isinstance(packed, bytes) or len(packed) % HASH:
                    raise ValueError("a list of deliveries is cut off")
                if timestamp < 0 or not isinstance(value, float) or not isinstance(generation, int | None):
                    raise ValueError("a reading is none")
                space_id, metadata = spaces[space]
                kind = _BY_NUMBER[measure]
                yield Memory(space_id, metadata, arrival, kind, timestamp, value, generation, packed, -1, False)
        except _FAILURES as error:
            raise failure(self._path, error) from None

    def append(self, memories: Iterable[Memory]) -> None:
        """Keep these, all or none, in place of what was kept of the same readings. Raises JournalError."""
        known = self._spaces
        added: dict[str, tuple[int, Metadata]] = {}
        spaces: list[Row] = []
        alone: list[Row] = []
        readings: list[Row] = []
        windows: list[tuple[int, int, int]] = []
        for space_id, metadata, arrival, kind, timestamp, value, generation, deliveries, floor, is_alone in memories:
            number, written = added.get(space_id) or known.get(space_id) or (self._next + len(added), None)
            if metadata is not written and metadata != written:
                added[space_id] = (number, metadata)
                spaces.append((number, space_id, *metadata))
            if is_alone and space_id in known:
                alone.append((number,))
            measure = _MEASURES[kind]
            readings.append((number, measure, timestamp, arrival, value, generation, deliveries))
            if floor > self._floors.get((number, measure), -1):
                windows.append((number, measure, floor))
        self._write([(PUT_SPACE, spaces), (_DROP[0], alone), (PUT_READING, readings), (_CLOSE_WINDOW, windows)])
        known.update(added)
        self._next += len(added)
        self._floors.update({(number, measure): floor for number, measure, floor in windows})

    def retain(self, space_ids: set[str]) -> None:
        """Drop every space but these. Raises JournalError."""
        dropped = self._spaces.keys() - space_ids
        numbers: list[Row] = [(self._spaces[space_id][0],) for space_id in dropped]
        self._write([(statement, numbers) for statement in _DROP])
        for space_id in dropped:
            number, _ = self._spaces.pop(space_id)
            for measure in _BY_NUMBER:
                self._floors.pop((number, measure), None)

    def _write(self, statements: list["Statement"]) -> None:
        """Execute all of them, or none. Raises JournalError, and JournalGone if the next start would not find it."""
        if monotonic() > self._checked + _CHECK_EVERY:
            self._check_place()
        wanted = [(sql, rows) for sql, rows in statements if rows]
        try:
            if len(wanted) == 1 and len(wanted[0][1]) == 1:  # a transaction of its own
                self._database.execute(wanted[0][0], wanted[0][1][0])
                return
            self._database.execute("BEGIN IMMEDIATE")
            for sql, rows in wanted:
                self._database.executemany(sql, rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise failure(self._path, error) from None

    def close(self) -> None:
        """Let go of the file; what is in the log beside it goes into it."""
        self._database.close()

    def abandon(self) -> None:
        """Let go of a file that is gone, and of its log, which must not be taken for that of another."""
        log = f"{self._path}-wal"
        without_its_file = not _is(self._path, self._inode) and _is(log, self._log_inode)
        self._database.close()
        if without_its_file:
            with suppress(OSError):
                os.remove(log)

    def check(self) -> None:
        """See that the next start will find it. Raises JournalGone."""
        self._check_place()
        if not _is(f"{self._path}-wal", self._log_inode):
            raise JournalGone(f"{self._path}-wal is gone")

    def _check_place(self) -> None:
        """See that the file itself is where it was. Raises JournalGone."""
        self._checked = monotonic()
        if not _is(self._path, self._inode):
            raise JournalGone(f"{self._path} is gone")


def _is(path: str, inode: int) -> bool:
    """Tell whether this file is at a path."""
    try:
        return os.stat(path).st_ino == inode
    except OSError:
        return False


def failure(path: str, error: Exception) -> JournalError:
    """Return what is to be said of an error: whose it is, and if it is the file's, what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return JournalError(f"{path} is in use by another process")
    if code in _OF_THE_SYSTEM or isinstance(error, OSError):
        return JournalError(f"{path}: {getattr(error, 'strerror', None) or error}")
    return JournalError(
        f"{path} is corrupt ({error}); restore it from a copy, or move it away to start without what it knew"
    )


def check_header(path: str) -> None:
    """Refuse a file that is no journal of ours, before anything touches it. Raises JournalError."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise JournalError(f"{path}: there is no folder {folder}")
    if os.path.exists(path) and not os.path.isfile(path):
        raise JournalError(f"{path} is not a file")
    log = f"{path}-wal"
    try:
        with open(path, "rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        header = b""
    except OSError as error:
        raise failure(path, error) from None
    if not header:
        if os.path.exists(log) and os.path.getsize(log):
            raise JournalError(f"{path} is missing, although its log {log} is there; restore it, or move the log away")
        return
    if header[:16] != _MAGIC or int.from_bytes(header[68:72]) != APPLICATION_ID:
        raise JournalError(f"{path} is not a journal of butlr-exporter; choose another path")
    if int.from_bytes(header[60:64]) > VERSION:
        raise JournalError(f"{path} was written by a later version of butlr-exporter; run that, or choose another path")


def connect(path: str) -> sqlite3.Connection:
    """Return a connection to a file that nobody else has, with its tables. Raises sqlite3.Error."""
    database = sqlite3.connect(path, timeout=_LOCK_TIMEOUT, isolation_level=None, check_same_thread=False)
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
