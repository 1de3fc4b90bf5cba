"""How arguments of more than one command are read."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from exporter.events.times import EARLIEST_TIMESTAMP


def typed(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return an argparse type from what raises ValueError with what is wrong."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None

    return parsed


@typed
def moment(text: str) -> int:
    """Read a time, UTC unless it says another; return milliseconds since the epoch."""
    try:
        time = datetime.fromisoformat(text)
        milliseconds = int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError("must be a time such as 2026-11-25T08:00:00Z") from None
    if milliseconds < EARLIEST_TIMESTAMP:
        raise ValueError("must be in 2015 or later")
    return milliseconds
