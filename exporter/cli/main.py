"""The command line: `butlr-exporter` and its commands."""

import argparse
import gc
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from exporter import __version__
from exporter.cli.flags import join_values
from exporter.spelling import did_you_mean

INTERRUPTED = 130
"""Exit status after Ctrl-C in a command that does not handle it, as in a shell."""


# Each module is imported when its command is asked for, as an import takes longer than many a command.


def _add_service(commands: Any) -> None:
    from exporter.cli import service

    service.add_commands(commands)


def _add_simulate(commands: Any) -> None:
    from exporter.cli import simulate

    simulate.add_command(commands)


def _add_export(commands: Any) -> None:
    from exporter.cli import export

    export.add_command(commands)


def _add_assets(commands: Any) -> None:
    from exporter.cli.cloud import options

    options.add_assets(commands)


def _add_webhooks(commands: Any) -> None:
    from exporter.cli.cloud import options

    options.add_webhooks(commands)


def _add_backfill(commands: Any) -> None:
    from exporter.cli.cloud import options

    options.add_backfill(commands)


_COMMANDS: Mapping[str, Callable[[Any], None]] = {
    "serve": _add_service,
    "check": _add_service,
    "simulate": _add_simulate,
    "export": _add_export,
    "assets": _add_assets,
    "webhooks": _add_webhooks,
    "backfill": _add_backfill,
}
"""The function that adds each command to the parser."""


class _Parser(argparse.ArgumentParser):
    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Reject a wrong command without showing it: a secret may have been written in its place."""
        if action.choices is not None and value not in action.choices:
            *others, last = action.choices
            commands = f"{', '.join(others)} or {last}"
            self.error(f"the first argument must be a command: {commands}{did_you_mean(value, action.choices)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = _Parser(
        prog="butlr-exporter",
        description="Prometheus exporter for Butlr occupancy sensors.",
        epilog="butlr-exporter COMMAND --help lists the options of a command.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal shows all Unicode names
    joined = join_values(sys.argv[1:] if arguments is None else arguments)
    for flag, _, value in (argument.partition("=") for argument in joined):
        if value == "--":  # argparse would make an empty list of it
            parser.error(f"{flag} needs a value")
    command = next((argument for argument in joined if not argument.startswith("-")), "")
    gc.disable()  # or the collector would walk the new modules again and again, none of them garbage
    for add in [_COMMANDS[command]] if command in _COMMANDS else dict.fromkeys(_COMMANDS.values()):
        add(commands)
    gc.freeze()  # nor need it walk them later
    gc.enable()
    options, rest = parser.parse_known_args(joined)
    try:
        status: int = options.run(options, rest)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status
