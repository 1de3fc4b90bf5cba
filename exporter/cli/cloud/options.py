"""The arguments of `butlr-exporter assets`, `butlr-exporter webhooks` and `butlr-exporter backfill`.

The modules that carry them out load an HTTP library, and are imported when a command runs.
"""

import argparse
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from exporter.butlr.names import FILTERS
from exporter.butlr.names import MEASUREMENTS as MEASUREMENTS_OF
from exporter.cli.arguments import add_label, argument_type, clashing_label, print_error, time_ms
from exporter.cli.flags import USAGE_ERROR, add_settings, settings_from
from exporter.events.measures import KNOWN_TYPES, known_type
from exporter.events.times import milliseconds, utc
from exporter.settings.declared import INPUTS, Settings
from exporter.settings.types import MEASUREMENT_NAMES, MEASUREMENTS, parse_duration
from exporter.spelling import NotAChoice

_API = ("butlr_client_id", "butlr_client_secret", "butlr_client_secret_file", "butlr_api_url")
"""The settings of all commands."""

_KEYS = (
    "webhook_api_key_header",
    "webhook_api_keys",
    "webhook_api_keys_file",
    "webhook_username",
    "webhook_password",
    "webhook_password_file",
)
"""The settings that say what a delivery must carry: those of the exporter itself."""

_TYPES = tuple(dict.fromkeys(known.name for known in KNOWN_TYPES.values()))
"""The event types that the exporter exports."""

_DEFAULT_TYPES = ("ZONE_OCCUPANCY", "ROOM_OCCUPANCY", "FLOOR_OCCUPANCY")

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts to which only a simulated cloud delivers, without TLS."""

_EPILOG = """\
Keep the secret in a file: everybody on this machine can read flags in the list of processes. Every setting
is an environment variable too: --butlr-client-id is BUTLR_EXPORTER_BUTLR_CLIENT_ID. HTTPS_PROXY names a proxy,
REQUESTS_CA_BUNDLE a file of certificates to trust. Not tried against a live account.
"""

_BACKFILL_EPILOG = """\
Blocks of Prometheus are made from the file:

  butlr-exporter backfill --from 24h --to 3h --out history.om
  promtool tsdb create-blocks-from openmetrics history.om /path/to/prometheus/data

Never import samples younger than three hours into a Prometheus that has data, hence --to 3h: at its next start it drops
samples of its own. Only minutes that are final are written, and none that Butlr does not have. At most 30 spaces and
two hours are asked for at a time, 1.5 s apart: a day of 30 zones takes 18 s, one of 500 zones five minutes.
Where Butlr has no minutes it takes longer, for 30 zones ten times as long: an empty answer is asked for again in
halves. After Ctrl-C or a failure the file has everything before the time that the message names; without such a time
there is no file. The exit status is 1 after a failure, and if there was nothing to write.

"""


def add_assets(commands: Any) -> None:
    """Add `assets` to the parser of the command line."""
    summary = "show the sites, buildings, floors, rooms and zones of a Butlr account with their capacities"
    command = _command(commands, "assets", summary, _run_assets, _API)
    option = command.add_argument_group("output").add_argument
    option("--capacity", metavar="FILE", help="write a capacity file for --capacity-file instead; - is stdout")
    option("--json", action="store_true", help="print JSON, with sensors and hives")


def add_backfill(commands: Any) -> None:
    """Add `backfill` to the parser of the command line."""
    summary = "read the final minutes of a Butlr account, and write them for promtool"
    command = _command(
        commands, "backfill", summary, _run_backfill, (*_API, "labels", "settle_after"), _BACKFILL_EPILOG + _EPILOG
    )
    option = command.add_argument_group("minutes").add_argument
    option(
        "--from", metavar="TIME", type=_moment, dest="start", required=True,
        help="the first minute: a time such as 2026-11-25T08:00:00Z (UTC without an offset), a date, "
        "or a duration before now such as 24h",
    )  # fmt: skip
    option(
        "--to", metavar="TIME", type=_moment, dest="stop", default="0s",
        help="end of the last minute, in the same forms (default: the newest final minute)",
    )  # fmt: skip
    option(
        "--measurements", metavar="NAME,...", type=argument_type(MEASUREMENTS.parse), default="zone_occupancy",
        help=f"some of {', '.join(MEASUREMENT_NAMES)} (default: %(default)s)",
    )  # fmt: skip
    option(
        "--id", metavar="ID", dest="ids", action="append", default=[],
        help="only this zone, room or floor; may be given several times",
    )  # fmt: skip
    option = command.add_argument_group("output").add_argument
    option("--out", metavar="FILE", default="-", help="the history as OpenMetrics; - is stdout (default: %(default)s)")
    add_label(option)


def add_webhooks(commands: Any) -> None:
    """Add `webhooks` to the parser of the command line."""
    summary = "show, create, change and delete the webhooks of a Butlr account"
    parent = commands.add_parser(
        "webhooks", help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )
    commands = parent.add_subparsers(required=True, metavar="COMMAND")

    command = _command(commands, "list", "show all webhooks of the account, secrets hidden", _run_list, _API)
    command.add_argument("--json", action="store_true", help="print JSON")

    summary = "make the account deliver to this exporter: create its webhook, or change it where it differs"
    command = _command(commands, "apply", summary, _run_apply, (*_API, *_KEYS))
    option = command.add_argument_group("webhook").add_argument
    option("--url", required=True, type=_url, help="the exporter's address, such as https://butlr.example.com/webhook")
    option(
        "--types", metavar="TYPE,...", type=_types, default=",".join(_DEFAULT_TYPES),
        help=f"all, or some of {', '.join(_TYPES)} (default: %(default)s)",
    )  # fmt: skip
    option(
        "--filter", metavar="NAME=ID,...", type=_filter, dest="filters", action="append", default=[],
        help=f"deliver only what has one of these ids; NAME is one of {', '.join(FILTERS)}; may be given several times",
    )  # fmt: skip
    option(
        "--send-on-value-change", action="store_true",
        help="deliver a value only when it differs from the one before; set stale_after and forget_after to 0 then",
    )  # fmt: skip
    option("--name", type=_name, default="butlr-exporter", help="name of the webhook (default: %(default)s)")
    option("--timeout", metavar="SECONDS", type=_timeout, help="Butlr's wait for an answer, 1 to 15 (default: 10)")
    option("--send-key", action="store_true", help="send the key in any case, for an account that does not show it")
    option = command.add_argument_group("run").add_argument
    option("--dry-run", action="store_true", help="show the differences, change nothing")
    option("--yes", action="store_true", help="change without asking")
    option("--json", action="store_true", help="print JSON")

    command = _command(commands, "delete", "delete a webhook for good", _run_delete, _API)
    command.add_argument("id", metavar="ID", help="id of the webhook, as list shows it")
    command.add_argument("--yes", action="store_true", help="delete without asking")


def _url(text: str) -> str:
    """Parse the address of a webhook. No mistake shows it: people write a password or a token in it."""
    try:
        parts = urlsplit(text)
        is_address = bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if "@" in text:
        raise argparse.ArgumentTypeError("must not have a password in it; --webhook-username names the user instead")
    if not is_address or not text.isascii() or not text.isprintable() or set(text) & set(" #\\"):
        raise argparse.ArgumentTypeError("must be a URL such as https://butlr.example.com/webhook")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise argparse.ArgumentTypeError("must begin with https://, as Butlr delivers to no other address")
    if parts.path in ("", "/"):
        raise argparse.ArgumentTypeError("must have the path of the webhook, such as /webhook")
    return text


@argument_type
def _types(text: str) -> frozenset[str]:
    if text.lower() == "all":
        return frozenset(_TYPES)
    found = set()
    for name in filter(None, map(str.strip, text.split(","))):
        known = known_type(name)
        if known is None:
            raise NotAChoice(f"must be all, or some of {', '.join(_TYPES)}", name, [*_TYPES, "all"])
        found.add(known.name)
    if not found:
        raise ValueError("must name at least one event type")
    return frozenset(found)


@argument_type
def _filter(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, ids = text.partition("=")
    if name not in FILTERS:
        raise NotAChoice(f"must be NAME=ID,... with a NAME of {', '.join(FILTERS)}", name, FILTERS)
    found = tuple(sorted({each.strip() for each in ids.split(",") if each.strip()}))
    if not found:
        raise ValueError("must have at least one id behind the =")
    return name, found


@argument_type
def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a printable text")
    return text


@argument_type
def _timeout(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= 15:
        raise ValueError("must be a number of seconds from 1 to 15")
    return int(text)


Moment = int | timedelta
"""Milliseconds since the epoch, or a duration before now."""


def _moment(text: str) -> Moment:
    with suppress(ValueError):
        return parse_duration(text)
    try:
        moment_ms: int = time_ms(text)
    except argparse.ArgumentTypeError as error:
        if "in 2015 or later" in str(error):
            raise
        raise argparse.ArgumentTypeError(
            f"must be a time such as 2026-11-25T08:00:00Z, a date such as 2026-11-25, "
            f"or a duration before now such as 24h, not {text!r}"
        ) from None
    return moment_ms


def _run_backfill(settings: Settings, options: argparse.Namespace) -> int:
    from exporter.cli.cloud import backfill

    now_ms = int(time.time() * 1000)
    start_ms, stop_ms = (
        now_ms - milliseconds(each) if isinstance(each, timedelta) else each for each in (options.start, options.stop)
    )
    extra_labels = dict(options.extra_labels)
    mistake = clashing_label(extra_labels, settings.labels)
    if start_ms >= stop_ms:
        mistake = f"--from, {utc(start_ms)}, must be before --to, {utc(stop_ms)}"
    if mistake:
        print_error(mistake)
        return USAGE_ERROR
    kinds = tuple(kind for kind, each in MEASUREMENTS_OF.items() if each.name in options.measurements)
    job = backfill.Job(now_ms, start_ms, stop_ms, kinds, tuple(options.ids), options.out, extra_labels)
    return backfill.run(settings, job)


def _run_list(settings: Settings, options: argparse.Namespace) -> int:
    from exporter.cli.cloud import webhooks

    return webhooks.show(settings, as_json=options.json)


def _run_apply(settings: Settings, options: argparse.Namespace) -> int:
    from exporter.cli.cloud import webhooks

    filters: dict[str, tuple[str, ...]] = {}
    for name, ids in options.filters:
        filters[name] = tuple(sorted({*filters.get(name, ()), *ids}))
    wanted = webhooks.wanted(
        settings,
        name=options.name,
        url=options.url,
        types=options.types,
        filters=filters,
        only_changes=options.send_on_value_change,
        timeout_seconds=options.timeout,
    )
    job = webhooks.Job(wanted, options.send_key, options.dry_run, options.yes, options.json)
    return webhooks.apply(settings, job)


def _run_delete(settings: Settings, options: argparse.Namespace) -> int:
    from exporter.cli.cloud import webhooks

    return webhooks.delete(settings, options.id, yes=options.yes)


def _run_assets(settings: Settings, options: argparse.Namespace) -> int:
    from exporter.cli.cloud import assets

    return assets.run(settings, options.capacity, as_json=options.json)


def _command(
    commands: Any,
    name: str,
    summary: str,
    run: Callable[[Settings, argparse.Namespace], int],
    settings: Iterable[str],
    epilog: str = _EPILOG,
) -> argparse.ArgumentParser:
    """Return a command that takes some settings, and is carried out by `run`."""
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    accepted = [each for each in INPUTS if each.name in settings]
    add_settings(command, accepted)
    # Only the variables of these settings: the others may be for another machine.
    variables = [each.variable for each in accepted]
    command.set_defaults(run=partial(_run, command, variables, run))
    return command


def _run(
    command: argparse.ArgumentParser,
    variables: Iterable[str],
    run: Callable[[Settings, argparse.Namespace], int],
    options: argparse.Namespace,
    rest: list[str],
) -> int:
    environ = {variable: os.environ[variable] for variable in variables if variable in os.environ}
    settings = settings_from(command, options, rest, environ)
    if settings is None:
        return USAGE_ERROR
    if settings.butlr_client_id is None:
        command.error("needs an API token of Butlr: --butlr-client-id ID --butlr-client-secret-file FILE")
    return run(settings, options)
