"""The arguments of `butlr-exporter assets` and `butlr-exporter webhooks`.

The modules that carry them out load an HTTP library, and are imported when a command runs.
"""

import argparse
import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from exporter.cli.flags import USAGE_ERROR, add_settings, settings_from
from exporter.settings.declared import INPUTS, Settings

_API = ("butlr_client_id", "butlr_client_secret", "butlr_client_secret_file", "butlr_api_url")
"""The settings of all commands."""

_EPILOG = """\
Keep the secret in a file: everybody on this machine can read flags in the list of processes. Every setting
is an environment variable too: --butlr-client-id is BUTLR_EXPORTER_BUTLR_CLIENT_ID. HTTPS_PROXY names a proxy,
REQUESTS_CA_BUNDLE a file of certificates to trust. Not tried against a live account.
"""


def add_assets(commands: Any) -> None:
    """Add `assets` to the parser of the command line."""
    summary = "show the sites, buildings, floors, rooms and zones of a Butlr account with their capacities"
    command = _command(commands, "assets", summary, _run_assets, _API)
    option = command.add_argument_group("output").add_argument
    option("--capacity", metavar="FILE", help="write a capacity file for --capacity-file instead; - is stdout")
    option("--json", action="store_true", help="print JSON, with sensors and hives")


def add_webhooks(commands: Any) -> None:
    """Add `webhooks` to the parser of the command line."""


def _run_assets(settings: Settings, options: argparse.Namespace) -> int:
    from exporter.cli.cloud import assets

    return assets.run(settings, options.capacity, as_json=options.json)


def _command(
    commands: Any,
    name: str,
    summary: str,
    run: Callable[[Settings, argparse.Namespace], int],
    settings: Iterable[str],
) -> argparse.ArgumentParser:
    """Return a command that takes some settings, and is carried out by `run`."""
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary.capitalize()}.",
        epilog=_EPILOG,
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
