"""What makes an acknowledged event survive the process: deliveries written before the answer, and read back at start.

What is known is a fold of deliveries, so a journal is a log of them, and beside it every space as it was at some entry
of the log. From there on the log is applied again at the next start. When it has grown long, the spaces are written
anew and it begins again, so its size is bounded by zones and window. A journal serves nothing.

It is a SQLite file with its log beside it, which goes into it at the end. The process may be killed at any time, and
losing power costs at most the last moments. The file is locked while it is open.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from time import monotonic

from exporter.events.model import Metadata, OccupancyEvent
from exporter.journal.codec import Told, delivered, entry_in, opened_space, pieces, sealed_entry, sealed_space, told
from exporter.journal.database import FAILURES, PAGE_SIZE, connect, failure
from exporter.journal.interface import JournalError, JournalGone
from exporter.journal.log import Foreign, Log, Logs, is_file
from exporter.journal.records import opened
from exporter.rule.space import SpaceState

_CHECK_EVERY = 0.05
"""Seconds between two looks, when something is written, whether the file is still where it was."""

_SHORT = 4 << 20
"""Bytes of deliveries that are never too many."""

_PIECE = PAGE_SIZE - 64
"""Bytes of a log that become one row: what fits on a page, so that with a page little is lost."""

_DROP_TOGETHER = 200
"""Pieces that are dropped at a time."""

_NAME = 8
"""Bytes of the name by which its logs are known."""

PUT_SPACE = "INSERT OR REPLACE INTO space VALUES (?, ?)"
PUT_PIECE = "INSERT INTO piece VALUES (?, ?)"
_DROP_SPACE = "DELETE FROM space WHERE id = ?"
_DROP_PIECES = "DELETE FROM piece WHERE number IN (SELECT number FROM piece LIMIT ?)"
_SET_NEWEST = "UPDATE log SET newest = ?"
_SET_OLDEST = "UPDATE log SET oldest = ?"

Row = tuple[object, ...]


class SqliteJournal:
    """A journal in a SQLite file."""

    def __init__(self, path: str, anew: bool = False) -> None:
        """Open a file of which `check_header` is content, or make it. Raises JournalError if that cannot be.

        If all is to be written anew, its logs need not be there or whole.
        """
        self._path, self._anew = path, anew
        self._saved: dict[str, int] = {}
        """The entry that each space was saved at."""
        self._names: dict[str, Metadata] = {}
        """What each space was called in what is written of it last."""
        self._last = 0
        """The number of the last entry."""
        self._saved_bytes = self._appended_bytes = self._marked_bytes = 0
        self._checked = 0.0
        self._log: Log | None = None
        """The one that is written, once there was something to write."""
        self._is_read = False
        """Whether all that is there could be read."""
        try:
            self._database = connect(path)
            self._inode, self._wal_inode = os.stat(path).st_ino, os.stat(f"{path}-wal").st_ino
            self._logs = Logs(path, *_log_row(self._database))
        except FAILURES as error:
            raise failure(path, error) from None
        if (missing := self._logs.missing()) and not anew:
            self._database.close()
            raise JournalError(
                f"{path} is without its log {missing}; "
                "restore that, or move the file away to start without what it knew"
            )

    def spaces(self) -> Iterator[SpaceState]:
        """Return every space as it was kept. Raises JournalError."""
        try:
            for space_id, blob in self._database.execute("SELECT * FROM space"):
                number, memory = opened_space(space_id, blob)
                self._saved[space_id], self._names[space_id] = number, memory.metadata
                self._saved_bytes += len(blob)
                self._last = max(self._last, number)
                yield memory
        except FAILURES as error:
            raise failure(self._path, error) from None

    def deliveries(self) -> Iterator[tuple[OccupancyEvent, int]]:
        """Return what was delivered to these since then, and to others, each with its arrival, in their order.

        The spaces must have been read to their end. Raises JournalError.
        """
        before = 0
        try:
            for content in self._contents():
                self._appended_bytes += len(content)
                number, arrival, told_then = entry_in(content)
                if number <= before:  # a log that is still there, although it was taken in
                    continue
                before = number
                self._last = max(self._last, number)
                for each in told_then:
                    _, _, space_id, _, _, _, names = each
                    if number <= self._saved.get(space_id, 0):
                        continue
                    if names is not None:
                        self._names[space_id] = names
                    yield delivered(each, self._names.get(space_id) or Metadata(zone_id=space_id)), arrival
            self._is_read = True
        except Foreign as error:
            raise JournalError(str(error)) from None
        except FAILURES as error:
            raise failure(self._path, error) from None

    def _contents(self) -> Iterator[bytes]:
        """Return what is in the pieces and in the logs, in the order in which it was appended."""
        for (blob,) in self._database.execute("SELECT records FROM piece ORDER BY number"):
            yield from opened(blob)
        yield from self._logs.contents(needed=not self._anew)

    def append(self, events: Sequence[OccupancyEvent], arrival: int) -> None:
        """Keep deliveries that came together, all or none. Raises JournalError."""
        deliveries: list[Told] = []
        renamed: list[str] = []
        for event in events:
            before = self._names.get(event.space_id)
            is_renamed = before is not event.metadata and before != event.metadata
            if is_renamed:
                self._names[event.space_id] = event.metadata
                renamed.append(event.space_id)
            deliveries.append(told(event, is_renamed))
        record = sealed_entry(self._last + 1, arrival, deliveries)
        try:
            self._append(record)
        except JournalError:
            for space_id in renamed:  # whatever was written of it before, this was not
                self._names.pop(space_id, None)
            raise
        self._last += 1
        self._appended_bytes += len(record)

    def _append(self, record: bytes) -> None:
        if monotonic() > self._checked + _CHECK_EVERY:
            self._check_place()
        try:
            if self._log is None:
                self._log = self._begin_log()
            self._log.append(record)
        except OSError as error:
            raise failure(self._path, error) from None

    def _begin_log(self) -> Log:
        """Make the next one, and tell in the file that it must be there. Raises OSError and JournalError."""
        new = self._logs.begin()
        try:
            self._write(_SET_NEWEST, [(self._logs.newest,)])
        except JournalError:
            new.close()
            raise
        return new

    def _end_log(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def save(self, states: Iterable[SpaceState]) -> None:
        """Keep spaces as they are after all that was appended, all or none. Raises JournalError."""
        states = list(states)
        rows = [(memory.space_id, sealed_space(self._last, memory)) for memory in states]
        self._write(PUT_SPACE, rows)
        for memory, row in zip(states, rows, strict=True):
            self._saved[memory.space_id], self._names[memory.space_id] = self._last, memory.metadata
            self._saved_bytes += len(row[1])

    def is_long(self) -> bool:
        """Tell whether so much was appended, in this life or before, that all spaces should be saved."""
        return self._appended_bytes > max(_SHORT, self._saved_bytes // 2) or len(self._logs.numbers) > 1

    def mark(self) -> int:
        """Return up to where all is to be dropped when every space was saved."""
        self._end_log()
        self._marked_bytes, self._saved_bytes = self._appended_bytes, 0
        self._names.clear()  # what is told from here on must not need an entry that is dropped
        return self._logs.newest

    def release(self, mark: int) -> None:
        """Note that every space was saved, so that nothing up to a mark is needed. Raises JournalError."""
        self._write(_SET_OLDEST, [(mark + 1,)])
        self._anew = False

    def sync(self) -> None:
        """Force that to the disk; others may write meanwhile. Raises JournalError."""
        try:
            file = os.open(f"{self._path}-wal", os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise failure(self._path, error) from None

    def drop(self, mark: int) -> bool:
        """Drop some of what is not needed, up to a mark; tell if there is more. Raises JournalError."""
        for number in self._logs.numbers:
            if number <= mark:
                try:
                    self._logs.remove(number)
                except OSError as error:
                    raise failure(self._path, error) from None
                return True
        is_more = self._write(_DROP_PIECES, [(_DROP_TOGETHER,)]) == _DROP_TOGETHER
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

    def _write(self, sql: str, rows: Iterable[Row]) -> int:
        """Execute it for all rows, or for none; return how many it changed.

        Raises JournalError, and JournalGone if the next start would not find it.
        """
        if monotonic() > self._checked + _CHECK_EVERY:
            self._check_place()
        try:
            self._database.execute("BEGIN IMMEDIATE")
            changed = self._database.executemany(sql, rows).rowcount
            self._database.execute("COMMIT")
        except FAILURES as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise failure(self._path, error) from None
        return changed

    def close(self) -> None:
        """Let go of the file, with its log in it; if that cannot be, or not all could be read, it stays as it is."""
        self._end_log()
        if self._is_read:
            with suppress(JournalError, sqlite3.Error, OSError):
                self._take_in()
        self._database.close()

    def _take_in(self) -> None:
        """Move what is in the logs into the file. Raises JournalError, sqlite3.Error and OSError; nothing is lost."""
        if self._logs.numbers:
            self._write(PUT_PIECE, ((None, piece) for piece in pieces(self._logs.contents(), _PIECE)))
            self._write(_SET_OLDEST, [(self._logs.newest + 1,)])
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in self._logs.numbers[:]:
            self._logs.remove(number)

    def abandon(self) -> None:
        """Let go of a file that is gone, and of what SQLite would take for the log of the one in its place."""
        wal = f"{self._path}-wal"
        self._end_log()
        is_replaced = os.path.exists(self._path) and not is_file(self._path, self._inode)
        is_left_over = is_replaced and is_file(wal, self._wal_inode)
        self._database.close()
        with suppress(OSError):
            if is_left_over:
                os.remove(wal)

    def check(self) -> None:
        """See that the next start will find it. Raises JournalGone."""
        self._check_place()
        if not is_file(f"{self._path}-wal", self._wal_inode):
            raise JournalGone(f"{self._path}-wal is gone")
        if self._log is not None and not self._log.is_there():
            raise JournalGone(f"{self._log.path} is gone")

    def _check_place(self) -> None:
        """See that the file itself is where it was. Raises JournalGone."""
        self._checked = monotonic()
        if not is_file(self._path, self._inode):
            raise JournalGone(f"{self._path} is gone")


def _log_row(database: sqlite3.Connection) -> tuple[bytes, int, int]:
    """Return the name of a journal, and the numbers of the logs that it needs. Raises ValueError."""
    name, oldest, newest = database.execute("SELECT * FROM log").fetchone()
    if not (isinstance(name, bytes) and len(name) == _NAME and isinstance(oldest, int) and isinstance(newest, int)):
        raise ValueError("what it tells of its logs is not what was written")
    return name, oldest, newest
