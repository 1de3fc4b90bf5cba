"""The rules of a capacity file, and the first of them that matches a zone."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from exporter.capacity.index import Index
from exporter.capacity.pattern import Pattern
from exporter.events.model import Metadata
from exporter.events.text import composed
from exporter.pieces import paced

_MAX_CACHED_CHARACTERS = 1 << 26
"""Characters of all names in the cache of rules: two hundred thousand zones with ordinary names."""

_PIECE = 100
"""Rules or zones that are handled without a pause."""

_ANY_NAME = "*"


class Rule(NamedTuple):
    """One rule of a capacity file."""

    line: int
    """Its line in the file, from 1."""
    patterns: dict[str, Pattern]
    """By metadata field."""
    max: float | None
    """Capacity in people; None if the zones have none."""

    def conditions(self) -> dict[int, Pattern]:
        """Return the patterns that not every name matches, by the position of their field in `Metadata`."""
        fields = Metadata._fields
        return {fields.index(name): pattern for name, pattern in self.patterns.items() if pattern.form != _ANY_NAME}


class _Filed(NamedTuple):
    """One rule of the index."""

    conditions: dict[int, Pattern]
    """The patterns that not every name matches, by the position of their field in `Metadata`."""
    rule: Rule


class Capacity:
    """The rules of one file, in order.

    Thread-safe: the rules never change, and a race for the cache costs at most a second match.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        # Of rules with the same conditions, the first wins; without conditions it ends the file.
        filed: dict[tuple[tuple[int, str], ...], _Filed] = {}
        for rule in paced(rules, _PIECE):
            conditions = rule.conditions()
            key = tuple(sorted((field, pattern.form) for field, pattern in conditions.items()))
            filed.setdefault(key, _Filed(conditions, rule))
            if not conditions:
                break
        self._filed = list(filed.values())
        self._index = Index([conditions for conditions, _ in self._filed])
        self._fields = sorted({field for conditions, _ in self._filed for field in conditions})
        self._names_of: Any = itemgetter(*self._fields) if self._fields else lambda _: ()
        self._cache: dict[Any, Rule | None] = {}
        """The rule by the names of the fields that any rule has conditions for."""
        self._cached_characters = 0

    @property
    def for_any_text(self) -> list[Rule]:
        """The rules that have conditions, but none that asks for a letter."""
        return [filed.rule for number in self._index.unfiled if (filed := self._filed[number]).conditions]

    def rule(self, metadata: Metadata) -> Rule | None:
        """Return the first rule that matches a zone, if any."""
        names = self._names_of(metadata)
        try:
            return self._cache[names]
        except KeyError:
            pass
        rule = self._match(metadata)
        self._cached_characters += sum(map(len, names))
        if self._cached_characters > _MAX_CACHED_CHARACTERS:  # most of it is then of zones that were renamed
            self._cache.clear()
            self._cached_characters = 0
        self._cache[names] = rule
        return rule

    def _match(self, metadata: Metadata) -> Rule | None:
        names = {field: composed(metadata[field]) for field in self._fields}
        for number in self._index.candidates(names):
            conditions, rule = self._filed[number]
            if all(pattern.matches(names[field]) for field, pattern in conditions.items()):
                return rule
        return None

    def of(self, metadata: Metadata) -> float | None:
        """Return the capacity of a zone in people; None if unknown."""
        rule = self.rule(metadata)
        return None if rule is None else rule.max

    def prepare(self, zones: Sequence[Metadata]) -> None:
        """Match zones now, so that no scrape or page has to; other threads run in between."""
        for metadata in paced(zones, _PIECE):
            self.rule(metadata)


NO_RULES = Capacity([])
