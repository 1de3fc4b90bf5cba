"""Breaks of one line of the rule in the running process, for tests that must notice them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import exporter.app  # so that all of the rule is loaded

RULE = Path(exporter.app.__file__).parent / "rule"


def is_of_the_rule(line: str) -> bool:
    """Tell whether the rule has a line."""
    return any(line in path.read_text() for path in RULE.glob("*.py"))


@contextmanager
def broken_rule(line: str, broken: str) -> Iterator[None]:
    """Let the functions of the rule run with another line until the end of the block."""
    loaded = [module for name, module in sys.modules.items() if name.startswith("exporter.rule.")]
    sources = {module: Path(str(module.__file__)).read_text() for module in loaded}
    (module,) = [module for module, source in sources.items() if line in source]
    namespace: dict[str, Any] = {"__name__": module.__name__}
    source = sources[module].replace(line, broken, 1)
    exec(compile(source, str(module.__file__), "exec"), namespace)  # noqa: S102 - our own file
    others = dict(_functions(namespace, module))
    changed = [
        (function, function.__code__, others[name].__code__)
        for name, function in _functions(vars(module), module)
        if function.__code__ != others[name].__code__
    ]
    assert changed
    try:
        for function, _, code in changed:
            function.__code__ = code
        yield
    finally:
        for function, code, _ in changed:
            function.__code__ = code


def _functions(namespace: dict[str, Any], module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """Return all functions and methods that a module defines."""
    for name, value in namespace.items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        members = vars(value).items() if isinstance(value, type) else [("", value)]
        for member, each in members:
            function = each.fget if isinstance(each, property) else getattr(each, "__func__", each)
            if isinstance(function, FunctionType) and function.__module__ == module.__name__:
                yield f"{name}.{member}", function
