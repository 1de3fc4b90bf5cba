"""`butlr-exporter simulate`: its options, and a run of the simulator made from them."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from exporter.events import Measure
from exporter.settings import parse_duration
from exporter.simulate.client import Target
from exporter.simulate.delivery import Plan
from exporter.simulate.oracle import Rule
from exporter.simulate.run import Job, run

_LEAST_INTERVAL = timedelta(seconds=1)

_DESCRIPTION = """\
Send deliveries such as Butlr's cloud sends: people come and go in a building, every reading is computed
five times, and deliveries are delayed, reordered and repeated. Each interval is a minute of the building,
which opens when the run begins; in the last four nothing new is sensed.
"""

_EPILOG = """\
examples:
  butlr-exporter simulate --interval 1s --duration 0         a building in fast motion, until Ctrl-C
  butlr-exporter simulate --interval 1s --duration 60s --verify http://localhost:9728/metrics
  butlr-exporter simulate --zones 10000 --rate max           the last ten minutes of many zones, flat out
  butlr-exporter simulate --out deliveries.ndjson            the same every time with the same --seed and --start

Durations are written 90s, 10m, 24h. The exit status is 1 if a delivery was refused, the exporter could not
be reached, or --verify found a difference.
"""


def add_command(commands: Any) -> None:
    """Add it to the parser of the command line."""
    command = commands.add_parser(
        "simulate",
        help="send deliveries such as Butlr's, and verify what is made of them",
        usage="butlr-exporter simulate [--url URL] [OPTION]...",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(run=partial(_run, command))

    where = command.add_argument_group("where to")
    where.add_argument("--url", default="http://localhost:9728/webhook", help="the webhook (default: %(default)s)")
    where.add_argument("--api-key", metavar="KEY", help="sent with each delivery as the header X-API-Key")
    where.add_argument("--connections", metavar="N", type=_number, help="how many at once (default: 4; with --in 1)")
    where.add_argument("--retry", action="store_true", help="wait for the exporter, at the start and on the way")
    where.add_argument(
        "--out", metavar="FILE", help="write the deliveries, one on a line, instead; - for standard output"
    )

    what = command.add_argument_group("what")
    what.add_argument("--zones", metavar="N", type=_number, default=20, help="how many zones (default: %(default)s)")
    types = " and ".join(Measure)
    what.add_argument(
        "--types", metavar="TYPE,...", type=_types, default="ZONE_OCCUPANCY", help=f"of {types}; the first if not given"
    )
    what.add_argument(
        "--interval",
        metavar="DURATION",
        type=_interval,
        default="60s",
        help="from reading to reading, at least 1s (default: %(default)s)",
    )
    what.add_argument(
        "--duration",
        metavar="DURATION",
        type=_duration,
        default="10m",
        help="(default: %(default)s; 0: until Ctrl-C)",
    )
    what.add_argument("--seed", metavar="N", type=int, default=1, help="equal seeds give equal streams (default: 1)")
    what.add_argument(
        "--start",
        metavar="TIME",
        type=_time,
        help="when the simulated time begins (default: now, or with --rate and --out so that it ends now)",
    )
    what.add_argument("--drop", metavar="P", type=_share, default=0.0, help="share of deliveries that are lost, 0 to 1")
    what.add_argument("--burst", action="store_true", help="nothing in the middle third, then all of it at once")
    what.add_argument(
        "--in",
        metavar="FILE",
        dest="source",
        help="send the deliveries of a file instead, one on a line; - for standard input",
    )
    what.add_argument(
        "--rate",
        metavar="N|max",
        type=_rate,
        help="deliveries a second, or as fast as they are answered (default: as they are due)",
    )

    verify = command.add_argument_group("afterwards")
    verify.add_argument(
        "--verify",
        metavar="METRICS_URL",
        type=_web_address,
        help="scrape, and compare every zone with what it must show; holds all deliveries in memory",
    )
    verify.add_argument(
        "--window", metavar="DURATION", type=_duration, default="15m", help="the exporter's (default: %(default)s)"
    )
    verify.add_argument(
        "--stale-after", metavar="DURATION", type=_duration, default="10m", help="the exporter's (default: %(default)s)"
    )
    verify.add_argument(
        "--no-journal",
        action="store_true",
        help="the exporter forgets when it is restarted: what came before is not verified",
    )


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace, rest: list[str]) -> int:
    if rest:
        parser.error(f"unknown argument {rest[0]!r}")
    endless = options.duration == timedelta() and not options.source
    for mistaken, message in (
        (options.out and options.source, "--in sends a file and --out writes one: take one of them"),
        (options.out and options.verify, "--verify needs an exporter, and --out sends nothing"),
        (endless and (options.out or options.rate or options.burst), "--out, --rate and --burst need a --duration"),
    ):
        if mistaken:
            parser.error(message)
    headers = {"X-API-Key": options.api_key} if options.api_key else {}
    try:
        target = Target(options.url, headers)
    except ValueError as error:
        parser.error(f"argument --url: {error}, not {options.url!r}")
    plan = Plan(
        zones=options.zones,
        measures=options.types,
        interval=_milliseconds(options.interval),
        intervals=None if endless else max(1, options.duration // options.interval),
        seed=options.seed,
        drop=options.drop,
        burst=options.burst,
    )
    return run(
        Job(
            target=target,
            plan=plan,
            start=options.start,
            source=options.source,
            out=options.out,
            rate=options.rate,
            connections=options.connections or (1 if options.source else 4),
            retry=options.retry,
            verify=options.verify,
            rule=Rule(window=_milliseconds(options.window), stale_after=_milliseconds(options.stale_after)),
            journal=not options.no_journal,
        )
    )


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


def _type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return an argparse type from what raises ValueError with what is wrong."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{error}, not {text!r}") from None

    return parsed


@_type
def _duration(text: str) -> timedelta:
    return parse_duration(text)


@_type
def _interval(text: str) -> timedelta:
    interval = parse_duration(text)
    if interval < _LEAST_INTERVAL:
        raise ValueError("must be at least 1s, for an id tells the second in which its event was computed")
    return interval


@_type
def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) < 1:
        raise ValueError("must be a whole number from 1")
    return int(text)


@_type
def _types(text: str) -> tuple[Measure, ...]:
    names = [name.strip().upper() for name in text.split(",")]
    if not set(names) <= set(Measure):
        raise ValueError(f"must be some of {', '.join(Measure)}")
    return tuple(measure for measure in Measure if measure in names)


@_type
def _time(text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a time such as 2026-11-25T08:00:00Z") from None
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


@_type
def _web_address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must be a URL such as http://localhost:9728/metrics")
    return text


@_type
def _share(text: str) -> float:
    message = "must be a number from 0 to 1"
    try:
        share = float(text)
    except ValueError:
        raise ValueError(message) from None
    if not 0 <= share <= 1:
        raise ValueError(message)
    return share


@_type
def _rate(text: str) -> float:
    message = "must be a number of deliveries a second, or max"
    try:
        rate = float("inf" if text.lower() == "max" else text)
    except ValueError:
        raise ValueError(message) from None
    if not rate > 0:
        raise ValueError(message)
    return rate
