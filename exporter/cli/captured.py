"""Captured deliveries: a file with a request body, an event or an array of them, on each line."""

from collections.abc import Iterator

from exporter.cli.arguments import print_error
from exporter.events.model import ReadingEvent
from exporter.events.parse import InvalidEvent, NotJson, parse_body, parse_event
from exporter.events.text import BYTE_ORDER_MARK, NotText, check_first_line
from exporter.files import STANDARD_STREAM, open_binary, reason

MAX_MISTAKES_SHOWN = 20
"""Mistakes of a file that are printed one by one; the others are only counted."""


class UnreadableCapture(Exception):  # noqa: N818 - the name reads as what happened
    """A file that cannot be read; the text gives people the reason."""


class CapturedEvents:
    """The events of a file, in its order; mistakes are printed on standard error and left out."""

    def __init__(self, file: str) -> None:
        """Read from the file of this name; `-` is standard input."""
        self._file = file
        self._name = "standard input" if file == STANDARD_STREAM else file
        self._shown = self._name if file == STANDARD_STREAM else repr(file)
        self.mistakes = 0

    def __iter__(self) -> Iterator[ReadingEvent]:
        """Return each event of an exported measure. Raises UnreadableCapture."""
        try:
            with open_binary(self._file, "rb") as lines:
                for number, line in enumerate(lines, 1):
                    if number == 1:
                        check_first_line(line)
                    yield from self._events(number, line.removeprefix(BYTE_ORDER_MARK))
        except NotText as error:
            raise UnreadableCapture(f"{self._name} {error}") from None
        except (OSError, ValueError) as error:
            raise UnreadableCapture(f"{self._shown} cannot be read: {reason(error)}") from None
        if self.mistakes > MAX_MISTAKES_SHOWN:
            print_error(f"{self._name}: {self.mistakes - MAX_MISTAKES_SHOWN:,} more such mistakes")

    def _events(self, number: int, line: bytes) -> Iterator[ReadingEvent]:
        try:
            items = parse_body(line) if line.strip() else []
        except NotJson as error:
            self._report(number, error)
            return
        for item in items:
            try:
                event = parse_event(item)
            except InvalidEvent as error:
                self._report(number, error)
                continue
            if isinstance(event, ReadingEvent):
                yield event

    def _report(self, number: int, error: Exception) -> None:
        """Count a mistake in line `number`, and print it unless there were too many."""
        self.mistakes += 1
        if self.mistakes <= MAX_MISTAKES_SHOWN:
            print_error(f"{self._name} line {number}: {error}")
