"""An index of rules: the few of ten thousand that may match a zone.

A rule is filed under one text that a zone must have in one of its fields: a whole name, its beginning or end, or any
part of it. Of all such texts of a rule, the rarest among the rules is chosen.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from exporter.capacity.pattern import Literal, Pattern
from exporter.pieces import paced

_PART = 3
"""Characters of the longest text that is searched anywhere in a name."""

_MAX_PARTS = 32
"""Parts of a pattern under which its rule may be filed."""


_PIECE = 100
"""Rules that are filed without a pause."""

_WHOLE, _BEGINNING, _ENDING, _ANYWHERE = _PLACES = range(4)
"""Where in a name a text must be."""


class Key(NamedTuple):
    """A text that a zone must have in a field."""

    place: int
    field: int
    """The position of the field in `Metadata`."""
    text: str


class Index:
    """The numbers of rules, filed."""

    def __init__(self, rules: Sequence[Mapping[int, Pattern]]) -> None:
        """File rules, each given by its patterns by the position of their field."""
        # The keys are made twice, as keeping them all would occupy the garbage collector.
        frequency = Counter(key for patterns in paced(rules, _PIECE) for key in _keys(patterns))
        self.unfiled: list[int] = []
        """The rules that need no text, so that any zone may match them."""
        self._fields: dict[int, _FieldIndex] = {}
        for number, patterns in enumerate(paced(rules, _PIECE)):
            key = min(_keys(patterns), key=lambda key: (frequency[key], key), default=None)
            if key is not None:
                self._fields.setdefault(key.field, _FieldIndex()).add(key, number)
            else:
                self.unfiled.append(number)

    def candidates(self, names: Mapping[int, str]) -> list[int]:
        """Return the numbers of the rules that may match a zone, ascending; `names` are in NFC."""
        found = set(self.unfiled)
        for field, index in self._fields.items():
            index.find(names[field], found)
        return sorted(found)


class _FieldIndex:
    """The rules that are filed under a text of one field."""

    def __init__(self) -> None:
        self._filed: list[dict[int, dict[str, list[int]]]] = [{} for _ in _PLACES]
        """The numbers of the rules, by the place, length and characters of their text."""

    def add(self, key: Key, number: int) -> None:
        """File a rule."""
        by_length = self._filed[key.place]
        by_length.setdefault(len(key.text), {}).setdefault(key.text, []).append(number)

    def find(self, name: str, found: set[int]) -> None:
        """Add the rules that are filed under a text of a name."""
        length = len(name)
        if whole := self._filed[_WHOLE].get(length):
            found.update(whole.get(name, ()))
        for size, rules in self._filed[_BEGINNING].items():
            found.update(rules.get(name[:size], ()))
        for size, rules in self._filed[_ENDING].items():
            found.update(rules.get(name[-size:], ()))
        for size, rules in self._filed[_ANYWHERE].items():
            for text in {name[at : at + size] for at in range(length - size + 1)} & rules.keys():
                found.update(rules[text])


def _keys(patterns: Mapping[int, Pattern]) -> Iterator[Key]:
    """Return the texts that a rule may be filed under."""
    for field, pattern in patterns.items():
        if pattern.is_exact:
            yield Key(_WHOLE, field, pattern.form)
            continue
        literals = list(pattern.literals())
        for literal in literals:
            if literal.is_beginning:
                yield Key(_BEGINNING, field, literal.text)
            if literal.is_ending:
                yield Key(_ENDING, field, literal.text)
        for part in islice(_parts(literals), _MAX_PARTS):
            yield Key(_ANYWHERE, field, part)


def _parts(literals: Iterable[Literal]) -> Iterator[str]:
    for text, _, _ in literals:
        size = min(_PART, len(text))
        for at in range(len(text) - size + 1):
            yield text[at : at + size]
