"""A journal that a crash has cut off: what is whole in it goes into a new file, and the old one is kept.

SQLite refuses a file that is shorter than its header says. The pages that are there are whole, so those that are not
are made blank, and its tables are read from both ends up to where they are missed. Each row tells whether it is whole.
"""

import logging
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from exporter.journal.codec import opened_space
from exporter.journal.database import PAGE_SIZE, check_header, connect, failure
from exporter.journal.records import opened
from exporter.journal.sqlite import PUT_PIECE, PUT_SPACE, SqliteJournal

log = logging.getLogger(__name__)

CUT_OFF = ".cut-off"
"""What the name of the old file gets behind it."""


def open_journal(path: str, anew: bool = False) -> SqliteJournal:
    """Open a journal, or make it; one that was cut off is made whole before. Raises JournalError.

    If all is to be written anew, nothing that is there is needed.
    """
    path = os.path.abspath(path)  # some names mean something else to SQLite
    check_header(path, anew)
    if is_cut_off(path):
        try:
            rows, kept = salvage(path)
        except (sqlite3.Error, OSError, ValueError) as error:
            raise failure(path, error) from None
        log.warning("journal was cut off", {"rows": rows, "kept": kept})
    return SqliteJournal(path, anew)


def is_cut_off(path: str) -> bool:
    """Tell whether a file is shorter than its header says, and nothing beside it by which SQLite mends it."""
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


def salvage(path: str) -> tuple[int, str]:
    """Make a whole journal of one that was cut off; return how many rows it has, and where the old one is.

    Raises sqlite3.Error and OSError, and then everything is as it was.
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
        number, kept = 1, path + CUT_OFF
        while os.path.exists(kept):
            number += 1
            kept = f"{path}{CUT_OFF}.{number}"
        os.link(path, kept)
        os.replace(new, path)
        return rows, kept
    finally:
        for left_over in (padded, new):
            with suppress(FileNotFoundError):
                os.remove(left_over)


def _copy(padded: str, new: str) -> int:
    """Copy what is whole; return how many rows that is. Raises sqlite3.Error, also if nothing is."""
    uri = f"{Path(padded).absolute().as_uri()}?immutable=1"
    rows = 0
    with closing(sqlite3.connect(uri, uri=True)) as old, closing(connect(new)) as journal:
        journal.execute("BEGIN")
        for table, put, is_whole in (("space", PUT_SPACE, opened_space), ("piece", PUT_PIECE, _opened_piece)):
            for row in _whole_rows(old, table):
                with suppress(ValueError):
                    is_whole(*row)
                    rows += journal.execute(put, row).rowcount
        for row in _whole_rows(old, "log"):  # so that what is beside it is known to be its own
            journal.execute("UPDATE log SET journal = ?, oldest = ?, newest = ?", row)
        journal.execute("COMMIT")
    if not rows:
        raise sqlite3.DatabaseError("it was cut off, and nothing in it is whole")
    return rows


def _opened_piece(_: int, records: bytes) -> list[bytes]:
    return list(opened(records))


def _whole_rows(database: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Return the rows on either side of what is missing."""
    for direction in ("ASC", "DESC"):
        try:
            yield from database.execute(f"SELECT * FROM {table} ORDER BY rowid {direction}")  # noqa: S608 - names of our own
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            continue
        return
