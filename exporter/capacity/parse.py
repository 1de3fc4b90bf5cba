"""The text of a capacity file, parsed; every mistake in it has its line."""

import contextlib
import math
from functools import lru_cache
from typing import Any

import yaml

from exporter.capacity import document
from exporter.capacity.pattern import Pattern
from exporter.capacity.rules import Capacity, Rule
from exporter.events.measures import WITH_PEOPLE, Kind
from exporter.events.model import FIELDS, MAX_STRING
from exporter.events.text import joined
from exporter.files import FileError, read_text, shown_path
from exporter.pieces import paced
from exporter.spelling import did_you_mean

KIND, MAX = "kind", "max"

MAX_SUGGESTED = 20
"""Mistakes of a file for which the closest field is looked up."""

MAX_CHARACTERS = 1 << 20
"""Size of the largest file that is read: some ten thousand rules."""

MAX_FOR_ANY_TEXT = 100
"""Rules that ask for no letter, such as `??-*`: each space is compared with all of them."""

MAX_MISTAKES = 100
"""Mistakes of a file that are listed."""

MAX_EXPLAINED = 1 << 17
"""Characters of a text that is parsed again, slowly, for a better message about its first mistake in YAML."""

MAX_SHOWN = 200
"""Characters of a text from the file that a mistake shows."""

_TOO_DEEP = "the file is nested too deeply"

_PIECE = 20
"""Rules that are parsed without a pause."""


class CapacityError(ValueError):
    """A capacity file that is rejected; `mistakes` has a line for each mistake in it."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


def read(path: str) -> Capacity:
    """Read the rules of a file. Raises CapacityError."""
    return parse(text_of(path))


def text_of(path: str, *, may_wait: bool = True) -> str:
    """Return the text of a file, of a pipe only if that `may_wait`. Raises CapacityError."""
    try:
        return read_text(path, MAX_CHARACTERS, may_wait=may_wait)
    except FileError as error:
        raise CapacityError([f"{shown_path(path)} {error}"]) from None


def parse(text: str) -> Capacity:
    """Parse the rules in a file's text. Raises CapacityError with every mistake and its line."""
    failure: yaml.YAMLError | None = None
    for parser in document.PARSERS if len(text) < MAX_EXPLAINED else document.PARSERS[:1]:
        try:
            return _parse(text, parser)
        except RecursionError:
            raise CapacityError([_TOO_DEEP]) from None
        except document.WrongForm as error:
            reason = "must be a mapping with the one key capacity, which is a list of rules"
            raise CapacityError([f"line {error.line}: {reason}"]) from None
        except yaml.YAMLError as error:
            failure = error
    mark = getattr(failure, "problem_mark", None)
    problem = " ".join((getattr(failure, "problem", None) or str(failure)).split())
    if "maximum nesting" in problem:  # libyaml counts levels itself
        raise CapacityError([_TOO_DEEP])
    raise CapacityError([f"line {mark.line + 1 if mark else 1}: {problem[:MAX_SHOWN]}"])


def _parse(text: str, parser: Any) -> Capacity:
    """Parse the rules with one parser of YAML. Raises YAMLError, WrongForm, RecursionError, CapacityError."""
    mistakes: list[str] = []
    found = [_rule(node, mistakes) for node in paced(document.rules(text, parser), _PIECE)]
    capacity = Capacity([] if mistakes else [rule for rule in found if rule])
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


def _rule(node: yaml.Node, mistakes: list[str]) -> Rule | None:
    """Return one rule, and add its mistakes to `mistakes`; None if it is no mapping."""
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        mistakes.append(f'line {line}: a rule is a mapping such as {{zone_name: "Desk *", max: 1}}')
        return None
    found: dict[str, Any] = {}
    before = len(mistakes)
    kind = _kind(node)
    fields = FIELDS[kind]
    for key, value in node.value:
        at = f"line {key.start_mark.line + 1}: "
        name = key.value[:MAX_SHOWN] if isinstance(key, yaml.ScalarNode) else "the key"
        if name in found:
            mistakes.append(f"{at}{name} is there twice")
        elif name == MAX:
            found[name] = _max_people(value, at, mistakes)
        elif name == KIND:
            found[name] = None
            if not isinstance(value, yaml.ScalarNode) or value.value not in WITH_PEOPLE:
                mistakes.append(f"{at}{KIND} must be one of {', '.join(WITH_PEOPLE)}")
        elif name in FIELDS[Kind.ZONE] and name not in fields:
            mistakes.append(f"{at}a {kind} has no {name}; its fields are {', '.join(fields)}")
        elif name not in fields:
            # Only for the first mistakes: a suggestion costs as much as the rest of a hundred rules.
            meant = did_you_mean(name, [KIND, MAX, *fields]) if len(mistakes) < MAX_SUGGESTED else ""
            mistakes.append(f"{at}{name} is neither {KIND} nor {MAX} nor one of {', '.join(fields)}{meant}")
        elif not isinstance(value, yaml.ScalarNode) or (value.tag.endswith(":null") and value.value):
            mistakes.append(f"{at}{name} must be a text, with * and ? as wildcards")
        elif len(value.value) > MAX_STRING:
            mistakes.append(f"{at}{name} has more than {MAX_STRING} characters, and no name has so many")
        else:
            # The text itself, not its YAML value: a floor such as 01 is not the number 1.
            # A YAML escape may have written a character beyond U+FFFF as two halves.
            found[name] = _pattern(value.value)
    if MAX not in found and len(mistakes) == before:
        mistakes.append(f"line {line}: a rule needs {MAX}, the number of people")
    return Rule(line, kind, {name: found[name] for name in found if name not in (KIND, MAX)}, found.get(MAX))


def _kind(rule: yaml.MappingNode) -> Kind:
    """Return the kind of the spaces that a rule is for: zones, unless it says another kind that may have a capacity."""
    for key, value in rule.value:
        if key.value == KIND and value.value in WITH_PEOPLE:
            return Kind(value.value)
    return Kind.ZONE


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


@lru_cache(1000)
def _pattern(text: str) -> Pattern:
    """Return the pattern of a text; many rules have the same floor, or an alias of the same text."""
    return Pattern(joined(text))
