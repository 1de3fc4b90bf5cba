"""What makes an acknowledged event survive the process: deliveries written before the answer, and read back at start.

What is known is a fold of deliveries, so a journal is a log of them, and beside it every space as it was at some entry
of the log. From there on the log is applied again at the next start. When it has grown long, the spaces are written
anew and it begins again, so its size is bounded by zones and window. A journal serves nothing.

It is a SQLite file, in which all deliveries that came together are one row. Write-ahead logging makes a write one
append and keeps a file whole that a crash cut off; the process may be killed at any time, and losing power costs at
most the last moments. The file is locked while it is open.
"""

import os
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from time import monotonic
from typing import Protocol
from zlib import crc32

from msgspec import msgpack

from exporter.events import Measure, Metadata, OccupancyEvent
from exporter.journal_file import FAILURES, JournalError, JournalGone, connect, failure
from exporter.readings import Memory

__all__ = ["Journal", "JournalError", "JournalGone", "SqliteJournal"]

_CHECK_EVERY = 0.05
"""Seconds between two looks, when something is written, whether the file is still where it was."""

_SHORT = 4 << 20
"""Bytes of the log of deliveries that are never too many."""

_DROP_TOGETHER = 200
"""Entries that are dropped at a time."""

_MEASURES = {Measure.ZONE_OCCUPANCY: 0, Measure.ZONE_OCCUPANCY_1MIN: 1}
_BY_NUMBER = {number: measure for measure, number in _MEASURES.items()}

PUT_SPACE = "INSERT OR REPLACE INTO space VALUES (?, ?, ?)"
PUT_ENTRY = "INSERT INTO entry VALUES (?, ?, ?)"
_DROP_SPACE = "DELETE FROM space WHERE id = ?"
_DROP_ENTRIES = "DELETE FROM entry WHERE number IN (SELECT number FROM entry WHERE number <= ? ORDER BY number LIMIT ?)"

_Told = tuple[str, int, str, int, float, int | None, Metadata | None]
"""A delivery with the number of its measure, and with names where they are others than those of the space's before."""

_encode = msgpack.Encoder().encode
_deliveries = msgpack.Decoder(list[_Told]).decode
_state = msgpack.Decoder(Memory).decode

_CHECK = struct.Struct("<I")
"""What stands before every blob: the CRC-32 of the row, as SQLite does not tell whether a page is what was written."""

Row = tuple[object, ...]


class Journal(Protocol):
    """What a journal does. For one thread at a time."""

    def spaces(self) -> Iterator[Memory]:
        """Return every space as it was kept. Raises JournalError."""

    def deliveries(self) -> Iterator[tuple[OccupancyEvent, int]]:
        """Return what was delivered to these since then, and to others, each with its arrival, in their order.

        The spaces must have been read to their end. Raises JournalError.
        """

    def append(self, events: Sequence[OccupancyEvent], arrival: int) -> None:
        """Keep deliveries that came together, all or none. Raises JournalError."""

    def save(self, memories: Iterable[Memory]) -> None:
        """Keep spaces as they are after all that was appended, all or none. Raises JournalError."""

    def is_long(self) -> bool:
        """Tell whether so much was appended that all spaces should be saved."""

    def mark(self) -> int:
        """Return the number of the last entry, up to which all is to be dropped when every space was saved."""

    def drop(self, mark: int) -> bool:
        """Drop some entries up to a mark, as every space was saved; tell if there are more. Raises JournalError."""

    def retain(self, space_ids: Set[str]) -> None:
        """Drop every saved space but these. Raises JournalError."""

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
        self._saved: dict[str, int] = {}
        """The entry that each space was saved at."""
        self._names: dict[str, Metadata] = {}
        """What each space was called in what is written of it last."""
        self._saved_bytes = self._appended_bytes = self._marked_bytes = 0
        self._checked = 0.0
        try:
            self._database = connect(path)
            self._inode, self._log_inode = os.stat(path).st_ino, os.stat(f"{path}-wal").st_ino
            self._last: int = self._database.execute("SELECT ifnull(max(number), 0) FROM entry").fetchone()[0]
        except FAILURES as error:
            raise failure(self._path, error) from None

    def spaces(self) -> Iterator[Memory]:
        """Return every space as it was kept. Raises JournalError."""
        try:
            for space_id, entry, blob in self._database.execute("SELECT * FROM space"):
                memory = opened_space(space_id, entry, blob)
                self._saved[space_id], self._names[space_id] = entry, memory.metadata
                self._saved_bytes += len(blob)
                self._last = max(self._last, entry)
                yield memory
        except FAILURES as error:
            raise failure(self._path, error) from None

    def deliveries(self) -> Iterator[tuple[OccupancyEvent, int]]:
        """Return what was delivered to these since then, and to others, each with its arrival, in their order.

        The spaces must have been read to their end. Raises JournalError.
        """
        try:
            for number, arrival, blob in self._database.execute("SELECT * FROM entry ORDER BY number"):
                self._appended_bytes += len(blob)
                for event_id, measure, space_id, timestamp, value, computed, names in opened_entry(
                    number, arrival, blob
                ):
                    if number <= self._saved.get(space_id, 0):
                        continue
                    if names is not None:
                        self._names[space_id] = names
                    metadata = self._names.get(space_id) or Metadata(zone_id=space_id)
                    kind = _BY_NUMBER[measure]
                    yield OccupancyEvent(event_id, kind, space_id, timestamp, value, computed, metadata), arrival
        except FAILURES as error:
            raise failure(self._path, error) from None

    def append(self, events: Sequence[OccupancyEvent], arrival: int) -> None:
        """Keep deliveries that came together, all or none. Raises JournalError."""
        names = self._names
        told: list[_Told] = []
        renamed: list[str] = []
        for event_id, measure, space_id, timestamp, value, computed, metadata in events:
            before = names.get(space_id)
            if before is metadata or before == metadata:
                told.append((event_id, _MEASURES[measure], space_id, timestamp, value, computed, None))
                continue
            told.append((event_id, _MEASURES[measure], space_id, timestamp, value, computed, metadata))
            names[space_id] = metadata
            renamed.append(space_id)
        blob = sealed(self._last + 1, arrival, told)
        try:
            self._write(PUT_ENTRY, [(self._last + 1, arrival, blob)])
        except JournalError:
            for space_id in renamed:  # whatever was written of it before, this was not
                names.pop(space_id, None)
            raise
        self._last += 1
        self._appended_bytes += len(blob)

    def save(self, memories: Iterable[Memory]) -> None:
        """Keep spaces as they are after all that was appended, all or none. Raises JournalError."""
        memories = list(memories)
        rows = [(memory.space_id, self._last, sealed(memory.space_id, self._last, memory)) for memory in memories]
        self._write(PUT_SPACE, rows)
        for memory, row in zip(memories, rows, strict=True):
            self._saved[memory.space_id], self._names[memory.space_id] = self._last, memory.metadata
            self._saved_bytes += len(row[2])

    def is_long(self) -> bool:
        """Tell whether so much was appended that all spaces should be saved."""
        return self._appended_bytes > max(_SHORT, self._saved_bytes // 2)

    def mark(self) -> int:
        """Return the number of the last entry, up to which all is to be dropped when every space was saved."""
        self._marked_bytes, self._saved_bytes = self._appended_bytes, 0
        self._names.clear()  # what is told from here on must not need an entry that is dropped
        return self._last

    def drop(self, mark: int) -> bool:
        """Drop some entries up to a mark, as every space was saved; tell if there are more. Raises JournalError."""
        is_more = self._write(_DROP_ENTRIES, [(mark, _DROP_TOGETHER)]) == _DROP_TOGETHER
        if not is_more:
            self._appended_bytes -= self._marked_bytes
            self._marked_bytes = 0
        return is_more

    def retain(self, space_ids: Set[str]) -> None:
        """Drop every saved space but these. Raises JournalError."""
        dropped = self._saved.keys() - space_ids
        self._write(_DROP_SPACE, [(space_id,) for space_id in dropped])
        for space_id in dropped:
            del self._saved[space_id]
        for space_id in self._names.keys() - space_ids:
            del self._names[space_id]

    def _write(self, sql: str, rows: Sequence[Row]) -> int:
        """Execute it for all rows, or for none; return how many it changed.

        Raises JournalError, and JournalGone if the next start would not find it.
        """
        if monotonic() > self._checked + _CHECK_EVERY:
            self._check_place()
        try:
            if len(rows) == 1:  # a transaction of its own
                return self._database.execute(sql, rows[0]).rowcount
            self._database.execute("BEGIN IMMEDIATE")
            changed = self._database.executemany(sql, rows).rowcount
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise failure(self._path, error) from None
        return changed

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


def sealed(first: str | int, second: int, content: object) -> bytes:
    """Return the last column of a row: its content, and what tells whether the row is whole."""
    blob = _encode(content)
    return _CHECK.pack(_sum(first, second, blob)) + blob


def opened_space(space_id: str, entry: int, blob: bytes) -> Memory:
    """Return what was sealed of a space. Raises ValueError if the row is not what was written."""
    return _state(_content(space_id, entry, blob))


def opened_entry(number: int, arrival: int, blob: bytes) -> list[_Told]:
    """Return what was sealed of deliveries. Raises ValueError if the row is not what was written."""
    return _deliveries(_content(number, arrival, blob))


def _content(first: str | int, second: int, blob: bytes) -> bytes:
    if not isinstance(blob, bytes) or blob[: _CHECK.size] != _CHECK.pack(_sum(first, second, blob[_CHECK.size :])):
        raise ValueError("a row is not what was written")
    return blob[_CHECK.size :]


def _sum(first: str | int, second: int, blob: bytes) -> int:
    return crc32(blob, crc32(f"{first} {second}".encode()))


def _is(path: str, inode: int) -> bool:
    """Tell whether this file is at a path."""
    try:
        return os.stat(path).st_ino == inode
    except OSError:
        return False
