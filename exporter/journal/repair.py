"""Opens the file of a journal. A file that a crash truncated is replaced by its undamaged rows, and set aside.

SQLite refuses a file that is shorter than its header says. The pages that are there are undamaged, so the missing ones
are added blank, and each table is read from both ends up to the gap. Each row tells whether it is undamaged.
"""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from exporter.journal.codec import decode_space
from exporter.journal.database import PAGE_SIZE, check_header, connect
from exporter.journal.failures import FAILURES, failure
from exporter.journal.records import unframe
from exporter.journal.sqlite import PUT_PIECE, PUT_SPACE, SqliteFile

log = logging.getLogger(__name__)

TRUNCATED = ".truncated"
"""The suffix of the truncated file that was set aside."""


class Repaired(NamedTuple):
    """The outcome of a repair."""

    rows: int
    """Undamaged rows, all of which are in the new file."""
    set_aside: str
    """The path of the truncated file."""


def open_file(path: str, rewrite: bool = False) -> SqliteFile:
    """Open the file of a journal, or create it; repair a truncated one before. Raises JournalError.

    A symbolic link is followed, so that all files of the journal are beside the file that it leads to.

    With `rewrite`, all spaces will be saved from memory, so nothing in the file is needed.
    """
    real = os.path.realpath(path)
    check_header(real, rewrite)
    if is_truncated(real):
        try:
            repaired = repair(real)
        except FAILURES as error:
            raise failure(real, error, "repaired") from None
        log.warning("journal was truncated", repaired._asdict())
    return SqliteFile(path, rewrite)


def is_truncated(path: str) -> bool:
    """Tell whether a file is shorter than its header says, without a log from which SQLite would complete it."""
    try:
        with open(path, "rb") as file:
            header = file.read(100)
    except OSError:
        return False
    if len(header) < 100 or int.from_bytes(header[16:18]) != PAGE_SIZE:
        return False
    if any(os.path.exists(log) and os.path.getsize(log) for log in (f"{path}-wal", f"{path}-journal")):
        return False
    return os.path.getsize(path) < PAGE_SIZE * int.from_bytes(header[28:32])


def repair(path: str) -> Repaired:
    """Replace a truncated file by a new one with its undamaged rows, and set it aside.

    Raises sqlite3.Error and OSError, and then every file is as it was.
    """
    padded, new = f"{path}.padded", f"{path}.new"
    try:
        with suppress(FileNotFoundError):
            os.remove(new)
        shutil.copyfile(path, padded)
        with open(padded, "r+b") as file:
            pages = int.from_bytes(file.read(100)[28:32])
            file.truncate(os.path.getsize(padded) // PAGE_SIZE * PAGE_SIZE)
            file.truncate(PAGE_SIZE * pages)
        rows = _copy(padded, new)
        number, set_aside = 1, path + TRUNCATED
        while os.path.exists(set_aside):
            number += 1
            set_aside = f"{path}{TRUNCATED}.{number}"
        os.link(path, set_aside)
        os.replace(new, path)
        return Repaired(rows, set_aside)
    finally:
        for left_over in (padded, new):
            with suppress(FileNotFoundError):
                os.remove(left_over)


def _copy(padded: str, new: str) -> int:
    """Copy the undamaged rows; return how many there are. Raises sqlite3.Error, also if there is none."""
    uri = f"{Path(padded).absolute().as_uri()}?immutable=1"
    rows = 0
    with closing(sqlite3.connect(uri, uri=True)) as old, closing(connect(new)) as journal:
        journal.execute("BEGIN")
        for columns, put, check in (
            ("key, state FROM space", PUT_SPACE, decode_space),
            ("number, records FROM piece", PUT_PIECE, _unframe_piece),
        ):
            for row in _readable_rows(old, columns):
                with suppress(ValueError, KeyError):
                    check(*row)
                    rows += journal.execute(put, row).rowcount
        for row in _readable_rows(old, "journal, oldest, newest FROM log"):  # so that its logs still belong to it
            journal.execute("UPDATE log SET journal = ?, oldest = ?, newest = ?", row)
        journal.execute("COMMIT")
    if not rows:
        raise sqlite3.DatabaseError("it is truncated, and no row in it is undamaged")
    return rows


def _unframe_piece(_: int, records: bytes) -> list[bytes]:
    return list(unframe(records))


def _readable_rows(database: sqlite3.Connection, columns: str) -> Iterator[tuple[Any, ...]]:
    """Return the rows from the first one up to the gap, then those from the last one back to it."""
    for direction in ("ASC", "DESC"):
        try:
            yield from database.execute(f"SELECT {columns} ORDER BY rowid {direction}")
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            continue
        return
