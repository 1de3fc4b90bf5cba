"""Hypothesis profiles: quick and random by default; thorough, and the same on every run, where CI=true.

And the order of tests.
"""

import os

import pytest
import trustme
from hypothesis import HealthCheck, settings

from tests.support.certificates import Pair, issued

settings.register_profile("quick", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time, so that a red run is the change's own; local runs go on exploring.
settings.register_profile("ci", settings.get_profile("quick"), max_examples=2000, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "quick")


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    """Return two certificates of one authority."""
    authority, folder = trustme.CA(), tmp_path_factory.mktemp("tls")
    return issued(authority, folder, "one"), issued(authority, folder, "two")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long tests in front, some for each worker: it begins with an equal part of all, one behind the other."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if not item.get_closest_marker("long")]
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        first = long[worker::workers]
        number = max(0, (len(items) - len(ordered)) // (workers - worker) - len(first))
        ordered += first + others[:number]
        del others[:number]
    items[:] = ordered + others
