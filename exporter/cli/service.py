"""`butlr-exporter serve` and `butlr-exporter check`: the commands that take the settings."""

import argparse
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask

from exporter import __version__
from exporter.app import EXTENSION, Exporter, create_app
from exporter.capacity import Capacity, CapacityError, read
from exporter.cli import against, logs
from exporter.cli.flags import USAGE_ERROR, add_settings, settings_from
from exporter.ingest import intake
from exporter.journal.interface import JournalError
from exporter.server import connection, connections, memory, process, tls
from exporter.settings.advice import opened, warnings
from exporter.settings.certificate import Certificate, TlsError
from exporter.settings.declared import INPUTS, Settings
from exporter.settings.types import Address
from exporter.web import problems
from exporter.web.webhook import is_quick

log = logging.getLogger(__name__)

THROTTLED = (intake, problems, connection, connections, tls)
"""Modules whose warnings a stranger can cause, and which are therefore limited in number."""

_EPILOG = """\
Every setting is a flag and an environment variable, and the flag wins: --stale-after 15m is
BUTLR_EXPORTER_STALE_AFTER=15m. Durations are written 90s, 10m, 24h; sizes 512KiB, 1MiB.
A secret is best kept in a file: flags are seen in the list of processes.
"""


def add_commands(commands: Any) -> None:
    """Add them to the parser of the command line."""
    for run, summary in (
        (_serve, "receive webhooks and serve metrics"),
        (_check, "validate the settings and print them"),
    ):
        command = commands.add_parser(
            run.__name__[1:],
            help=summary,
            description=f"{summary.capitalize()}.",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.set_defaults(run=partial(_run, run))
        add_settings(command, INPUTS)
    command.add_argument(
        "--against",
        metavar="FILE",
        help="events, one on a line: also print which capacity rule each of their zones takes",
    )


def _run(command: Callable[[Settings, argparse.Namespace], int], options: argparse.Namespace, rest: list[str]) -> int:
    settings = settings_from(options, rest, os.environ)
    return USAGE_ERROR if settings is None else command(settings, options)


def _check(settings: Settings, options: argparse.Namespace) -> int:
    for warning in filter(None, [*warnings(settings, os.environ), opened(settings)]):
        print(f"butlr-exporter: warning: {warning}", file=sys.stderr)  # noqa: T201
    for name, value in settings.show().items():
        print(f"{name} = {value}")  # noqa: T201
    if options.against is None:
        return 0
    return against.print_rules(
        read(settings.capacity_file) if settings.capacity_file else Capacity([]), options.against
    )


def _serve(settings: Settings, _: argparse.Namespace) -> int:
    logs.configure(
        settings.log_level,
        settings.log_format,
        throttled=[each.log.name for each in THROTTLED],
    )
    memory.tune_malloc()
    for warning in warnings(settings, os.environ):
        log.warning("doubtful setting", {"reason": warning})
    try:
        certificate = (
            Certificate(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None
        )
        app = create_app(settings, clock=time.time)
    except (TlsError, CapacityError, JournalError) as error:  # files may have changed since they were checked
        log.error("cannot start", {"reason": str(error)})
        return 1
    exporter: Exporter = app.extensions[EXTENSION]
    shown = settings.show()
    try:
        listeners = _listeners(settings, app, exporter, certificate)
        for listener, name in zip(listeners, ("listen", "metrics_listen"), strict=False):
            address: Address = getattr(settings, name)
            shown[name] = str(address._replace(port=listener.socket.getsockname()[1]))
        log.info("started", {"version": __version__, **shown})
        if anyone := opened(settings):
            log.warning("no credentials", {"reason": anyone})
        if settings.journal is None:
            log.info("no journal", {"hint": "counts are forgotten when this process ends; --journal FILE keeps them"})
        process.serve(
            listeners,
            partial(_reload, exporter),
            exporter.maintain,
            *([certificate.reload_if_changed] if certificate else []),
        )
    except CannotListen as error:
        log.error("cannot listen", error.fields)
        return 1
    finally:
        exporter.close()
    log.info("stopped")
    return 0


def _reload(exporter: Exporter) -> None:
    with contextlib.suppress(CapacityError):  # it is logged where it happens
        exporter.capacity.reload()


def _listeners(
    settings: Settings, app: Flask, exporter: Exporter, certificate: Certificate | None
) -> list[process.Listener]:
    """Return the open ports, each with what it serves. Raises CannotListen."""
    listeners = [
        process.Listener(
            _bound("listen", settings.listen),
            app.wsgi_app,
            settings.max_body,
            wants_body=exporter.wants_body,
            is_quick=is_quick,
            malformed=exporter.count_malformed,
            fast_path=exporter.fast,
            tls=certificate.context if certificate else None,
        )
    ]
    if settings.metrics_listen and exporter.reading_app:
        listeners.append(
            process.Listener(
                _bound("metrics_listen", settings.metrics_listen),
                exporter.reading_app.wsgi_app,
                max_body=0,
                wants_body=lambda _: False,
                malformed=exporter.count_malformed,
            )
        )
    return listeners


class CannotListen(Exception):  # noqa: N818 - the name reads as what happened
    """A port that cannot be had; `fields` are for the log."""

    def __init__(self, name: str, address: Address, reason: str | None) -> None:
        self.fields = {name: str(address), "reason": reason}


def _bound(name: str, address: Address) -> socket.socket:
    try:
        return process.bind(*address)
    except UnicodeError:
        raise CannotListen(name, address, "that is no host name") from None
    except OSError as error:
        # The error's own text of a number holds Python's words as well.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise CannotListen(name, address, reason) from None
