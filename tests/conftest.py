"""The profiles of Hypothesis, the fixtures that packages share, and the order of tests.

Examples are few and random by default; twice as many, and the same on every run, where CI=true; very many and random
for `make soak`.
"""

import gc
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import pytest
import trustme
from hypothesis import HealthCheck, is_hypothesis_test, settings

import exporter
from tests.support.certificates import Pair, issued

COVERED = {"events", "rule", "metrics", "settings"}
"""Packages of which the tests must cover every line and branch."""

gc.disable()  # until all tests are collected, or it would walk them again and again, none of them garbage

settings.register_profile("quick", max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples on each run, so that a red run is the change's own; local runs go on exploring.
settings.register_profile("ci", settings.get_profile("quick"), max_examples=200, derandomize=True)
settings.register_profile("soak", settings.get_profile("quick"), max_examples=4000)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "quick")


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    """Return two certificates of one authority."""
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
    return issued(authority, folder, "one"), issued(authority, folder, "two")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Make every property test a part of `make soak`."""
    if is_hypothesis_test(getattr(item, "obj", None)):
        item.add_marker("soak")


def pytest_collection_finish() -> None:
    """Let the garbage be collected from now on."""
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Measure coverage of the import of the covered packages, but not of all the rest that tests import."""
    trace = sys.gettrace()
    if trace is not None:
        for module in walk_packages(exporter.__path__, "exporter."):
            if module.name.split(".")[1] in COVERED:
                import_module(module.name)
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(trace)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Measure coverage only in the tests of the packages that must be covered, and not in their property tests.

    It doubles the time of a test. Each of these packages is covered by the examples in tests of its own.
    `pytest.mark.no_cover` would not do: a worker of pytest-xdist has two measurements, of which it stops one.
    """
    trace = sys.gettrace()
    if is_hypothesis_test(getattr(item, "obj", None)) or item.path.parent.name not in COVERED:
        sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long tests in front."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
