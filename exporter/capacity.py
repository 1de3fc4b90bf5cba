"""How many people each zone is meant for: rules from a YAML file, of which the first that matches wins.

    capacity:
      - {zone_id: zone_2oUJLGKGlqPjwnUCwXNXpX3HB28, max: 4}
      - {floor_name: "1st Floor", zone_name: "Desk *", max: 1}
      - {max: 20}

A rule matches a zone if each of its fields does, with shell-style wildcards (`*`, `?`, `[ab]`). `max: null` says that
there is no such number for the zones it matches. A leaf: it knows the names of a zone and nothing of what is in it.
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
from exporter.files import shown_path

log = logging.getLogger(__name__)

MAX = "max"

MAX_SIZE = 1 << 20
"""Characters of a file: some ten thousand rules."""

_MOST_KNOWN = 1 << 26
"""Characters of the names whose rule is remembered: those of two hundred thousand zones with ordinary names."""


class CapacityError(ValueError):
    """A file that cannot be taken; `mistakes` has a line for each thing wrong with it."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


class Pattern(NamedTuple):
    """What a field must be like."""

    text: str
    """As it is written."""
    compiled: re.Pattern[str]


class Rule(NamedTuple):
    """One rule: where it stands, what it matches, and the number it gives."""

    line: int
    """In the file, from 1."""
    patterns: dict[str, Pattern]
    """By metadata field."""
    max: float | None
    """People; None if there is no such number."""

    def matches(self, metadata: Metadata) -> bool:
        """Tell whether every pattern matches."""
        return all(pattern.compiled.match(getattr(metadata, field)) for field, pattern in self.patterns.items())


class Capacity:
    """The rules of one file, in order. Thread-safe, for it does not change."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules = rules
        self._known: dict[Metadata, Rule | None] = {}
        self._characters = 0
        """Of the names that are known."""

    def rule(self, metadata: Metadata) -> Rule | None:
        """Return the first rule that matches a zone, if any."""
        if not self.rules:
            return None
        try:
            return self._known[metadata]
        except KeyError:
            pass
        rule = next((rule for rule in self.rules if rule.matches(metadata)), None)
        self._characters += sum(map(len, metadata))
        if self._characters > _MOST_KNOWN:  # many are of zones that have other names now
            self._known.clear()
            self._characters = 0
        self._known[metadata] = rule
        return rule

    def of(self, metadata: Metadata) -> float | None:
        """Return the capacity of a zone in people, if it is known."""
        rule = self.rule(metadata)
        return None if rule is None else rule.max


class CapacityFile:
    """The rules of a file as it was last read well; without a file, none."""

    def __init__(self, path: str | None, clock: Callable[[], float]) -> None:
        """Read it; `clock` tells Unix seconds. Raises CapacityError."""
        self.path = path
        self.current = read(path) if path else Capacity([])
        self.successful = True
        """Whether it was taken when it was last read."""
        self.succeeded = clock()
        """When it was last taken, Unix seconds."""
        self._clock = clock

    def of(self, metadata: Metadata) -> float | None:
        """Return the capacity of a zone in people, if it is known."""
        return self.current.of(metadata)

    def reload(self) -> None:
        """Read it again. Raises CapacityError, and the old rules stay."""
        if self.path is None:
            log.info("no capacity file to read")
            return
        self.successful = False
        try:
            self.current = read(self.path)
        except CapacityError as error:
            log.error("capacity file not taken", {"path": self.path, "reason": str(error)})
            raise
        self.successful, self.succeeded = True, self._clock()
        log.info("capacity file read", {"path": self.path, "rules": len(self.current.rules)})


def read(path: str) -> Capacity:
    """Read a file. Raises CapacityError, also if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_SIZE + 1)
    except UnicodeDecodeError:
        raise CapacityError([f"{shown_path(path)} is not UTF-8 text"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "that is no path"
        raise CapacityError([f"{shown_path(path)} cannot be read: {reason}"]) from None
    if len(text) > MAX_SIZE:
        raise CapacityError([f"{shown_path(path)} is larger than {MAX_SIZE} characters"])
    return parse(text)


def parse(text: str) -> Capacity:
    """Read the rules of a file's text. Raises CapacityError with every mistake, each with its line."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        raise CapacityError(["it is nested too deeply to be rules"]) from None
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
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        mistakes.append(f'line {line}: a rule is a mapping such as {{zone_name: "Desk *", max: 1}}')
        return None
    found: dict[str, Any] = {}
    before = len(mistakes)
    for key, value in node.value:
        at = f"line {key.start_mark.line + 1}: "
        name = key.value if isinstance(key, yaml.ScalarNode) else "that"
        if name in found:
            mistakes.append(f"{at}{name} is there twice")
        elif name == MAX:
            found[name] = _number(value, at, mistakes)
        elif name not in Metadata._fields:
            mistakes.append(f"{at}{name} is neither {MAX} nor one of {', '.join(Metadata._fields)}")
        elif not isinstance(value, yaml.ScalarNode) or (value.tag.endswith(":null") and value.value):
            mistakes.append(f"{at}{name} must be a text, with * and ? as wildcards")
        else:
            # The text as it stands: an id or a floor such as 01 is no number.
            found[name] = Pattern(value.value, re.compile(translate(value.value)))
    if MAX not in found and len(mistakes) == before:
        mistakes.append(f"line {line}: a rule needs {MAX}, the number of people")
    return Rule(line, {name: found[name] for name in found if name != MAX}, found.get(MAX))


def _number(node: yaml.Node, at: str, mistakes: list[str]) -> float | None:
    kind = node.tag.rpartition(":")[2] if isinstance(node, yaml.ScalarNode) else ""
    if kind == "null":
        return None
    if kind in ("int", "float"):
        with contextlib.suppress(ValueError):
            if 0 < (number := float(node.value)) < math.inf:
                return number
    mistakes.append(f"{at}{MAX} must be a number of people above 0, or null for none")
    return None
