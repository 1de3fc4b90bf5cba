"""`butlr-exporter serve` and `butlr-exporter check`: the commands that accept every setting."""

import argparse
import logging
import os
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from exporter import __version__
from exporter.app import Port, build
from exporter.capacity.parse import CapacityError, read
from exporter.capacity.rules import NO_RULES
from exporter.cli import against, logs, preflight
from exporter.cli.arguments import print_error
from exporter.cli.flags import USAGE_ERROR, add_settings, settings_from
from exporter.ingest import observer
from exporter.journal.interface import JournalError
from exporter.server import connection, connections, memory, process, tls
from exporter.settings.advice import exposure, warnings
from exporter.settings.certificate import TlsError
from exporter.settings.declared import INPUTS, Settings
from exporter.web import answers

log = logging.getLogger(__name__)

THROTTLED = (observer, answers, connection, connections, tls)
"""Modules with warnings that a stranger can cause, which are therefore limited in number."""

_EPILOG = """\
Every setting is a flag and an environment variable, and the flag wins: --stale-after 15m is
BUTLR_EXPORTER_STALE_AFTER=15m. Durations are written 90s, 10m, 24h; sizes 512KiB, 1MiB.
Keep a secret in a file: everybody on this machine can read flags in the list of processes.
"""


def add_commands(commands: Any) -> None:
    """Add `serve` and `check` to the parser of the command line."""
    for run, inspect, summary in (
        (_serve, preflight.journal_mistakes, "receive webhooks or poll Butlr, and serve metrics"),
        (_check, preflight.all_mistakes, "validate the settings and print them"),
    ):
        command = commands.add_parser(
            run.__name__[1:],
            help=summary,
            description=f"{summary.capitalize()}.",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.set_defaults(run=partial(_run, run, inspect, command))
        add_settings(command, INPUTS)
    command.add_argument(
        "--against",
        metavar="FILE",
        help="a file of events, one on a line: also print which capacity rule applies to each of their spaces",
    )


def _run(
    run: Callable[[Settings, argparse.Namespace], int],
    inspect: Callable[[Mapping[str, Any]], Mapping[str, str]],
    command: argparse.ArgumentParser,
    options: argparse.Namespace,
    rest: list[str],
) -> int:
    settings = settings_from(command, options, rest, os.environ, inspect)
    return USAGE_ERROR if settings is None else run(settings, options)


def _check(settings: Settings, options: argparse.Namespace) -> int:
    used = [f"{text}; that is right if it is this exporter" for text in preflight.in_use(vars(settings)).values()]
    for warning in filter(None, [*warnings(settings, os.environ), exposure(settings), *used]):
        print_error(f"warning: {warning}")
    for name, value in settings.show().items():
        print(f"{name} = {value}")  # noqa: T201
    if options.against is None:
        return 0
    return against.print_rules(read(settings.capacity_file) if settings.capacity_file else NO_RULES, options.against)


def _serve(settings: Settings, _: argparse.Namespace) -> int:
    logs.configure(settings.log_level, settings.log_format, throttled=[module.log.name for module in THROTTLED])
    memory.tune_malloc()
    for warning in warnings(settings, os.environ):
        log.warning("doubtful setting", {"reason": warning})
    try:
        exporter = build(settings)
    except (TlsError, CapacityError, JournalError) as error:  # a file may have changed since it was checked
        log.error("cannot start", {"reason": str(error)})
        return 1
    try:
        listeners = [process.Listener(_bind(port), port.service, port.tls) for port in exporter.ports]
        _log_start(settings, exporter.ports, listeners)
        exporter.start()
        process.serve(listeners, exporter.reload, *exporter.periodic_tasks)
    except CannotListen as error:
        log.error("cannot listen", error.fields)
        return 1
    finally:
        exporter.close()
    log.info("stopped")
    return 0


def _log_start(settings: Settings, ports: tuple[Port, ...], listeners: list[process.Listener]) -> None:
    addresses = {
        port.service.name: str(port.address._replace(port=listener.socket.getsockname()[1]))
        for port, listener in zip(ports, listeners, strict=True)
    }
    log.info("started", {"version": __version__, **settings.show(), **addresses})
    if anyone := exposure(settings):
        log.warning("no credentials", {"reason": anyone})
    if settings.journal is None:
        log.info("no journal", {"hint": "counts are lost when this process ends; --journal FILE keeps them"})


class CannotListen(Exception):  # noqa: N818 - the name is the log message
    """A port cannot be opened; `fields` are for the log."""

    def __init__(self, port: Port, reason: str | None) -> None:
        self.fields = {port.service.name: str(port.address), "reason": reason}


def _bind(port: Port) -> socket.socket:
    try:
        return process.bind(*port.address)
    except (OSError, UnicodeError) as error:
        raise CannotListen(port, preflight.bind_reason(error)) from None
