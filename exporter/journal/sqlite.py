"""The SQLite file of a journal and the logs beside it, while this process has them open.

The log is a sequence of entries, one for the deliveries that arrived together. Each space is saved as it was after some
entry, so the next start applies only the entries after that one. Closing moves the logs into the file.

Deliveries are appended while the file is maintained, so the methods of `SqliteFile` are of two kinds. Those that say so
are called under the lock of the spaces; they are short, and none waits for a disk. All others may wait for a disk,
belong to one thread at a time, and are called without the lock.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from time import monotonic

from exporter.events.model import METADATA, Event
from exporter.journal.codec import (
    SavedSpace,
    decode_delivery,
    decode_entry,
    decode_metadata,
    decode_space,
    encode_space,
    kind_of,
    pieces,
)
from exporter.journal.database import PAGE_SIZE, connect, log_row
from exporter.journal.entries import Entries
from exporter.journal.failures import FAILURES, failure
from exporter.journal.interface import Delivery, JournalError
from exporter.journal.log import Foreign, Log, Logs, is_file
from exporter.journal.records import FRAME_SIZE, unframe
from exporter.rule.space import Forgotten, SpaceState

_CHECK_EVERY = 0.05
"""Seconds after which a write checks again whether the file is in its place."""

_FEW_BYTES = 4 << 20
"""Bytes of entries up to which no compaction is due."""

_PIECE = PAGE_SIZE - 64
"""Bytes of entries in one row: it fits on a page, so a damaged page costs few of them."""

_REMOVED_TOGETHER = 200
"""Pieces that one step of a compaction removes."""

PUT_SPACE = "INSERT OR REPLACE INTO space (key, state) VALUES (?, ?)"
PUT_PIECE = "INSERT INTO piece (number, records) VALUES (?, ?)"
_GET_SPACES = "SELECT key, state FROM space"
_GET_PIECES = "SELECT records FROM piece ORDER BY number"
_REMOVE_SPACE = "DELETE FROM space WHERE key = ?"
_REMOVE_PIECES = "DELETE FROM piece WHERE number IN (SELECT number FROM piece ORDER BY number LIMIT ?)"
_SET_NEWEST = "UPDATE log SET newest = ?"
_SET_OLDEST = "UPDATE log SET oldest = ?"

Row = tuple[object, ...]


class JournalGone(JournalError):  # noqa: N818 - the name reads as what happened
    """The file or its log is not in its place, so the next start would not find it."""


class SqliteFile:
    """The file of one journal and its logs."""

    def __init__(self, path: str, rewrite: bool = False) -> None:
        """Open the file that `check_header` accepted, or create it. Raises JournalError.

        With `rewrite`, all spaces will be saved from memory, so its logs may be missing or damaged.
        """
        self._given, self._rewrite = os.path.abspath(path), rewrite
        # SQLite follows symbolic links, and an absolute path has no other meaning to it than that of a path.
        self._path = path = os.path.realpath(path)
        self._saved_at: dict[str, int] = {}
        """The number of the last entry before each space was saved, by the key of the space. Once a checkpoint has
        begun: of those that were saved since."""
        self._saved_before: dict[str, int] = {}
        """The same of the spaces that were saved before the checkpoint began, and not since."""
        self._entries = Entries()
        self._space_bytes = 0
        self._covered_bytes = self._removed_bytes = 0
        """Bytes of the entries that the last checkpoint covers, and of those that were removed."""
        self._checked_at = 0.0
        self._log: Log | None = None
        """The log that is written."""
        self._ended: list[Log] = []
        """Logs that are not written any more, and are still open."""
        self._is_read = False
        """Whether every entry could be read."""
        try:
            self._database = connect(path)
        except FAILURES as error:
            raise failure(path, error, "opened") from None
        try:
            self._inode, self._wal_inode = os.stat(path).st_ino, os.stat(f"{path}-wal").st_ino
            self._logs = Logs(path, *log_row(self._database))
        except FAILURES as error:
            self._database.close()
            raise failure(path, error, "opened") from None
        if (missing := self._logs.missing()) and not rewrite:
            self._database.close()
            raise JournalError(
                f"{path} is without its log {missing}; restore the log, or move {path} away to start with no spaces"
            )

    def spaces(self) -> Iterator[SpaceState]:
        """Return every space as it was saved. Raises JournalError."""
        try:
            for key, blob in self._database.execute(_GET_SPACES):
                number, state = decode_space(key, blob)
                self._saved_at[key], self._entries.metadata[key] = number, state.metadata
                self._space_bytes += len(blob)
                self._entries.last = max(self._entries.last, number)
                yield state
        except FAILURES as error:
            raise failure(self._path, error, "read") from None

    def deliveries(self) -> Iterator[Delivery]:
        """Return the deliveries to each space since it was saved, in the order of the log. Raises JournalError.

        `spaces` must have been read to its end.
        """
        before, known = 0, self._entries.metadata
        try:
            for content in self._contents():
                self._entries.bytes += FRAME_SIZE + len(content)
                entry = decode_entry(content)
                if entry.number <= before:  # closing moved this log into the file, but could not remove it
                    continue
                before = entry.number
                self._entries.last = max(self._entries.last, entry.number)
                for record in entry.deliveries:
                    kind = kind_of(record)
                    key = kind.key(record.space_id)
                    if entry.number <= self._saved_at.get(key, 0):
                        continue
                    if record.metadata is not None:
                        known[key] = decode_metadata(record.metadata, kind)
                    metadata = known.get(key) or METADATA[kind]()._replace(**{kind.id_field: record.space_id})
                    yield Delivery(decode_delivery(record, metadata), entry.arrival_ms)
            self._is_read = True
        except Foreign as error:
            raise JournalError(str(error)) from None
        except FAILURES as error:
            raise failure(self._path, error, "read") from None

    def _contents(self) -> Iterator[bytes]:
        """Return the entries in the file, then those in the logs, oldest first."""
        for (piece,) in self._database.execute(_GET_PIECES):
            yield from unframe(piece)
        yield from self._logs.contents(needed=not self._rewrite)

    def start(self) -> None:
        """Begin a log unless there is one, so that no entry has to wait for that. Raises JournalError."""
        if self._log is None:
            self._log = self.begin_log()

    def append(self, events: Sequence[Event], arrival_ms: int) -> None:
        """Write one entry, all of it or none. Raises JournalError. Under the lock, after `start`."""
        self._entries.append(self._append, events, arrival_ms)

    def forget(self, space: Forgotten, arrival_ms: int) -> None:
        """Write the entry that forgets a space. Raises JournalError. Under the lock, after `start`."""
        self._entries.forget_space(self._append, space, arrival_ms)

    def _append(self, record: bytes) -> None:
        if monotonic() > self._checked_at + _CHECK_EVERY:
            self._check_place()
        assert self._log is not None  # noqa: S101 - `start` has begun one
        try:
            self._log.append(record)
        except OSError as error:
            raise failure(self._path, error) from None

    def begin_log(self) -> Log:
        """Create the next log, and note in the file that the log is needed. Raises JournalError."""
        try:
            new = self._logs.begin()
        except OSError as error:
            raise failure(self._path, error) from None
        try:
            self._write(_SET_NEWEST, [(self._logs.newest,)])
        except JournalError:
            new.close()
            raise
        return new

    def begin_checkpoint(self, log: Log) -> int:
        """Let the next entry begin this log; return the number of the one before. Under the lock.

        Once every space is saved, the spaces cover all entries up to here.
        """
        if self._log is not None:
            self._ended.append(self._log)
        self._log = log
        self._covered_bytes, self._space_bytes = self._entries.bytes, 0
        self._saved_at.update(self._saved_before)
        self._saved_before, self._saved_at = self._saved_at, {}
        self._entries.metadata.clear()  # so that no later entry depends on the metadata in an entry that is removed
        return self._logs.newest - 1

    def prepare(self, states: Iterable[SpaceState]) -> list[SavedSpace]:
        """Return spaces for `save`, as they are after the last entry. Under the lock."""
        spaces = [SavedSpace(self._entries.last, state) for state in states]
        # The entries up to here are not applied to a saved space, so its next entry must not depend on their metadata.
        self._entries.forget(state.key for _, state in spaces)
        return spaces

    def save(self, spaces: Sequence[SavedSpace]) -> None:
        """Save spaces, all or none. Raises JournalError."""
        rows = [(state.key, encode_space(number, state)) for number, state in spaces]
        self._write(PUT_SPACE, rows)
        for (number, state), (_, blob) in zip(spaces, rows, strict=True):
            self._saved_at[state.key] = number
            self._saved_before.pop(state.key, None)
            self._space_bytes += len(blob)

    def note(self, spaces: Iterable[SavedSpace]) -> None:
        """Note the metadata of spaces that `save` has saved. Under the lock."""
        self._entries.note(state for _, state in spaces)

    def needs_compaction(self) -> bool:
        """Tell whether the entries are many beside the spaces, or an earlier process left a log."""
        return self.entry_bytes > max(_FEW_BYTES, self._space_bytes // 2) or len(self._logs.numbers) > 1

    @property
    def entry_bytes(self) -> int:
        """Return the bytes of all entries that were not removed."""
        return self._entries.bytes - self._removed_bytes

    def end_checkpoint(self, checkpoint: int) -> None:
        """Note that every space was saved, so that no log up to this one is needed. Raises JournalError."""
        self._close_ended()
        self._write(_SET_OLDEST, [(checkpoint + 1,)])
        self._rewrite = False

    def sync(self) -> None:
        """Force all saved spaces to the disk. Raises JournalError."""
        try:
            file = os.open(f"{self._path}-wal", os.O_RDONLY)
            try:
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise failure(self._path, error) from None

    def remove_pieces(self) -> bool:
        """Remove the oldest pieces, all of which a checkpoint covers; tell whether there may be more.

        Raises JournalError.
        """
        return self._write(_REMOVE_PIECES, [(_REMOVED_TOGETHER,)]) == _REMOVED_TOGETHER

    def remove_log(self, checkpoint: int) -> bool:
        """Remove a log that is not needed after a checkpoint; tell whether there was one. Raises JournalError."""
        for number in self._logs.numbers:
            if number <= checkpoint:
                try:
                    self._logs.remove(number)
                except OSError as error:
                    raise failure(self._path, error, "removed") from None
                return True
        self._removed_bytes = self._covered_bytes
        return False

    def saved_before(self) -> list[str]:
        """Return the keys of the saved spaces that no `save` since the begin of the checkpoint has saved again."""
        return list(self._saved_before)

    def remove(self, keys: Sequence[str]) -> None:
        """Remove spaces that `saved_before` returned. Raises JournalError."""
        self._write(_REMOVE_SPACE, [(key,) for key in keys])
        for key in keys:
            del self._saved_before[key]

    def _write(self, sql: str, rows: Iterable[Row]) -> int:
        """Execute a statement for each row, in one transaction; return how many rows of the table it changed.

        Raises JournalError, and JournalGone where the next start would not find the file.
        """
        if monotonic() > self._checked_at + _CHECK_EVERY:
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
        """Move the logs into the file and close it; the logs stay if the move fails or an entry could not be read."""
        self._close_logs()
        if self._is_read:
            with suppress(JournalError, sqlite3.Error, OSError):
                self._move_logs()
        self._database.close()

    def _close_logs(self) -> None:
        if self._log is not None:
            self._ended.append(self._log)
            self._log = None
        self._close_ended()

    def _close_ended(self) -> None:
        while self._ended:
            self._ended.pop().close()

    def _move_logs(self) -> None:
        """Move all entries from the logs into the file. Raises JournalError, sqlite3.Error and OSError."""
        if self._logs.numbers:
            self._write(PUT_PIECE, ((None, piece) for piece in pieces(self._logs.contents(), _PIECE)))
            self._write(_SET_OLDEST, [(self._logs.newest + 1,)])
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in self._logs.numbers[:]:
            self._logs.remove(number)

    def abandon(self) -> None:
        """Close a file that is gone. SQLite must not mistake its write-ahead log for that of a file in its place."""
        wal = f"{self._path}-wal"
        self._close_logs()
        is_replaced = os.path.exists(self._path) and not is_file(self._path, self._inode)
        is_left_over = is_replaced and is_file(wal, self._wal_inode)
        self._database.close()
        with suppress(OSError):
            if is_left_over:
                os.remove(wal)

    def check(self) -> None:
        """Check that the next start would find the file and its logs. Raises JournalGone."""
        self._check_place()
        if os.path.realpath(self._given) != self._path:
            raise JournalGone(f"{self._given} leads to another file")
        if not is_file(f"{self._path}-wal", self._wal_inode):
            raise JournalGone(f"{self._path}-wal is gone")
        if self._log is not None and not self._log.is_in_place():
            raise JournalGone(f"{self._log.path} is gone")

    def _check_place(self) -> None:
        self._checked_at = monotonic()
        if not is_file(self._path, self._inode):
            raise JournalGone(f"{self._path} is gone")
