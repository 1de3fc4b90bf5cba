"""Tables, JSON and texts for people, from an answer that may hold any character."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from prettytable import PrettyTable


def plain(text: str) -> str:
    """Return a text on one line: a name must not move the cursor, nor turn the direction of the line."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


Cell = str | list[str]
"""A cell of a table; a list is shown on lines of their own."""


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, right: Sequence[str] = ()) -> None:
    """Print a table; the columns in `right` are aligned at their end."""
    table = PrettyTable(columns, border=False, left_padding_width=0, right_padding_width=2)
    table.align = "l"
    for column in right:
        table.align[column] = "r"
    for row in rows:
        table.add_row([plain(cell) if isinstance(cell, str) else "\n".join(map(plain, cell)) for cell in row])
    for line in table.get_string().splitlines():
        print(line.strip() if not line.strip() else line[1:].rstrip())  # noqa: T201


def print_json(document: Any) -> None:
    """Print a JSON document."""
    print(json.dumps(document, indent=2, ensure_ascii=False))  # noqa: T201


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as `1 site` or `2 sites`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def number(value: float) -> str:
    """Return a number of people, without a fraction if it is whole."""
    return f"{value:.15g}"
