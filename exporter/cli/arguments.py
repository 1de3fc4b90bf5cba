"""Types of arguments that several commands have, and their output: messages, and files."""

import argparse
import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from exporter.events.measures import Kind
from exporter.events.times import EARLIEST_TIMESTAMP
from exporter.files import STANDARD_STREAM, discard_output, reason, write_whole
from exporter.metrics.families import labels_of
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


def add_label(option: Callable[..., Any]) -> None:
    """Add `--label` to a group of options; its values are pairs in `extra_labels`."""
    option(
        "--label", metavar="NAME=VALUE", type=_label, dest="extra_labels", action="append", default=[],
        help="one more label for every series, such as job=butlr-settled; may be given several times",
    )  # fmt: skip


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) is None or name.startswith("__"):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE such as job=butlr-settled, not {text!r}")
    try:
        value.encode()
    except UnicodeEncodeError:  # Python's way to hold bytes that are not UTF-8
        raise argparse.ArgumentTypeError(f"must be UTF-8 text, not {text!r}") from None
    return name, value


def clashing_label(
    extra_labels: Mapping[str, str], labels: Collection[str], further: Collection[str] = ()
) -> str | None:
    """Return the mistake if one more label is one that the spaces have already, or one of `further`."""
    own = {*further, *(label for kind in Kind for label in labels_of(kind, [*labels]))}
    clashing = sorted(extra_labels.keys() & own)
    return f"--label {clashing[0]} is a label of the spaces already" if clashing else None


def write_output(out: str, lines: Iterable[str]) -> bool:
    """Write a file whole, or standard output; return whether it was, after printing why it was not."""
    try:
        write_whole(out, lines)
    except BrokenPipeError:  # the reader has closed its end
        discard_output()
        return False
    except (OSError, ValueError) as error:
        print_error(f"{'standard output' if out == STANDARD_STREAM else repr(out)} cannot be written: {reason(error)}")
        return False
    return True


def print_error(text: str) -> None:
    """Print a line on standard error."""
    print(f"butlr-exporter: {text}", file=sys.stderr)  # noqa: T201
