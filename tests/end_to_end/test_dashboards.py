"""The dashboards' queries on a real Prometheus."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from grafana import alerting
from grafana.build import DASHBOARDS, FOLDER
from grafana.kit import PLACES
from tests.support.kinds import post_every_kind
from tests.support.prometheus import Prometheus, prometheus
from tests.support.running import CONSOLE_SCRIPT, running, wait_for
from tests.support.sockets import fresh

BOARDS: dict[str, dict[str, Any]] = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in DASHBOARDS}

PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]

EMPTY: dict[str, str] = {}
"""Titles of panels without data in a building without trouble, with the reason. So far each panel has at least a 0."""


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that has scraped a simulated building several times."""
    folder = tmp_path_factory.mktemp("dashboards")
    # The rules of crowds have data at any hour, also while the simulated building is empty.
    (folder / "capacity.yml").write_text(
        "capacity: [{zone_name: 'Desk *', max: 0.5}, {max: 10}, {kind: room, max: 2}, {kind: floor, max: 2}]"
    )
    with (
        running(
            folder / "log",
            f"--capacity-file={folder / 'capacity.yml'}",
            "--settle-after=6s",
            "--detections-stale-after=10m",
        ) as exporter,
        prometheus(exporter, folder) as one,
        subprocess.Popen(
            [
                CONSOLE_SCRIPT,
                "simulate",
                f"--url={exporter.url}/webhook",
                "--interval=1s",
                "--types=all",
                "--zones=20",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as simulate,
    ):
        try:
            exporter.post(fresh("zone_crowded", 4))
            post_every_kind(exporter)
            wait_for(lambda: one.query("zone:butlr_zone_occupancy:crowd_lately"), "a crowd", 120)
            wait_for(lambda: one.query("butlr_zone_occupancy_settled"), "settled readings", 120)
            wait_for(lambda: one.query("entryway:butlr_entryway_crossings:net1d"), "crossings", 120)
            wait_for(lambda: one.query("butlr_exporter_events_total offset 10s > 0"), "some scrapes", 120)
            yield one
        finally:
            simulate.terminate()


def expanded(promql: str) -> str:
    """Return a query as Grafana sends it when each variable is set to all."""
    for place in PLACES:
        promql = re.sub(rf"\$\{{?{place}\}}?\b", ".*", promql)
    # The building is a minute old.
    promql = promql.replace("$__rate_interval", "10s").replace("$__interval", "10s").replace("$__range", "30s")
    promql = promql.replace("[1d:5m]", "[1d:1s]")
    assert "$" not in promql
    return promql


class TestQueries:
    """Queries return data from a real Prometheus that scraped a simulated building."""

    @pytest.mark.parametrize("panel", PANELS)
    def test_panels(self, scraped: Prometheus, panel: dict[str, Any]) -> None:
        """Prometheus accepts every query of a panel, and the panel has data unless it is known to be empty."""
        now = time.time()
        points = 0
        for target in panel["targets"]:
            parameters = {"start": now - 60, "end": now, "step": 5}
            answer = scraped.get("query_range", query=expanded(target["expr"]), **parameters)
            points += sum(len(series["values"]) for series in answer["result"])
        assert (points > 0) is (panel["title"] not in EMPTY)

    @pytest.mark.parametrize("name", BOARDS)
    def test_variables(self, scraped: Prometheus, name: str) -> None:
        """Each variable has values from the simulated building."""
        for variable in BOARDS[name]["templating"]["list"][1:]:
            (match,) = re.findall(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            values = scraped.get(f"label/{match[1]}/values", **{"match[]": expanded(match[0])})
            assert values, variable["name"]

    @pytest.mark.parametrize("rule", alerting.RULES, ids=lambda rule: rule.name)
    def test_grafanas_own_alerts(self, scraped: Prometheus, rule: alerting.AlertRule) -> None:
        """The expression of an alert is valid, and Prometheus has each series that the expression asks for."""
        assert isinstance(scraped.query(rule.expr), list)
        for selector in re.findall(
            r"\{__name__[^}]+\}|\b(?:\w+:)?(?:butlr_|process_)[\w:]+(?:\{[^}]*\})?|\bup\{[^}]*\}", rule.expr
        ):
            assert scraped.query(f"count({selector})"), selector

    @pytest.mark.parametrize("name", BOARDS)
    def test_annotations(self, scraped: Prometheus, name: str) -> None:
        """Annotations are valid queries; the tests of the alerts show whether they fire."""
        for annotation in BOARDS[name]["annotations"]["list"]:
            assert isinstance(scraped.query(expanded(annotation["expr"])), list)
