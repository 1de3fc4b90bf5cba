"""The number of people that each zone is meant for, by the first matching rule of a YAML file.

    capacity:
      - {zone_id: zone_2oUJLGKGlqPjwnUCwXNXpX3HB28, max: 4}
      - {floor_name: "1st Floor", zone_name: "Desk *", max: 1}
      - {max: 20}

A rule matches a zone if each of its fields does, with shell-style wildcards (`*`, `?`, `[ab]`). `max: null` says that
the zones that it matches have no capacity. This module knows the names of a zone, but not its counts.
"""

import contextlib
import logging
import math
import re
from collections.abc import Callable, Iterator
from fnmatch import translate
from typing import Any, NamedTuple

import yaml

from exporter.events.model import Metadata
from exporter.files import FileError, read_text, shown_path

log = logging.getLogger(__name__)

MAX = "max"

MAX_CHARACTERS = 1 << 20
"""Size of the largest file that is read: some ten thousand rules."""

_MAX_CACHED_CHARACTERS = 1 << 26
"""Characters of all names in the cache of rules: two hundred thousand zones with ordinary names."""


class CapacityError(ValueError):
    """A capacity file that is rejected; `mistakes` has a line for each mistake in it."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class Pattern(NamedTuple):
    """A text with wildcards that a metadata field must match."""

    text: str
    """As written in the file."""
    compiled: re.Pattern[str]


class Rule(NamedTuple):
    """One rule of a capacity file."""

    line: int
    """Its line in the file, from 1."""
    patterns: dict[str, Pattern]
    """By metadata field."""
    max: float | None
    """Capacity in people; None if the zones have none."""

    def matches(self, metadata: Metadata) -> bool:
        """Tell whether every pattern matches the metadata of a zone."""
        return all(pattern.compiled.match(getattr(metadata, field)) for field, pattern in self.patterns.items())


class Capacity:
    """The rules of one file, in order.

    Thread-safe: the rules never change, and a race for the cache costs at most a second match.
    """

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules
        self._cache: dict[Metadata, Rule | None] = {}
        self._cached_characters = 0
        """Characters of all names in the cache."""

    def rule(self, metadata: Metadata) -> Rule | None:
        """Return the first rule that matches a zone, if any."""
        if not self.rules:
            return None
        try:
            return self._cache[metadata]
        except KeyError:
            pass
        rule = next((rule for rule in self.rules if rule.matches(metadata)), None)
        self._cached_characters += sum(map(len, metadata))
        if self._cached_characters > _MAX_CACHED_CHARACTERS:  # most of it is then of zones that were renamed
            self._cache.clear()
            self._cached_characters = 0
        self._cache[metadata] = rule
        return rule

    def of(self, metadata: Metadata) -> float | None:
        """Return the capacity of a zone in people; None if unknown."""
        rule = self.rule(metadata)
        return None if rule is None else rule.max


class CapacityFile:
    """The rules of a file as last read without mistakes; no rules without a file."""

    def __init__(self, path: str | None, clock: Callable[[], float]) -> None:
        """Read the file, if any; `clock` returns Unix seconds. Raises CapacityError."""
        self.path = path
        self.current = read(path) if path else Capacity([])
        self.last_read_succeeded = True
        self.last_success_seconds = clock()
        """When the file was last read without mistakes, Unix seconds."""
        self._clock = clock

    def of(self, metadata: Metadata) -> float | None:
        """Return the capacity of a zone in people; None if unknown."""
        return self.current.of(metadata)

    def reload(self) -> None:
        """Read the file again; the old rules stay if that raises CapacityError."""
        if self.path is None:
            log.info("no capacity file")
            return
        try:
            self.current = read(self.path)
        except CapacityError as error:
            self.last_read_succeeded = False
            log.error("capacity file rejected", {"path": self.path, "reason": str(error)})
            raise
        self.last_read_succeeded, self.last_success_seconds = True, self._clock()
        log.info("capacity file read", {"path": self.path, "rules": len(self.current.rules)})


def read(path: str) -> Capacity:
    """Read the rules of a file. Raises CapacityError."""
    try:
        text = read_text(path, MAX_CHARACTERS)
    except FileError as error:
        raise CapacityError([f"{shown_path(path)} {error}"]) from None
    return parse(text)


def parse(text: str) -> Capacity:
    """Parse the rules in a file's text. Raises CapacityError with every mistake and its line."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        raise CapacityError(["the file is nested too deeply"]) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = " ".join((getattr(error, "problem", None) or str(error)).split())
        raise CapacityError([f"line {mark.line + 1 if mark else 1}: {problem}"]) from None
    mistakes: list[str] = []
    rules = list(_rules(root, mistakes))
    if mistakes:
        raise CapacityError(mistakes)
    return Capacity(rules)


def _rules(root: yaml.Node | None, mistakes: list[str]) -> Iterator[Rule]:
    """Return the rules of a YAML document, and add its mistakes to `mistakes`."""
    items = root.value if isinstance(root, yaml.MappingNode) else []
    keys = [key.value for key, _ in items]
    if keys != ["capacity"] or not isinstance(items[0][1], yaml.SequenceNode):
        line = root.start_mark.line + 1 if root else 1
        mistakes.append(f"line {line}: must be a mapping with the one key capacity, which is a list of rules")
        return
    for node in items[0][1].value:
        rule = _rule(node, mistakes)
        if rule:
            yield rule


def _rule(node: yaml.Node, mistakes: list[str]) -> Rule | None:
    """Return one rule, and add its mistakes to `mistakes`; None if it is no mapping."""
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        mistakes.append(f'line {line}: a rule is a mapping such as {{zone_name: "Desk *", max: 1}}')
        return None
    found: dict[str, Any] = {}
    before = len(mistakes)
    for key, value in node.value:
        at = f"line {key.start_mark.line + 1}: "
        name = key.value if isinstance(key, yaml.ScalarNode) else "the key"
        if name in found:
            mistakes.append(f"{at}{name} is there twice")
        elif name == MAX:
            found[name] = _max_people(value, at, mistakes)
        elif name not in Metadata._fields:
            mistakes.append(f"{at}{name} is neither {MAX} nor one of {', '.join(Metadata._fields)}")
        elif not isinstance(value, yaml.ScalarNode) or (value.tag.endswith(":null") and value.value):
            mistakes.append(f"{at}{name} must be a text, with * and ? as wildcards")
        else:
            # The text itself, not its YAML value: a floor such as 01 is not the number 1.
            found[name] = Pattern(value.value, re.compile(translate(value.value)))
    if MAX not in found and len(mistakes) == before:
        mistakes.append(f"line {line}: a rule needs {MAX}, the number of people")
    return Rule(line, {name: found[name] for name in found if name != MAX}, found.get(MAX))


def _max_people(node: yaml.Node, at: str, mistakes: list[str]) -> float | None:
    """Return the value of `max`; None for null, or after adding a mistake that begins with `at`."""
    kind = node.tag.rpartition(":")[2] if isinstance(node, yaml.ScalarNode) else ""
    if kind == "null":
        return None
    if kind in ("int", "float"):
        with contextlib.suppress(ValueError):
            if 0 < (number := float(node.value)) < math.inf:
                return number
    mistakes.append(f"{at}{MAX} must be a number of people above 0, or null for none")
    return None
