"""Settings on the command line: their flags, and the messages about mistakes in them."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from exporter.cli.arguments import print_error
from exporter.settings.declared import INPUTS, Setting, Settings, SettingsError
from exporter.settings.load import load, no_more
from exporter.spelling import did_you_mean

USAGE_ERROR = 2
"""Exit status of mistakes in flags or settings."""


FLAGS = {spelling for setting in INPUTS for spelling in (setting.flag, f"--{setting.name}")}
"""Every spelling of every flag."""


def add_settings(command: argparse.ArgumentParser, settings: Iterable[Setting]) -> None:
    """Add the flags of some settings to a command."""
    group = command.add_argument_group("settings")
    for setting in settings:
        description = f"{setting.help} (default: {setting.default})"
        group.add_argument(setting.flag, metavar=setting.type.placeholder, help=description)
        if "_" in setting.name:  # the name as the documentation spells it
            group.add_argument(f"--{setting.name}", help=argparse.SUPPRESS)


def join_values(arguments: Sequence[str]) -> list[str]:
    """Join `--flag value` of settings to `--flag=value`, as argparse would take a value such as `-5m` for a flag."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in FLAGS and argument not in FLAGS:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def settings_from(
    command: argparse.ArgumentParser,
    options: argparse.Namespace,
    rest: list[str],
    environ: Mapping[str, str],
    inspect: Callable[[Mapping[str, Any]], Mapping[str, str]] = no_more,
) -> Settings | None:
    """Return the settings; None after printing every mistake, with unknown arguments among them.

    `inspect` returns further mistakes in valid settings.
    """
    mistakes = list(unknown_arguments(command, rest))
    try:
        settings = load(vars(options), environ, inspect)
    except SettingsError as error:
        mistakes += error.mistakes
    for mistake in mistakes:
        print_error(mistake)
    return None if mistakes else settings


def unknown_arguments(command: argparse.ArgumentParser, rest: Iterable[str]) -> Iterator[str]:
    """Return a mistake for each unknown argument, without its value: it may be the secret of a misspelt flag."""
    accepted = command._option_string_actions
    shown = [spelling for spelling, action in accepted.items() if action.help != argparse.SUPPRESS]
    flag = ""
    for text in rest:
        if text[:1] in ("-", "\N{EN DASH}", "\N{EM DASH}"):  # some programs turn -- into a dash
            flag, _, value = text.partition("=")
            if flag in accepted:
                yield f"{flag} belongs after the command"
            elif flag in FLAGS:
                yield f"this command does not take {flag}"
            else:
                yield f"unknown argument {flag!r}{did_you_mean(flag, shown)}"
            flag = "" if value else flag
        elif flag:
            flag = ""
        else:
            yield "an argument without a flag; a value with spaces needs quotes"
