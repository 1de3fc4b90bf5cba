"""The rules of a capacity file, the first of them that matches a space, and Butlr's own capacities behind them."""

from collections.abc import Mapping, Sequence
from copy import copy
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

from exporter.capacity.index import Index
from exporter.capacity.pattern import Pattern
from exporter.events.measures import Kind
from exporter.events.model import FIELDS, ID_POSITION, AnyMetadata
from exporter.events.text import composed
from exporter.pieces import paced

_MAX_CACHED_CHARACTERS = 1 << 26
"""Characters of all names in the cache of rules: two hundred thousand spaces with ordinary names."""

_PIECE = 100
"""Rules or spaces that are handled without a pause."""

_ANY_NAME = "*"


class Rule(NamedTuple):
    """One rule of a capacity file."""

    line: int
    """Its line in the file, from 1."""
    kind: Kind
    """The kind of the spaces that it is for."""
    patterns: dict[str, Pattern]
    """By metadata field."""
    max: float | None
    """Capacity in people; None if the spaces have none."""

    def conditions(self) -> dict[int, Pattern]:
        """Return the patterns that not every name matches, by the position of their field in the metadata."""
        fields = FIELDS[self.kind]
        return {fields.index(name): pattern for name, pattern in self.patterns.items() if pattern.form != _ANY_NAME}


class _Filed(NamedTuple):
    """One rule of the index."""

    conditions: dict[int, Pattern]
    """The patterns that not every name matches, by the position of their field in the metadata."""
    rule: Rule


Configured = Mapping[Kind, Mapping[str, float]]
"""Capacities in people that Butlr's assets have, by kind and id of a space."""


class Capacity:
    """The rules of one file, in order, and Butlr's own capacities where no rule matches. Thread-safe."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = rules
        self.configured: Configured = MappingProxyType({})
        self._kinds = {kind: _KindRules([rule for rule in rules if rule.kind is kind]) for kind in Kind}

    def beside(self, configured: Configured) -> "Capacity":
        """Return the same rules beside these capacities of Butlr."""
        other = copy(self)  # which shares the rules and their cache
        other.configured = configured
        return other

    @property
    def for_any_text(self) -> list[Rule]:
        """The rules that have conditions, but none that asks for a letter."""
        found = [rule for kind in self._kinds.values() for rule in kind.for_any_text]
        return sorted(found, key=attrgetter("line"))

    def rule(self, metadata: AnyMetadata, kind: Kind = Kind.ZONE) -> Rule | None:
        """Return the first rule that matches a space, if any."""
        return self._kinds[kind].rule(metadata)

    def of(self, metadata: AnyMetadata, kind: Kind = Kind.ZONE) -> float | None:
        """Return the capacity of a space in people; None if unknown."""
        rule = self._kinds[kind].rule(metadata)
        if rule is not None:
            return rule.max
        configured = self.configured.get(kind)
        return configured.get(metadata[ID_POSITION[kind]]) if configured else None

    def prepare(self, spaces: Mapping[Kind, Sequence[AnyMetadata]]) -> None:
        """Match spaces now, so that no scrape or page has to; other threads run in between."""
        for kind, each in spaces.items():
            for metadata in paced(each, _PIECE):
                self._kinds[kind].rule(metadata)


class _KindRules:
    """The rules for one kind of space, in order.

    Thread-safe: the rules never change, and a race for the cache costs at most a second match.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
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

    def rule(self, metadata: AnyMetadata) -> Rule | None:
        """Return the first rule that matches a space, if any."""
        names = self._names_of(metadata)
        try:
            return self._cache[names]
        except KeyError:
            pass
        rule = self._match(metadata)
        self._cached_characters += sum(map(len, names))
        if self._cached_characters > _MAX_CACHED_CHARACTERS:  # most of it is then of spaces that were renamed
            self._cache.clear()
            self._cached_characters = 0
        self._cache[names] = rule
        return rule

    def _match(self, metadata: AnyMetadata) -> Rule | None:
        names = {field: composed(metadata[field]) for field in self._fields}
        for number in self._index.candidates(names):
            conditions, rule = self._filed[number]
            if all(pattern.matches(names[field]) for field, pattern in conditions.items()):
                return rule
        return None


NO_RULES = Capacity([])
