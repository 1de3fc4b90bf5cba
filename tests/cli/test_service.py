"""`butlr-exporter serve`: warnings that a stranger can cause are limited in number."""

import importlib
import io
import logging
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import pytest

from exporter.cli import logs
from exporter.cli.service import THROTTLED
from exporter.ingest import transitions


@pytest.fixture
def _loggers_as_before() -> Iterator[None]:
    """Restore the loggers that `logs.configure` changes."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for module in THROTTLED:
        logger = logging.getLogger(module.__name__)
        logger.filters[:] = [each for each in logger.filters if not isinstance(each, logs.Throttle)]


@pytest.mark.parametrize("module", THROTTLED, ids=lambda module: module.__name__)
@pytest.mark.usefixtures("_loggers_as_before")
def test_warnings_of_a_throttled_module_are_limited(module: ModuleType) -> None:
    """A throttled module logs by the logger of its name, which writes 10 of 30 warnings."""
    written = io.StringIO()
    logs.configure("info", "logfmt", [each.log.name for each in THROTTLED], written)
    for _ in range(30):
        module.log.warning("refused", {"status": 400})
    assert module.log is logging.Logger.manager.loggerDict[module.__name__]
    assert written.getvalue().count("msg=refused") == 10


def test_every_module_that_a_stranger_can_make_warn_is_throttled() -> None:
    """Every module of the ways in that logs warnings is throttled, but the one that limits its lines itself."""
    warning = {
        module
        for package in ("server", "web", "ingest")
        for module in modules_of(f"exporter.{package}")
        if {"warning", "WARNING"} & set(names_in(module))
    }
    assert warning == {*THROTTLED, transitions}


def modules_of(package: str) -> Iterator[ModuleType]:
    """Import every module of a package."""
    path = importlib.import_module(package).__path__
    for info in pkgutil.walk_packages(path, f"{package}."):
        yield importlib.import_module(info.name)


def names_in(module: ModuleType) -> Iterator[str]:
    """Return the names that the code of a module uses."""
    assert module.__file__ is not None
    with open(module.__file__, encoding="utf-8") as file:
        codes = [compile(file.read(), module.__file__, "exec")]
    while codes:
        code = codes.pop()
        yield from code.co_names
        codes += [const for const in code.co_consts if isinstance(const, type(code))]
