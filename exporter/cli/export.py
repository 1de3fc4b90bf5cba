"""`butlr-exporter export`: the corrected history of captured deliveries, as a file that promtool imports."""

import argparse
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from exporter.cli.captured import Captured, Unreadable, say
from exporter.cli.flags import USAGE_ERROR, add_settings, settings_from
from exporter.events import utc
from exporter.history import History, openmetrics
from exporter.occupancy import Outcome
from exporter.settings import SETTINGS, Settings
from exporter.simulate.files import STANDARD, opened

_SETTINGS = [s for s in SETTINGS if s.name in ("window", "settle_after", "future_tolerance", "labels")]

_DESCRIPTION = """\
Write the history of captured deliveries: every settled reading at its own time, with the value that it came to by
the rule of the service, under the newest names of its zone. promtool makes Prometheus' own blocks of it:

  butlr-exporter export --in deliveries.ndjson --out history.om
  promtool tsdb create-blocks-from openmetrics history.om /path/to/prometheus/data
"""

_EPILOG = """\
The deliveries are taken to stand in the order in which they came. Where that is not so, as in a file put together
from several, give a --window that is longer than what is in it. The exit status is 1 if a line was not understood,
or if there was nothing to write.
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
    option("--in", metavar="FILE", dest="source", help="request bodies as Butlr sent them, one on a line; - is stdin")
    option("--out", metavar="FILE", help="OpenMetrics text; - is stdout")
    add_settings(command, _SETTINGS)


def _run(command: argparse.ArgumentParser, options: argparse.Namespace, rest: list[str]) -> int:
    # Those of the service's variables that matter here; the others may be for another machine.
    environ = {s.variable: os.environ[s.variable] for s in _SETTINGS if s.variable in os.environ}
    settings = settings_from(options, rest, environ)
    if settings is None:
        return USAGE_ERROR
    if not options.source or not options.out:
        command.error("--in and --out are both needed")
    with suppress(OSError, ValueError):
        if os.path.samefile(options.source, options.out):
            command.error("--in and --out are the same file, which would be lost")
    try:
        return _export(options.source, options.out, settings)
    except Unreadable as error:
        say(str(error))
        return 1


def _export(source: str, out: str, settings: Settings) -> int:
    """Do it; return the exit status. Raises Unreadable."""
    now = int(time.time() * 1000)
    history = History(
        window=_milliseconds(settings.window),
        settle_after=_milliseconds(settings.settle_after),
        future_tolerance=_milliseconds(settings.future_tolerance),
        clock=lambda: now,
    )
    outcomes: Counter[Outcome] = Counter()
    captured = Captured(source)
    for event in captured:
        outcomes[history.take(event)] += 1
    settled = list(history.settled())
    if not settled:
        say("nothing to write: no reading has settled")
        return 1
    try:
        with opened(out, "wb") as file:
            file.writelines(text.encode() for text in openmetrics(settled, settings.labels))
            file.flush()
    except BrokenPipeError:  # whoever read it has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError) as error:
        say(f"{out!r} cannot be written: {getattr(error, 'strerror', None) or 'that is no path'}")
        return 1
    times = [t for each in settled for t, _ in (each.points[0], each.points[-1])]
    told = [
        f"{sum(len(each.points) for each in settled):,} readings of {len(settled):,} series, "
        f"from {utc(min(times))} to {utc(max(times))}",
        f"of {outcomes.total():,} events: {', '.join(f'{n:,} {outcome}' for outcome, n in outcomes.most_common())}",
    ]
    if outcomes[Outcome.LATE]:
        told.append("what is late was left out: older than the window when it came; --window takes a longer one")
    print(*told, sep="\n", file=sys.stderr if out == STANDARD else sys.stdout)
    return 1 if captured.mistakes else 0


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
