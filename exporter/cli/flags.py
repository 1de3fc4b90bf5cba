"""Settings on the command line: their flags, and the messages about mistakes in them."""

import argparse
from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.cli.arguments import print_error
from exporter.settings.advice import suggestion
from exporter.settings.declared import INPUTS, Setting, Settings, SettingsError
from exporter.settings.load import load

USAGE_ERROR = 2
"""Exit status of mistakes in flags or settings."""


def spellings(settings: Iterable[Setting]) -> set[str]:
    """Return every spelling of the flags of some settings."""
    return {spelling for setting in settings for spelling in (setting.flag, f"--{setting.name}")}


FLAGS = spellings(INPUTS)


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
    options: argparse.Namespace, rest: list[str], environ: Mapping[str, str], accepted: Iterable[Setting] = INPUTS
) -> Settings | None:
    """Return the settings; None after printing every mistake, with unknown arguments among them.

    `accepted` are the settings whose flags the command has.
    """
    mistakes = list(_unknown_arguments(rest, spellings(accepted)))
    try:
        settings = load(vars(options), environ)
    except SettingsError as error:
        mistakes += error.mistakes
    for mistake in mistakes:
        print_error(mistake)
    return None if mistakes else settings


def _unknown_arguments(rest: Iterable[str], accepted: set[str]) -> Iterator[str]:
    """Return a mistake for each unknown argument, without its value: it may be the secret of a misspelt flag."""
    flag = ""
    for text in rest:
        if text[:1] in ("-", "\N{EN DASH}", "\N{EM DASH}"):  # some programs turn -- into a dash
            flag, _, value = text.partition("=")
            if flag in accepted:
                yield f"{flag} belongs after the command"
            elif flag in FLAGS:
                yield f"this command does not take {flag}"
            else:
                yield f"unknown argument {flag!r}{suggestion(flag)}"
            flag = "" if value else flag
        elif flag:
            flag = ""
        else:
            yield "an argument without a flag; a value with spaces needs quotes"
