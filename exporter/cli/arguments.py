"""Types of arguments that several commands have."""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from exporter.events.times import EARLIEST_TIMESTAMP
from exporter.spelling import not_text


def argument_type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return an argparse type from a function that raises ValueError with the mistake."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(not_text(error, text)) from None

    return parsed


@argument_type
def time_ms(text: str) -> int:
    """Parse a time, in UTC unless it has an offset; return milliseconds since the epoch."""
    try:
        time = datetime.fromisoformat(text)
        parsed_ms = int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError("must be a time such as 2026-11-25T08:00:00Z") from None
    if parsed_ms < EARLIEST_TIMESTAMP:
        raise ValueError("must be in 2015 or later")
    return parsed_ms


def print_error(text: str) -> None:
    """Print a line on standard error."""
    print(f"butlr-exporter: {text}", file=sys.stderr)  # noqa: T201
