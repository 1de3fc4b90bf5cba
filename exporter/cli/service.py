"""`butlr-exporter serve` and `butlr-exporter check`: the commands that take the settings."""

import argparse
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from exporter import __version__, logs, server
from exporter.app import EXTENSION, Exporter, create_app
from exporter.journal import JournalError
from exporter.settings import SETTINGS, Settings, SettingsError, doubts, load, nearest

log = logging.getLogger(__name__)

USAGE_ERROR = 2
"""Exit status of mistakes in flags or settings."""

_EPILOG = """\
Every setting is a flag and an environment variable, and the flag wins: --stale-after 15m is
BUTLR_EXPORTER_STALE_AFTER=15m. Durations are written 90s, 10m, 24h; sizes 512KiB, 1MiB.
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
        settings = command.add_argument_group("settings")
        for setting in SETTINGS:
            description = f"{setting.help} (default: {setting.default})"
            settings.add_argument(setting.flag, metavar=setting.kind.placeholder, help=description)
            if "_" in setting.name:  # the name as the documentation spells it
                settings.add_argument(f"--{setting.name}", help=argparse.SUPPRESS)


def _run(command: Callable[[Settings], int], options: argparse.Namespace, rest: list[str]) -> int:
    try:
        settings = _settings(options, rest)
    except SettingsError as error:
        for mistake in error.mistakes:
            print(f"butlr-exporter: {mistake}", file=sys.stderr)  # noqa: T201
        return USAGE_ERROR
    return command(settings)


def joined(arguments: Sequence[str]) -> list[str]:
    """Return `--flag value` of settings as `--flag=value`, or argparse takes a value such as `-5m` for a flag."""
    flags = {spelling for setting in SETTINGS for spelling in (setting.flag, f"--{setting.name}")}
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in flags and argument not in flags:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _settings(options: argparse.Namespace, rest: list[str]) -> Settings:
    """Load the settings. Raises SettingsError with every mistake, unknown arguments among them."""
    mistakes = [f"unknown argument {text!r}{nearest(text.partition('=')[0])}" for text in rest]
    try:
        settings = load(vars(options), os.environ)
    except SettingsError as error:
        mistakes += error.mistakes
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _check(settings: Settings) -> int:
    for warning in doubts(settings, os.environ):
        print(f"butlr-exporter: warning: {warning}", file=sys.stderr)  # noqa: T201
    for name, value in settings.show().items():
        print(f"{name} = {value}")  # noqa: T201
    return 0


def _serve(settings: Settings) -> int:
    logs.configure(
        settings.log_level, settings.log_format, throttled=("exporter.ingest", "exporter.problems", "uvicorn.error")
    )
    for warning in doubts(settings, os.environ):
        log.warning("doubtful setting", {"reason": warning})
    try:
        app = create_app(settings, clock=time.time)
    except JournalError as error:
        log.error("cannot start", {"reason": str(error)})
        return 1
    exporter: Exporter = app.extensions[EXTENSION]
    try:
        listener = _listener(settings)
        if listener is None:
            return 1
        listen = settings.listen._replace(port=listener.getsockname()[1])
        log.info("started", {"version": __version__, **settings.show(), "listen": str(listen)})
        if settings.journal is None:
            log.info("no journal", {"hint": "counts are forgotten when this process ends; --journal FILE keeps them"})
        server.serve(app.wsgi_app, listener, settings.max_body, exporter.look)
    finally:
        exporter.close()
    log.info("stopped")
    return 0


def _listener(settings: Settings) -> socket.socket | None:
    """Return the open port; None, and a line in the log, if it cannot be had."""
    try:
        return server.bind(*settings.listen)
    except UnicodeError:
        reason: str | None = "that is no host name"
    except OSError as error:
        # The error's own text of a number holds Python's words as well.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    log.error("cannot listen", {"listen": str(settings.listen), "reason": reason})
    return None
