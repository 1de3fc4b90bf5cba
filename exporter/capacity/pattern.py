"""A text with shell-style wildcards (`*`, `?`, `[ab]`) that a name must match, both in Unicode NFC.

The time of a match grows with the length of the name times that of the pattern, whatever the wildcards.
"""

import re
from collections.abc import Iterator
from fnmatch import translate
from typing import NamedTuple

from exporter.events.text import composed

_WILDCARD = re.compile(r"[*?\[]")

_ANY_LENGTH = re.compile(r"[*?]*\*[*?]*")


class Literal(NamedTuple):
    """A text between wildcards."""

    text: str
    is_beginning: bool
    """Whether every matching name begins with it."""
    is_ending: bool
    """Whether every matching name ends with it."""


class Pattern:
    """One pattern."""

    __slots__ = ("_compiled", "_parts", "form", "is_exact", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        """As written in the file."""
        self.form = composed(text)
        """In NFC, and with one spelling for a run of `*` and `?`: equal forms match the same names."""
        if "[" not in text:
            self.form = _ANY_LENGTH.sub(lambda run: "?" * run[0].count("?") + "*", self.form)
        self.is_exact = _WILDCARD.search(self.form) is None
        """Whether the pattern has no wildcard, so that its form is the only name that it matches."""
        self._parts = None if "?" in self.form or "[" in self.form else self.form.split("*")
        """The texts before, between and behind each `*`; None if there are other wildcards."""
        self._compiled: re.Pattern[str] | None = None

    def matches(self, name: str) -> bool:
        """Tell whether the pattern matches the whole of a name in NFC."""
        if self.is_exact:
            return name == self.form
        if self._parts is not None:
            return _has_parts(name, *self._parts)
        if self._compiled is None:  # compiling takes longer than most patterns are ever needed for
            self._compiled = re.compile(translate(self.form))
        return self._compiled.match(name) is not None

    def literals(self) -> Iterator["Literal"]:
        """Return the texts that every matching name contains, none of them empty."""
        start = at = 0
        while wildcard := _WILDCARD.search(self.form, at):
            at = wildcard.start()
            end = at + 1
            if self.form[at] == "[":
                # As in a shell, `[]` begins a set with `]` in it, and a `[` that is never closed is only a bracket.
                end = self.form.find("]", at + 3 if self.form.startswith("!", at + 1) else at + 2) + 1
                if not end:
                    at += 1
                    continue
            if at > start:
                yield Literal(self.form[start:at], is_beginning=start == 0, is_ending=False)
            start = at = end
        if start < len(self.form):
            yield Literal(self.form[start:], is_beginning=start == 0, is_ending=True)


def _has_parts(name: str, first: str, *others: str) -> bool:
    """Tell whether a name begins with the first text, ends with the last one, and has the others in order between."""
    *middle, last = others
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    at, end = len(first), len(name) - len(last)
    for text in middle:
        at = name.find(text, at, end)
        if at < 0:
            return False
        at += len(text)
    return True
