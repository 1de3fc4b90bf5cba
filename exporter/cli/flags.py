"""Settings on the command line: their flags, and what is told of mistakes in them."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.settings.advice import nearest
from exporter.settings.declared import INPUTS, Setting, Settings, SettingsError
from exporter.settings.load import load

USAGE_ERROR = 2
"""Exit status of mistakes in flags or settings."""


def spellings(settings: Iterable[Setting]) -> set[str]:
    """Return every spelling of the flags of these."""
    return {spelling for setting in settings for spelling in (setting.flag, f"--{setting.name}")}


FLAGS = spellings(INPUTS)


def add_settings(command: argparse.ArgumentParser, settings: Iterable[Setting]) -> None:
    """Add the flags of these."""
    group = command.add_argument_group("settings")
    for setting in settings:
        description = f"{setting.help} (default: {setting.default})"
        group.add_argument(setting.flag, metavar=setting.kind.placeholder, help=description)
        if "_" in setting.name:  # the name as the documentation spells it
            group.add_argument(f"--{setting.name}", help=argparse.SUPPRESS)


def joined(arguments: Sequence[str]) -> list[str]:
    """Return `--flag value` of settings as `--flag=value`, or argparse takes a value such as `-5m` for a flag."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in FLAGS and argument not in FLAGS:
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def settings_from(
    options: argparse.Namespace, rest: list[str], environ: Mapping[str, str], takes: Iterable[Setting] = INPUTS
) -> Settings | None:
    """Return the settings; None, and every mistake is told, unknown arguments among them.

    `takes` are those of which the command has flags.
    """
    mistakes = list(_unknown(rest, spellings(takes)))
    try:
        settings = load(vars(options), environ)
    except SettingsError as error:
        mistakes += error.mistakes
    for mistake in mistakes:
        print(f"butlr-exporter: {mistake}", file=sys.stderr)  # noqa: T201
    return None if mistakes else settings


def _unknown(rest: Iterable[str], taken: set[str]) -> Iterator[str]:
    """Give a mistake for each argument that is none, but show no value: it may be a secret behind a misspelt flag."""
    flag = ""
    for text in rest:
        if text[:1] in ("-", "\N{EN DASH}", "\N{EM DASH}"):  # the latter are what some programs make of --
            flag, _, value = text.partition("=")
            if flag in taken:
                yield f"{flag} belongs after the command"
            elif flag in FLAGS:
                yield f"this command does not take {flag}"
            else:
                yield f"unknown argument {flag!r}{nearest(flag)}"
            flag = "" if value else flag
        elif flag:
            flag = ""
        else:
            yield "an argument without a flag; a value with spaces needs quotes"
