"""The text of a capacity file, parsed; every mistake in it has its line."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import yaml

from exporter.capacity.pattern import Pattern
from exporter.capacity.rules import Capacity, Rule
from exporter.events.model import MAX_STRING, Metadata
from exporter.events.text import joined
from exporter.files import FileError, read_text, shown_path
from exporter.spelling import did_you_mean

MAX = "max"

MAX_SUGGESTED = 20
"""Mistakes of a file for which the field that was probably meant is looked up."""

MAX_CHARACTERS = 1 << 20
"""Size of the largest file that is read: some ten thousand rules."""

MAX_NESTING = 100
"""Levels of nesting of a file; a rule needs three."""

MAX_FOR_ANY_TEXT = 100
"""Rules that ask for no letter, such as `??-*`: each zone is compared with all of them."""

MAX_MISTAKES = 100
"""Mistakes of a file that are listed."""

MAX_SHOWN = 200
"""Characters of a text from the file that a mistake shows."""

_LOADERS = (getattr(yaml, "CSafeLoader", yaml.SafeLoader), yaml.SafeLoader)
"""libyaml, which is fifteen times as fast, and PyYAML's own parser, which knows better where a mistake is."""


class CapacityError(ValueError):
    """A capacity file that is rejected; `mistakes` has a line for each mistake in it."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def read(path: str) -> Capacity:
    """Read the rules of a file. Raises CapacityError."""
    try:
        text = read_text(path, MAX_CHARACTERS)
    except FileError as error:
        raise CapacityError([f"{shown_path(path)} {error}"]) from None
    return parse(text)


def parse(text: str) -> Capacity:
    """Parse the rules in a file's text. Raises CapacityError with every mistake and its line."""
    mistakes: list[str] = []
    rules = list(_rules(_root(text), mistakes))
    capacity = Capacity([] if mistakes else rules)
    if len(capacity.for_any_text) > MAX_FOR_ANY_TEXT:
        line = capacity.for_any_text[MAX_FOR_ANY_TEXT].line
        reason = f"more than {MAX_FOR_ANY_TEXT} rules ask for no letter; add a part of a name"
        mistakes.append(f"line {line}: {reason} to this one and those below")
    if mistakes:
        raise CapacityError(_first(mistakes))
    return capacity


def _first(mistakes: list[str]) -> list[str]:
    """Return the mistakes that are listed, and how many there are beside these."""
    more = len(mistakes) - MAX_MISTAKES
    return mistakes if more <= 0 else [*mistakes[:MAX_MISTAKES], f"and {more} more mistakes"]


def _root(text: str) -> yaml.Node | None:
    """Return the root of the YAML document in a text; None if it is empty. Raises CapacityError."""
    failure: yaml.YAMLError | None = None
    for loader in _LOADERS:
        try:
            return _compose(text, loader)
        except yaml.YAMLError as error:
            failure = error
    mark = getattr(failure, "problem_mark", None)
    problem = " ".join((getattr(failure, "problem", None) or str(failure)).split())
    raise CapacityError([f"line {mark.line + 1 if mark else 1}: {problem[:MAX_SHOWN]}"])


def _compose(text: str, loader: Any) -> yaml.Node | None:
    """Return the root of a document. Raises YAMLError, and CapacityError before nesting could fill the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_NESTING:
            raise CapacityError(["the file is nested too deeply"])
    root: yaml.Node | None = yaml.compose(text, Loader=loader)
    return root


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
        name = key.value[:MAX_SHOWN] if isinstance(key, yaml.ScalarNode) else "the key"
        if name in found:
            mistakes.append(f"{at}{name} is there twice")
        elif name == MAX:
            found[name] = _max_people(value, at, mistakes)
        elif name not in Metadata._fields:
            # Only for the first mistakes: a suggestion costs as much as the rest of a hundred rules.
            meant = did_you_mean(name, [MAX, *Metadata._fields]) if len(mistakes) < MAX_SUGGESTED else ""
            mistakes.append(f"{at}{name} is neither {MAX} nor one of {', '.join(Metadata._fields)}{meant}")
        elif not isinstance(value, yaml.ScalarNode) or (value.tag.endswith(":null") and value.value):
            mistakes.append(f"{at}{name} must be a text, with * and ? as wildcards")
        elif len(value.value) > MAX_STRING:
            mistakes.append(f"{at}{name} has more than {MAX_STRING} characters, and no name has so many")
        else:
            # The text itself, not its YAML value: a floor such as 01 is not the number 1.
            # A YAML escape may have written a character beyond U+FFFF as two halves.
            found[name] = Pattern(joined(value.value))
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
