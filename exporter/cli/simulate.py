"""`butlr-exporter simulate`: its options, and a run of the simulator made from them."""

import argparse
import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from exporter.cli.arguments import argument_type, print_error, time_ms
from exporter.cli.flags import unknown_arguments
from exporter.cli.preflight import bind_reason
from exporter.events.measures import known_type
from exporter.events.times import milliseconds
from exporter.files import reason
from exporter.settings.declared import Setting
from exporter.settings.load import given
from exporter.settings.types import ADDRESS, SECRETS, parse_duration, show_duration
from exporter.simulate.client import Target, trusting
from exporter.simulate.run import Job, run
from exporter.simulate.verify.arrivals import Rule
from exporter.simulate.world.delivery import EventType, Plan
from exporter.spelling import NotAChoice

_MIN_INTERVAL = timedelta(seconds=1)

_TYPES = tuple(event_type for event_type in EventType if known_type(event_type))
"""Types of events that an exporter exports."""

_ALL = "all"

_URL = "http://localhost:9728/webhook"

_KEYS = Setting("api_key", SECRETS, "none", "keys of an exporter, of which the simulator sends the first")

_DESCRIPTION = """\
Send deliveries as Butlr's cloud does: people come and go in a building, every reading is computed five
times, and deliveries are delayed, reordered and repeated. Each interval is a minute of the building, which
opens when the run begins; in the last four intervals nothing new is sensed.
"""

_EPILOG = """\
examples:
  butlr-exporter simulate --interval 1s --duration 0         a building in fast motion, until Ctrl-C
  butlr-exporter simulate --interval 1s --duration 60s --verify http://localhost:9728/metrics
  butlr-exporter simulate --zones 10000 --rate max           the last ten minutes of many zones, at full speed
  butlr-exporter simulate --out deliveries.ndjson            the same bytes for the same --seed and --start

Durations are written 90s, 10m, 24h. The exit status is 1 if a delivery was refused, the exporter could not
be reached, or --verify found a difference.
"""


def add_command(commands: Any) -> None:
    """Add the command to the parser of the command line."""
    command = commands.add_parser(
        "simulate",
        help="send deliveries as Butlr does, and verify the exporter's counts and answers",
        usage="butlr-exporter simulate [--url URL] [OPTION]...",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.set_defaults(run=partial(_run, command))
    option = command.add_argument_group("target").add_argument
    option("--url", help=f"the webhook (default: {_URL})")
    option(
        "--cloud", metavar="HOST:PORT", type=argument_type(ADDRESS.parse),
        help="serve Butlr's API there instead, and deliver to the webhooks that are registered with it; "
        "not tried against a live account",
    )  # fmt: skip
    option(
        "--faults", action="store_true", help="let this API refuse tokens early, answer 429, 502, 504, late, "
        "by halves or with nothing, and drop deliveries",
    )  # fmt: skip
    option("--api-key", metavar="KEY", type=_api_key, help="sent with each delivery as the header X-API-Key")
    option("--api-key-file", metavar="FILE", help="file that contains the key; of several keys the first is sent")
    option(
        "--cacert",
        metavar="FILE",
        type=_trusted,
        help="PEM file with the certificates that https:// URLs may have, instead of those that this machine trusts",
    )
    option("--connections", metavar="N", type=_connections, help="open at the same time (default: 4, or 1 with --in)")
    option("--retry", action="store_true", help="wait for an exporter that does not answer, also at the start")
    option("--rate", metavar="N|max", type=_rate, help="deliveries a second (default: as they are due; with --in: max)")
    option("--out", metavar="FILE", help="write the deliveries, one on a line, instead of sending them; - is stdout")

    option = command.add_argument_group("simulation").add_argument
    plan = (
        option("--zones", metavar="N", type=_zones, default="20", help="number of zones (default: %(default)s)"),
        option(
            "--types", metavar="TYPE,...", type=_types,
            help=f"some of {', '.join(_TYPES)}, or all (default: ZONE_OCCUPANCY, or all with --cloud)",
        ),
        option(
            "--interval", metavar="DURATION", type=_interval, default="60s",
            help="time from reading to reading, at least 1s (default: %(default)s)",
        ),
        option(
            "--duration", metavar="DURATION", type=_duration, default="10m",
            help="length of the run, in whole intervals (default: %(default)s; 0: until Ctrl-C)",
        ),
        option(
            "--seed", metavar="N", type=int, default="1",
            help="equal seeds give equal zones, people and readings (default: %(default)s)",
        ),
        option(
            "--start", metavar="TIME", type=time_ms,
            help="begin of the simulated time (default: now; with --rate or --out, so early that it ends now)",
        ),
        option("--drop", metavar="P", type=_share, default="0", help="share of deliveries that are lost, 0 to 1"),
        option("--burst", action="store_true", help="deliver nothing in the middle third, then all of it at once"),
        option("--short-nights", action="store_true", help="nights of one hour, so that the building is rarely empty"),
    )  # fmt: skip
    option(
        "--in", metavar="FILE", dest="source", help="send the deliveries of a file instead, one on a line; - is stdin"
    )
    command.set_defaults(plan_options=[action.dest for action in plan])

    option = command.add_argument_group("verification").add_argument
    option(
        "--verify", metavar="METRICS_URL", help="afterwards scrape this URL, and compare every space and answer with "
        "the expected one; keeps all deliveries in memory",
    )  # fmt: skip
    option(
        "--window", metavar="DURATION", type=_duration, default="15m",
        help="the exporter's window setting (default: %(default)s)",
    )  # fmt: skip
    option(
        "--stale-after", metavar="DURATION", type=_duration, default="10m",
        help="the exporter's stale_after setting (default: %(default)s)",
    )  # fmt: skip
    option(
        "--traffic-window", metavar="DURATION", type=_duration, default="24h",
        help="the exporter's traffic_window setting (default: %(default)s)",
    )  # fmt: skip
    option(
        "--detections-stale-after", metavar="DURATION", type=_duration, default="30s",
        help="the exporter's detections_stale_after setting (default: %(default)s)",
    )  # fmt: skip
    option(
        "--no-journal",
        action="store_true",
        help="the exporter has no journal: after a restart, verify only deliveries since then",
    )


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace, rest: list[str]) -> int:
    if rest:
        parser.error(next(unknown_arguments(parser, rest)))
    defaults = parser.parse_args([])
    changed_plan = [name for name in options.plan_options if getattr(options, name) != getattr(defaults, name)]
    endless = options.duration == timedelta() and options.source is None
    paced = options.rate is None and options.out is None and options.source is None
    key = _key(parser, options)
    for is_mistake, message in (
        (
            options.out is not None and options.source is not None,
            "--in sends a file and --out writes one: use one of them",
        ),
        (
            options.source is not None and changed_plan,
            f"--in sends the deliveries of a file, so leave out --{', --'.join(changed_plan)}",
        ),
        (options.out is not None and options.verify, "--verify needs an exporter, and --out sends nothing"),
        (
            options.cloud is not None and (options.url or key),
            "--cloud delivers to the webhooks that are registered with it, so leave out --url and --api-key",
        ),
        (options.faults and options.cloud is None, "--faults are those of --cloud"),
        (
            options.cloud is not None and not (paced and options.source is None),
            "--cloud serves in real time, so leave out --rate, --in and --out",
        ),
        (endless and (options.out or options.rate or options.burst), "--out, --rate and --burst need a --duration"),
        (
            timedelta() < options.duration < options.interval,
            f"--duration is shorter than --interval ({show_duration(options.interval)}); shorten the interval",
        ),
        (paced and options.start and options.start > time.time() * 1000, "--start is in the future"),
    ):
        if is_mistake:
            parser.error(message)
    cloud = None
    if options.cloud is not None:
        from exporter.server.process import bind  # loads a server, which few runs need

        try:
            cloud = bind(*options.cloud)
        except (OSError, UnicodeError) as error:
            print_error(f"--cloud={options.cloud}: cannot listen: {bind_reason(error)}")
            return 1
    headers = {"Content-Type": "application/json"}
    if key:
        headers["X-API-Key"] = key
    plan = Plan(
        zones=options.zones,
        types=options.types or (_TYPES if options.cloud else (EventType.ZONE_OCCUPANCY,)),
        interval_ms=milliseconds(options.interval),
        intervals=None if endless else options.duration // options.interval,
        seed=options.seed,
        drop=options.drop,
        burst=options.burst,
        short_nights=options.short_nights,
    )
    return run(
        Job(
            webhook=_target(parser, "--url", options.url or _URL, options, headers, "POST"),
            metrics=None if options.verify is None else _target(parser, "--verify", options.verify, options, {}, "GET"),
            plan=plan,
            rule=Rule(
                window_ms=milliseconds(options.window),
                stale_after_ms=milliseconds(options.stale_after),
                traffic_window_ms=milliseconds(options.traffic_window),
                detections_stale_after_ms=milliseconds(options.detections_stale_after),
            ),
            start_ms=options.start,
            source=options.source,
            out=options.out,
            cloud=cloud,
            faults=options.faults,
            tls=options.cacert,
            rate=options.rate,
            connections=options.connections or (4 if options.source is None else 1),
            retry=options.retry,
            has_journal=not options.no_journal,
        )
    )


def _key(parser: argparse.ArgumentParser, options: argparse.Namespace) -> str | None:
    """Return the API key of each delivery, if any."""
    if options.api_key_file is None:
        return options.api_key  # type: ignore[no-any-return]
    try:
        keys = given(_KEYS, vars(options), {})[_KEYS.name]
    except ValueError as error:
        parser.error(str(error))
    key: str = keys[0].get_secret_value()
    if not key.isprintable():
        parser.error("--api-key-file names a file with a key that has unprintable characters")
    return key


def _target(
    parser: argparse.ArgumentParser,
    option: str,
    url: str,
    options: argparse.Namespace,
    headers: dict[str, str],
    method: str,
) -> Target:
    try:
        return Target(url, headers, method, options.cacert)
    except ValueError as error:
        parser.error(f"argument {option}: {error}")


def _number_up_to(maximum: int) -> Callable[[str], Any]:
    @argument_type
    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 1 <= int(text) <= maximum:
            raise ValueError(f"must be a whole number from 1 to {maximum:,}")
        return int(text)

    return number


_connections = _number_up_to(1000)
_zones = _number_up_to(1_000_000)


@argument_type
def _api_key(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must consist of printable characters")
    return text


def _trusted(path: str) -> ssl.SSLContext:
    try:
        return trusting(path)
    except ssl.SSLError:
        raise argparse.ArgumentTypeError(f"{path!r} has no PEM certificate") from None
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{path!r} cannot be read: {reason(error)}") from None


@argument_type
def _duration(text: str) -> timedelta:
    return parse_duration(text)


@argument_type
def _interval(text: str) -> timedelta:
    interval = parse_duration(text)
    if interval < _MIN_INTERVAL:
        raise ValueError("must be at least 1s, as event ids hold the second of their computation")
    return interval


@argument_type
def _types(text: str) -> tuple[EventType, ...]:
    names = [name.strip().upper() for name in text.split(",")]
    if names == [_ALL.upper()]:
        return _TYPES
    for name in names:
        if name not in _TYPES:
            raise NotAChoice(f"must be {_ALL}, or some of {', '.join(_TYPES)}", name, [*_TYPES, _ALL])
    return tuple(event_type for event_type in _TYPES if event_type in names)


@argument_type
def _share(text: str) -> float:
    message = "must be a number from 0 to 1"
    try:
        share = float(text)
    except ValueError:
        raise ValueError(message) from None
    if not 0 <= share <= 1:
        raise ValueError(message)
    return share


@argument_type
def _rate(text: str) -> float:
    message = "must be a number of deliveries a second, or max"
    try:
        rate = float("inf" if text.lower() == "max" else text)
    except ValueError:
        raise NotAChoice(message, text, ["max"]) from None
    if not rate > 0:
        raise ValueError(message)
    return rate
