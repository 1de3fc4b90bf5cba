"""Suggestions for misspelt words. This module knows neither the commands nor the settings."""

from collections.abc import Iterable
from difflib import get_close_matches

_CUTOFF = 0.75
"""Share of equal characters from which two words are close."""

_MIN_BEGINNING = 3
"""Characters from which the beginning of a single choice stands for it."""


class NotAChoice(ValueError):  # noqa: N818 - the name reads as what happened
    """A word that is none of the allowed ones; `suggestion` is text to append, empty if no choice is close."""

    def __init__(self, message: str, word: str, choices: Iterable[str]) -> None:
        super().__init__(message)
        self.suggestion = did_you_mean(word, choices)


def closest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that a misspelt or shortened word was probably meant to be; None if none is close."""
    by_plain = {_plain(choice): choice for choice in choices}
    plain = _plain(word)
    begun = [each for each in by_plain if each.startswith(plain)] if len(plain) >= _MIN_BEGINNING else []
    close = begun if len(begun) == 1 else get_close_matches(plain, by_plain, n=1, cutoff=_CUTOFF)
    return by_plain[close[0]] if close else None


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `; did you mean ...?` with the closest choice; empty if none is close."""
    choice = closest(word, choices)
    return "" if choice is None else f"; did you mean {choice}?"


def not_text(error: ValueError, text: str) -> str:
    """Return a mistake with the rejected text, and the choice that was probably meant."""
    return f"{error}, not {text!r}{getattr(error, 'suggestion', '')}"


def _plain(word: str) -> str:
    """Return a word in lower case, with underscores for dashes, and without dashes in front."""
    return word.strip("-\N{EN DASH}\N{EM DASH}").replace("-", "_").lower()
