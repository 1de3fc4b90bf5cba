"""`butlr-exporter export`: the final counts of captured deliveries, for promtool or for a spreadsheet."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from exporter.cli.arguments import add_label, clashing_label, print_error, time_ms, write_output
from exporter.cli.captured import CapturedEvents, UnreadableCapture
from exporter.cli.flags import USAGE_ERROR, add_settings, settings_from
from exporter.cli.table import COLUMNS, csv_lines
from exporter.events.measures import Measure
from exporter.events.model import ReadingEvent
from exporter.events.times import milliseconds, utc
from exporter.metrics.settled import openmetrics
from exporter.rule.history import History
from exporter.rule.outcome import Outcome
from exporter.rule.settled import Settled
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
Write the history of captured deliveries: every final count at its own time, by the rule of
the service, under the newest names of its space. promtool turns it into blocks of Prometheus:

  butlr-exporter export --in deliveries.ndjson --out history.om --until 2026-11-25T00:00:00Z
  promtool tsdb create-blocks-from openmetrics history.om /path/to/prometheus/data

With --format csv it is a table, for a spreadsheet.
"""

_EPILOG = """\
The deliveries are assumed to be in the order of their arrival. For a file in another order, such as several files
joined, give a --window that is longer than the time that the file spans. All readings are held in memory, about half
a kilobyte each; with --format csv only those of the window. The exit status is 1 if a line was not understood, or if
there was nothing to write.
"""


class _Job(NamedTuple):
    """The files of an export, and how to write."""

    source: str
    out: str
    format: str
    until_ms: int | None
    extra_labels: dict[str, str]


def add_command(commands: Any) -> None:
    """Add the command to the parser of the command line."""
    command = commands.add_parser(
        "export",
        help="write the history of captured deliveries, for promtool or a spreadsheet",
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
    option("--out", metavar="FILE", help="the history; - is stdout")
    option(
        "--format", type=_format, default="openmetrics",
        help="openmetrics for promtool, csv for a spreadsheet: a row for each minute and space (default: %(default)s)",
    )  # fmt: skip
    option("--until", metavar="TIME", type=time_ms, help="leave out readings from this time on (default: none)")
    add_label(option)
    add_settings(command, _SETTINGS)


def _format(text: str) -> str:
    if text not in ("openmetrics", "csv"):
        raise argparse.ArgumentTypeError(f"must be openmetrics or csv, not {text!r}")
    return text


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
    if clash := clashing_label(extra_labels, settings.labels, COLUMNS if options.format == "csv" else ()):
        command.error(clash)
    with suppress(OSError, ValueError):
        if os.path.samefile(source, options.out):
            command.error("--in and --out are the same file, which would be lost")
    try:
        return _export(_Job(source, options.out, options.format, options.until, extra_labels), settings)
    except UnreadableCapture as error:
        print_error(str(error))
        return 1


class _Written:
    """The history that is written, counted for the summary."""

    def __init__(self, history: History, settle_after_ms: int) -> None:
        self._history = history
        self._settle_after_ms = settle_after_ms
        self.readings = 0
        self.series: set[tuple[Measure, str]] = set()
        self.first_ms, self.last_ms = sys.maxsize, -1
        self._young: list[int] = []

    def counted(self, settled: Iterable[Settled]) -> Iterator[Settled]:
        """Count readings on their way."""
        for each in settled:
            times = [t for t, _ in each.points]
            self.readings += len(times)
            self.series.add((each.measure, getattr(each.metadata, each.measure.kind.id_field)))
            self.first_ms, self.last_ms = min(self.first_ms, times[0]), max(self.last_ms, times[-1])
            self._young += [t for t in times if t > self.final_ms]
            yield each

    @property
    def final_ms(self) -> int:
        """The newest time of a reading that no later delivery would correct."""
        return self._history.computed - self._settle_after_ms

    @property
    def young(self) -> int:
        """The number of readings that may have been corrected after the end of the file."""
        return sum(t > self.final_ms for t in self._young) if self._history.computed else 0


def _export(job: _Job, settings: Settings) -> int:
    """Write the history of a file to another; return the exit status. Raises UnreadableCapture."""
    history = History(
        window=milliseconds(settings.window),
        settle_after=milliseconds(settings.settle_after),
        future_tolerance=milliseconds(settings.future_tolerance),
        now=int(time.time() * 1000),
    )
    outcomes: Counter[Outcome] = Counter()
    captured = CapturedEvents(job.source)
    written = _Written(history, milliseconds(settings.settle_after))
    read, lines = (_streamed, csv_lines) if job.format == "csv" else (_whole, openmetrics)
    settled = written.counted(read(captured, history, outcomes, job.until_ms))
    first = next(settled, None)
    if first is None:
        print_error(
            f"nothing to write: {'no count is final yet' if outcomes else 'no line is an event of an exported type'}"
        )
        return 1
    if not write_output(job.out, lines(chain([first], settled), settings.labels, job.extra_labels)):
        return 1
    for line in _summary(written, outcomes, settings):
        print(line, file=sys.stderr)  # noqa: T201
    return 1 if captured.mistakes else 0


def _whole(
    events: Iterable[ReadingEvent], history: History, outcomes: Counter[Outcome], until_ms: int | None
) -> Iterator[Settled]:
    """Return every settled reading after the last delivery, as OpenMetrics has the samples of a series together."""
    for event in events:
        outcomes[history.apply(event)] += 1
    yield from history.settled(until_ms)


def _streamed(
    events: Iterable[ReadingEvent], history: History, outcomes: Counter[Outcome], until_ms: int | None
) -> Iterator[Settled]:
    """Return each settled reading as soon as no delivery changes it, so that memory holds the windows only."""
    for event in events:
        outcome = history.apply(event)
        outcomes[outcome] += 1
        if outcome is Outcome.NEW and (released := history.release(event, until_ms)):
            yield released
    rest = [each._replace(points=[point]) for each in history.settled(until_ms) for point in each.points]
    yield from sorted(rest, key=lambda each: each.points[0].timestamp)


def _summary(written: _Written, outcomes: Counter[Outcome], settings: Settings) -> Iterable[str]:
    """Return the lines that describe the written history."""
    yield (
        f"{written.readings:,} readings of {len(written.series):,} series, "
        f"from {utc(written.first_ms)} to {utc(written.last_ms)}"
    )
    yield f"of {outcomes.total():,} events: {', '.join(f'{n:,} {outcome}' for outcome, n in outcomes.most_common())}"
    if late := outcomes[Outcome.LATE]:
        window = show_duration(settings.window)
        yield f"left out: {late:,} late, by --window ({window}) or more; a longer window includes them"
    if future := outcomes[Outcome.FUTURE]:
        tolerance = show_duration(settings.future_tolerance)
        yield f"left out: {future:,} of the future, by more than --future-tolerance ({tolerance})"
    if young := written.young:
        yield (
            f"note: the last {young:,} readings may have been corrected after the end of the file; "
            f"--until {utc(written.final_ms)} leaves them out"
        )
