"""`butlr-exporter export`: the corrected history of captured deliveries, as a file that promtool imports."""

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import IO, Any

from exporter.cli.arguments import moment
from exporter.cli.captured import Captured, Unreadable, say
from exporter.cli.flags import USAGE_ERROR, add_settings, settings_from
from exporter.events.times import utc
from exporter.files import STANDARD, opened, reason
from exporter.metrics.settled import openmetrics
from exporter.rule.history import History
from exporter.rule.outcome import Outcome
from exporter.rule.store import Settled
from exporter.settings.declared import SETTINGS, Settings
from exporter.settings.types import show_duration

_HELP = {
    "window": "deliveries that are older than this against the newest reading of their zone, when their turn comes, "
    "are left out",
    "settle_after": "readings that are younger than this now are left out, as they may still be corrected",
    "future_tolerance": "readings further ahead of all computations so far are left out, as of a wrong clock",
    "labels": "metadata fields that label each zone; zone_id is always one",
}
"""The settings of the service that matter here, and how."""

_SETTINGS = [setting._replace(help=_HELP[setting.name]) for setting in SETTINGS if setting.name in _HELP]

_DESCRIPTION = """\
Write the history of captured deliveries: every settled reading at its own time, with the value that it came to by
the rule of the service, under the newest names of its zone. promtool makes Prometheus' own blocks of it:

  butlr-exporter export --in deliveries.ndjson --out history.om --until 2026-11-25T00:00:00Z
  promtool tsdb create-blocks-from openmetrics history.om /path/to/prometheus/data
"""

_EPILOG = """\
The deliveries are taken to stand in the order in which they came. Where that is not so, as in a file put together
from several, give a --window that is longer than what is in it. All readings are held in memory, about half a kilobyte
each. The exit status is 1 if a line was not understood, or if there was nothing to write.
"""


def add_command(commands: Any) -> None:
    """Add it to the parser of the command line."""
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
    option("--until", metavar="TIME", type=moment, help="leave out readings from this time on (default: none)")
    option(
        "--label", metavar="NAME=VALUE", type=_label, dest="more", action="append", default=[],
        help="one more label for every series, such as job=butlr-settled; may be given several times",
    )  # fmt: skip
    add_settings(command, _SETTINGS)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) is None or name.startswith("__"):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE such as job=butlr-settled, not {text!r}")
    return name, value


def _run(command: argparse.ArgumentParser, options: argparse.Namespace, rest: list[str]) -> int:
    # Those of the service's variables that matter here; the others may be for another machine.
    environ = {s.variable: os.environ[s.variable] for s in _SETTINGS if s.variable in os.environ}
    settings = settings_from(options, rest, environ, _SETTINGS)
    if settings is None:
        return USAGE_ERROR
    if not options.sources or not options.out:
        command.error("--in and --out are both needed")
    if len(options.sources) > 1:
        command.error("--in takes one file; cat FILE... | butlr-exporter export --in - takes several")
    (source,) = options.sources
    more = dict(options.more)
    if taken := sorted(more.keys() & set(settings.labels)):
        command.error(f"--label {taken[0]} is a label of the zone already")
    with suppress(OSError, ValueError):
        if os.path.samefile(source, options.out):
            command.error("--in and --out are the same file, which would be lost")
    try:
        return _export(source, options.out, settings, options.until, more)
    except Unreadable as error:
        say(str(error))
        return 1


def _export(source: str, out: str, settings: Settings, until: int | None, more: dict[str, str]) -> int:
    """Do it; return the exit status. Raises Unreadable."""
    history = History(
        window=_milliseconds(settings.window),
        settle_after=_milliseconds(settings.settle_after),
        future_tolerance=_milliseconds(settings.future_tolerance),
        now=int(time.time() * 1000),
    )
    outcomes: Counter[Outcome] = Counter()
    captured = Captured(source)
    for event in captured:
        outcomes[history.take(event)] += 1
    settled = list(history.settled(until))
    if not settled:
        say(f"nothing to write: {'no reading has settled' if outcomes else 'no line is an event of a zone'}")
        return 1
    try:
        _write(out, openmetrics(settled, settings.labels, more))
    except BrokenPipeError:  # whoever read it has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError) as error:
        say(f"{'standard output' if out == STANDARD else repr(out)} cannot be written: {reason(error)}")
        return 1
    for line in _told(settled, outcomes, settings, history.computed):
        print(line, file=sys.stderr)  # noqa: T201
    return 1 if captured.mistakes else 0


def _write(out: str, lines: Iterable[str]) -> None:
    """Write a file, or leave the one that was there. Raises OSError, ValueError."""

    def into(file: IO[bytes]) -> None:
        file.writelines(line.encode() for line in lines)
        file.flush()

    if out == STANDARD or (os.path.exists(out) and not os.path.isfile(out)):  # a pipe, say
        with opened(out, "wb") as file:
            into(file)
        return
    whole = os.path.realpath(out)
    part = f"{whole}.part"
    try:
        with open(part, "wb") as file:
            into(file)
        os.replace(part, whole)
    except OSError:
        with suppress(OSError):
            os.remove(part)
        raise


def _told(settled: list[Settled], outcomes: Counter[Outcome], settings: Settings, computed: int) -> Iterable[str]:
    """Return what is to be said of what was written."""
    times = [t for each in settled for t, _ in (each.points[0], each.points[-1])]
    yield (
        f"{sum(len(each.points) for each in settled):,} readings of {len(settled):,} series, "
        f"from {utc(min(times))} to {utc(max(times))}"
    )
    yield f"of {outcomes.total():,} events: {', '.join(f'{n:,} {outcome}' for outcome, n in outcomes.most_common())}"
    if late := outcomes[Outcome.LATE]:
        window = show_duration(settings.window)
        yield f"left out: {late:,} late, older than --window ({window}) when their turn came; a longer one takes them"
    if future := outcomes[Outcome.FUTURE]:
        tolerance = show_duration(settings.future_tolerance)
        yield f"left out: {future:,} of the future, --future-tolerance ({tolerance}) ahead of all computations"
    final = computed - _milliseconds(settings.settle_after)
    young = sum(t > final for each in settled for t, _ in each.points) if computed else 0
    if young:
        yield (
            f"mind: the last {young:,} readings may have been corrected after the file ends; "
            f"--until {utc(final)} leaves them out"
        )


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
