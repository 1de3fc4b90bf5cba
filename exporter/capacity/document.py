"""The rules of a YAML document as nodes, one at a time.

A node is dropped before the next one is made: the nodes of ten thousand rules at once would make the garbage collector
look through all objects of the process, in which time no event is answered.
"""

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError
from yaml.resolver import Resolver

KEY = "capacity"
"""The only key of the document."""

PARSERS: list[Any] = [yaml.SafeLoader]
"""Parsers of YAML: libyaml, if PyYAML was built with it, and then PyYAML's own, which explains a mistake better."""

if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class _FastLoader(Composer, CParser, Resolver):
        """Parses with libyaml, fifteen times as fast, and makes nodes as PyYAML does, one at a time."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            Resolver.__init__(self)

    PARSERS.insert(0, _FastLoader)


class WrongForm(ValueError):  # noqa: N818 - the name reads as the mistake
    """A document that is no mapping of `KEY` to a list; `line` counts from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def rules(text: str, parser: Any) -> Iterator[yaml.Node]:
    """Return the rules of a document. Raises YAMLError, WrongForm, and RecursionError for deep nesting."""
    loader = parser(text)
    loader.get_event()  # the beginning of the stream
    if loader.check_event(yaml.StreamEndEvent):
        raise WrongForm(1)
    loader.get_event()  # the beginning of the document
    wrong = WrongForm(loader.peek_event().start_mark.line + 1)
    if not loader.check_event(yaml.MappingStartEvent):
        raise wrong
    loader.get_event()
    if not (loader.check_event(yaml.ScalarEvent) and loader.get_event().value == KEY):
        raise wrong
    if not loader.check_event(yaml.SequenceStartEvent):
        raise wrong
    loader.get_event()
    while not loader.check_event(yaml.SequenceEndEvent):
        yield loader.compose_node(None, None)
    loader.get_event()
    if not loader.check_event(yaml.MappingEndEvent):
        raise wrong
    loader.get_event()
    loader.get_event()  # the end of the document
    if not loader.check_event(yaml.StreamEndEvent):
        mark = loader.get_event().start_mark
        raise ComposerError("expected a single document in the stream", None, "but found another document", mark)
