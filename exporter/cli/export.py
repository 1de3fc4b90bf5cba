"""`butlr-exporter export`: the corrected history of captured deliveries, as a file that promtool imports."""

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import IO, Any

from exporter.cli.arguments import print_error, time_ms
from exporter.cli.captured import CapturedEvents, UnreadableCapture
from exporter.cli.flags import USAGE_ERROR, add_settings, settings_from
from exporter.events.measures import Kind
from exporter.events.times import milliseconds, utc
from exporter.files import STANDARD_STREAM, discard_output, open_binary, reason
from exporter.metrics.families import labels_of
from exporter.metrics.settled import openmetrics
from exporter.rule.history import History
from exporter.rule.outcome import Outcome
from exporter.rule.store import Settled
from exporter.settings.declared import SETTINGS, Settings
from exporter.settings.types import show_duration

_HELP = {
    "window": "deliveries older than this, counted back from the newest reading of their space so far, are left out",
    "settle_after": "readings younger than this are left out, as they may still be corrected",
    "future_tolerance": "readings further ahead than this of all computations so far are left out: a clock was wrong",
    "labels": "metadata fields that label each space, besides its own id",
}
"""The settings of the service that this command has too, with their help."""

_SETTINGS = [setting._replace(help=_HELP[setting.name]) for setting in SETTINGS if setting.name in _HELP]

_DESCRIPTION = """\
Write the history of captured deliveries: every settled reading at its own time, with its final value by the rule of
the service, under the newest names of its space. promtool turns it into blocks of Prometheus:

  butlr-exporter export --in deliveries.ndjson --out history.om --until 2026-11-25T00:00:00Z
  promtool tsdb create-blocks-from openmetrics history.om /path/to/prometheus/data
"""

_EPILOG = """\
The deliveries are assumed to be in the order of their arrival. For a file in another order, such as several files
joined, give a --window that is longer than the time that the file spans. All readings are held in memory, about half
a kilobyte each. The exit status is 1 if a line was not understood, or if there was nothing to write.
"""


def add_command(commands: Any) -> None:
    """Add the command to the parser of the command line."""
    command = commands.add_parser(
        "export",
        help="write the history of captured deliveries, for promtool",
        usage="butlr-exporter export --in FILE --out FILE [OPTION]...",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(run=partial(_run, command))
    option = command.add_argument_group("files").add_argument
    option(
        "--in", metavar="FILE", dest="sources", action="append", default=[],
        help="request bodies as Butlr sent them, one on a line; - is stdin",
    )  # fmt: skip
    option("--out", metavar="FILE", help="OpenMetrics text; - is stdout")
    option("--until", metavar="TIME", type=time_ms, help="leave out readings from this time on (default: none)")
    option(
        "--label", metavar="NAME=VALUE", type=_label, dest="extra_labels", action="append", default=[],
        help="one more label for every series, such as job=butlr-settled; may be given several times",
    )  # fmt: skip
    add_settings(command, _SETTINGS)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) is None or name.startswith("__"):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE such as job=butlr-settled, not {text!r}")
    try:
        value.encode()
    except UnicodeEncodeError:  # Python's way to hold bytes that are not UTF-8
        raise argparse.ArgumentTypeError(f"must be UTF-8 text, not {text!r}") from None
    return name, value


def _run(command: argparse.ArgumentParser, options: argparse.Namespace, rest: list[str]) -> int:
    # Only the variables of these settings: the others may be for another machine.
    environ = {s.variable: os.environ[s.variable] for s in _SETTINGS if s.variable in os.environ}
    settings = settings_from(command, options, rest, environ)
    if settings is None:
        return USAGE_ERROR
    if not options.sources or not options.out:
        command.error("--in and --out are both needed")
    if len(options.sources) > 1:
        command.error("--in takes one file; cat FILE... | butlr-exporter export --in - takes several")
    (source,) = options.sources
    extra_labels = dict(options.extra_labels)
    own = {label for kind in Kind for label in labels_of(kind, settings.labels)}
    if clashing := sorted(extra_labels.keys() & own):
        command.error(f"--label {clashing[0]} is a label of the spaces already")
    with suppress(OSError, ValueError):
        if os.path.samefile(source, options.out):
            command.error("--in and --out are the same file, which would be lost")
    try:
        return _export(source, options.out, settings, options.until, extra_labels)
    except UnreadableCapture as error:
        print_error(str(error))
        return 1


def _export(source: str, out: str, settings: Settings, until_ms: int | None, extra_labels: dict[str, str]) -> int:
    """Write the history of `source` to `out`; return the exit status. Raises UnreadableCapture."""
    history = History(
        window=milliseconds(settings.window),
        settle_after=milliseconds(settings.settle_after),
        future_tolerance=milliseconds(settings.future_tolerance),
        now=int(time.time() * 1000),
    )
    outcomes: Counter[Outcome] = Counter()
    captured = CapturedEvents(source)
    for event in captured:
        outcomes[history.apply(event)] += 1
    settled = list(history.settled(until_ms))
    if not settled:
        print_error(
            f"nothing to write: {'no reading has settled' if outcomes else 'no line is an event of an exported type'}"
        )
        return 1
    try:
        _write(out, openmetrics(settled, settings.labels, extra_labels))
    except BrokenPipeError:  # the reader has closed its end
        discard_output()
        return 1
    except (OSError, ValueError) as error:
        print_error(f"{'standard output' if out == STANDARD_STREAM else repr(out)} cannot be written: {reason(error)}")
        return 1
    for line in _summary(settled, outcomes, settings, history.computed):
        print(line, file=sys.stderr)  # noqa: T201
    return 1 if captured.mistakes else 0


def _write(out: str, lines: Iterable[str]) -> None:
    """Write a file whole, or leave the one that was there as it is. Raises OSError, ValueError."""

    def write_lines(file: IO[bytes]) -> None:
        file.writelines(line.encode() for line in lines)
        file.flush()

    if out == STANDARD_STREAM or (os.path.exists(out) and not os.path.isfile(out)):  # such as a pipe
        with open_binary(out, "wb") as file:
            write_lines(file)
        return
    path = os.path.realpath(out)
    part = f"{path}.part"
    try:
        with open(part, "wb") as file:
            write_lines(file)
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            os.remove(part)
        raise


def _summary(settled: list[Settled], outcomes: Counter[Outcome], settings: Settings, computed_ms: int) -> Iterable[str]:
    """Return the lines that describe the written history."""
    times = [t for each in settled for t, _ in (each.points[0], each.points[-1])]
    yield (
        f"{sum(len(each.points) for each in settled):,} readings of {len(settled):,} series, "
        f"from {utc(min(times))} to {utc(max(times))}"
    )
    yield f"of {outcomes.total():,} events: {', '.join(f'{n:,} {outcome}' for outcome, n in outcomes.most_common())}"
    if late := outcomes[Outcome.LATE]:
        window = show_duration(settings.window)
        yield f"left out: {late:,} late, by --window ({window}) or more; a longer window includes them"
    if future := outcomes[Outcome.FUTURE]:
        tolerance = show_duration(settings.future_tolerance)
        yield f"left out: {future:,} of the future, by more than --future-tolerance ({tolerance})"
    final_ms = computed_ms - milliseconds(settings.settle_after)
    young = sum(t > final_ms for each in settled for t, _ in each.points) if computed_ms else 0
    if young:
        yield (
            f"note: the last {young:,} readings may have been corrected after the end of the file; "
            f"--until {utc(final_ms)} leaves them out"
        )
