"""Captured deliveries: a file with a request body, an event or an array of them, on each line."""

import sys
from collections.abc import Iterator

from exporter.events.model import OccupancyEvent, UnsupportedEvent
from exporter.events.parse import InvalidEvent, NotJson, parse_body, parse_event
from exporter.files import STANDARD, opened, reason

MOST_LINES = 20
"""Mistakes of a file that are told one by one; the rest is a number."""


class Unreadable(Exception):  # noqa: N818 - the name reads as what happened
    """A file that cannot be read; the text says why, for people."""


_GZIP = b"\x1f\x8b"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Captured:
    """The events of a file, in its order; what is none is told on standard error, and left out."""

    def __init__(self, file: str) -> None:
        """Take its name; `-` is standard input."""
        self._file = file
        self._name = "standard input" if file == STANDARD else file
        self.mistakes = 0

    def __iter__(self) -> Iterator[OccupancyEvent]:
        """Give each event of a measure that is exported. Raises Unreadable."""
        try:
            with opened(self._file, "rb") as lines:
                for number, line in enumerate(lines, 1):
                    if number == 1 and line.startswith(_GZIP):
                        raise Unreadable(f"{self._name} is compressed; pass it through gunzip")
                    yield from self._events(number, line.removeprefix(_BYTE_ORDER_MARK))
        except (OSError, ValueError) as error:
            raise Unreadable(f"{self._name!r} cannot be read: {reason(error)}") from None
        if self.mistakes > MOST_LINES:
            say(f"{self._name}: {self.mistakes - MOST_LINES:,} more such mistakes")

    def _events(self, number: int, line: bytes) -> Iterator[OccupancyEvent]:
        try:
            items = parse_body(line) if line.strip() else []
        except NotJson as error:
            self._tell(number, error)
            return
        for item in items:
            try:
                event = parse_event(item)
            except InvalidEvent as error:
                self._tell(number, error)
                continue
            if not isinstance(event, UnsupportedEvent):
                yield event

    def _tell(self, number: int, error: Exception) -> None:
        self.mistakes += 1
        if self.mistakes <= MOST_LINES:
            say(f"{self._name} line {number}: {error}")


def say(text: str) -> None:
    """Print a line on standard error."""
    print(f"butlr-exporter: {text}", file=sys.stderr)  # noqa: T201
