"""The simulated cloud's answers have the form of the documented ones, which are files."""

import json
import re
from typing import Any

import pytest

from exporter.butlr.names import HIVES, SENSORS, SITES, WEBHOOKS
from tests.support.butlr import sample
from tests.support.clouds import CREDENTIALS, START_SECONDS, SimulatedCloud


def form(value: Any) -> Any:
    """Return the names of the fields of a value and of those inside; a list has those of all its entries.

    None is the form of an empty list.
    """
    if isinstance(value, list):
        return _joined([form(each) for each in value]) if value else None
    if not isinstance(value, dict):
        return {}
    names = {name: form(each) for name, each in value.items()}
    # Ids and times as names stand for any other.
    return {re.sub(r"^zone_.*|^[0-9-]+T.*", "...", name): each for name, each in names.items()}


def _joined(forms: list[Any]) -> Any:
    found: dict[str, Any] = {}
    for each in filter(None, forms):
        for name, inside in each.items():
            found[name] = _joined([found[name], inside]) if name in found else inside
    return found


def lacks(documented: Any, simulated: Any, path: str = "") -> list[str]:
    """Return the fields of a documented form that a simulated one has not."""
    missing: list[str] = []
    if documented is None or simulated is None:
        return missing
    for name, inside in documented.items():
        if name in simulated:
            missing += lacks(inside, simulated[name], f"{path}{name}.")
        else:
            missing.append(path + name)
    return missing


@pytest.fixture
def cloud() -> SimulatedCloud:
    """Return a cloud with people in one zone, and a webhook with each form of credentials."""
    cloud = SimulatedCloud(zones=8)
    cloud.now_seconds = START_SECONDS + 600
    cloud.sense(next(each for each in cloud.account.assets.places if each.startswith("zone_")), 6, 3)
    endpoint = {"url": "https://butlr.example.com/webhook", "httpTimeout": 5}
    endpoint |= {"apiKey": {"key": "X-API-Key", "value": "k"}, "basicAuth": {"username": "u", "password": "p"}}
    given = {"name": "x", "eventTypes": ["TRAFFIC"], "endpointConfig": endpoint}
    given |= {"filters": {"occupancy": {"comparison": "gt", "value": 0}}}
    cloud.account.webhooks.resolvers()["createWebhooks"](None, input=[given])
    return cloud


def test_the_log_in(cloud: SimulatedCloud) -> None:
    """The answer with a token has the documented fields, and no other."""
    assert form(cloud.post("/api/v2/clients/login", CREDENTIALS).json) == form(_document("login"))


@pytest.mark.parametrize(
    ("name", "query"), [("sites", SITES), ("sensors", SENSORS), ("hives", HIVES), ("webhooks", WEBHOOKS)]
)
def test_graphql(cloud: SimulatedCloud, name: str, query: str) -> None:
    """An answer to a query has all fields of the documented one."""
    found = cloud.query(re.sub(r"\?\w+\.", "", query)).json
    assert lacks(form(_document(name)), form(found)) == []


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("zones-flat", {}),
        ("zones-raw", {"group_by": {"order": ["zone_id"], "raw": True}}),
        ("statistics", {"group_by": {"order": ["time"]}}),
        ("zones-empty", {"filter": {"start": "-25h"}}),
        ("error", {"filter": {"measurements": []}}),
    ],
)
def test_reports(cloud: SimulatedCloud, name: str, asked: dict[str, Any]) -> None:
    """A report has all fields of the documented one of its form."""
    documented, found = _document(name), cloud.report(**asked).json
    assert lacks(form(documented), form(found)) == []
    assert found.get("page_info") == documented.get("page_info")


def _document(name: str) -> Any:
    return json.loads(sample(name).body)
