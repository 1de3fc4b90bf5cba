"""Settled readings as CSV (RFC 4180), for spreadsheets: a row for each minute and space, without a file."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from exporter.events.text import BYTE_ORDER_MARK
from exporter.events.times import utc
from exporter.rule.settled import Settled

COLUMNS = ("time", "kind", "id", "measure", "value")
"""The columns of every table; the names and constant labels are between the third and the fourth."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The beginnings of a cell that a spreadsheet may read as a formula (owasp.org, CSV Injection)."""

_EXACT = 1 << 53
"""Whole numbers below this have all their digits."""


class _Line:
    """In the place of a file: returns each line to the caller of the writer."""

    def write(self, line: str) -> str:
        return line


def csv_lines(settled: Iterable[Settled], labels: Sequence[str], more: Mapping[str, str]) -> Iterator[str]:
    """Write settled readings in their order, each as a line.

    `labels` are the metadata fields that get a column, empty for a space that cannot have one; every row has the values
    of `more` as well. Texts are quoted, and one that looks like a formula begins with an apostrophe.
    """
    row = csv.writer(_Line(), quoting=csv.QUOTE_NONNUMERIC).writerow
    # Without the mark, Excel reads a file as one in the encoding of its machine.
    yield BYTE_ORDER_MARK.decode() + str(row((*COLUMNS[:3], *labels, *more, *COLUMNS[3:])))
    constant = tuple(map(_as_text, more.values()))
    for metadata, measure, points in settled:
        names = [getattr(metadata, label, "") for label in labels]
        own = map(_as_text, chain([measure.kind, getattr(metadata, measure.kind.id_field)], names))
        space = (*own, *constant, measure)
        for t, value in points:
            number = int(value) if value.is_integer() and value < _EXACT else value
            yield str(row((_time(t), *space, number)))


def _as_text(text: str) -> str:
    """Return a text that no spreadsheet reads as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _time(milliseconds: int) -> str:
    """Return a time (ISO 8601, UTC), with a fraction only if there is one."""
    text, fraction = utc(milliseconds), milliseconds % 1000
    return text.replace("Z", f".{fraction:03}Z") if fraction else text
