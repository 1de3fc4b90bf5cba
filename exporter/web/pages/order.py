"""The natural order of names: Ground, 1st, 2nd ... 10th. This module knows plain text only."""

import re
from functools import lru_cache

Natural = tuple[str | int, ...]
"""A name as text and numbers in turn, beginning with text, so that any two of them can be compared."""

_NUMBER = re.compile("([0-9]+)")

_WORD = re.compile(r"[^\W\d_]+")

_NUMBERED = re.compile(r"(?:^|(?<=\s))([-\N{MINUS SIGN}b]?)([0-9]{1,4})")
"""The number of a floor, and a sign before it if the floor is a cellar, as in B1."""

_CELLAR = -1.0

_LEVELS: dict[str, float] = {
    **dict.fromkeys(("basement", "cellar", "underground", "ug", "untergeschoss", "keller"), _CELLAR),
    "lower": -0.5,
    **dict.fromkeys(("ground", "lobby", "eg", "erdgeschoss", "rdc"), 0),
    **dict.fromkeys(("mezzanine", "upper"), 0.5),
    **{
        word: level
        for level, word in enumerate(
            [
                "first",
                "second",
                "third",
                "fourth",
                "fifth",
                "sixth",
                "seventh",
                "eighth",
                "ninth",
                "tenth",
                "eleventh",
                "twelfth",
            ],
            1,
        )
    },
}
"""The level of a floor, by a word of its name."""

_ABOVE = 1e9
"""The level of a floor whose name has neither such a word nor a number, such as a roof."""


@lru_cache(1 << 14)
def natural(name: str) -> Natural:
    """Return the sort key of a name: numbers by their value, text in any case."""
    parts: list[str | int] = [*_NUMBER.split(name.casefold())]
    parts[1::2] = [int(digits) for digits in parts[1::2]]
    return tuple(parts)


@lru_cache(1 << 12)
def by_level(name: str) -> tuple[float, Natural]:
    """Return the sort key of a floor's name: cellars, ground floors, floors by number, roofs, floors without a name."""
    levels = [_LEVELS[word] for word in _WORD.findall(name.casefold()) if word in _LEVELS]
    number = _NUMBERED.search(name.casefold())
    if _CELLAR in levels:  # the second basement is below the first
        level = -float(number[2]) if number else -max(1, *levels)
    elif levels:
        level = levels[0]
    elif number:
        level = -float(number[2]) if number[1] else float(number[2])
    else:
        level = _ABOVE
    return (level if name else 2 * _ABOVE), natural(name)
