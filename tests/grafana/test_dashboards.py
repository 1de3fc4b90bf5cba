"""The dashboards are committed as built, no panel overlaps another, and every query returns data."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from grafana import alerting
from grafana.build import ALERTING, DASHBOARDS, FOLDER, PAGE, main, rendered
from grafana.kit import COLUMNS, PLACES
from tests.support.prometheus import Prometheus, prometheus
from tests.support.running import CONSOLE_SCRIPT, running, wait_for

BOARDS: dict[str, dict[str, Any]] = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in DASHBOARDS}

PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
]

EMPTY: dict[str, str] = {}
"""Titles of panels without data in a building without trouble, with the reason. So far each panel has at least a 0."""


def test_committed(capsys: pytest.CaptureFixture[str]) -> None:
    """`make dashboards` would change no file, and writes every file in the folder."""
    assert main(["--check"]) == 0
    assert capsys.readouterr().err == ""
    assert set(FOLDER.glob("*")) | {ALERTING, PAGE} == set(rendered())


def test_difference(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A committed file that differs is reported by its name."""
    monkeypatch.setattr("grafana.build.rendered", lambda: {FOLDER / "zones-now.json": "{}"})
    assert main(["--check"]) == 1
    assert "zones-now.json" in capsys.readouterr().err


@pytest.mark.parametrize("name", BOARDS)
class TestBoards:
    """Each dashboard is complete and consistent."""

    def test_nothing_overlaps(self, name: str) -> None:
        """Every panel has its own space within the 24 columns, and no row is empty."""
        occupied: dict[tuple[int, int], str] = {}
        for panel in BOARDS[name]["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= COLUMNS
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    assert occupied.setdefault((x, y), panel["title"]) == panel["title"]
        assert {y for _, y in occupied} == set(range(max(y for _, y in occupied) + 1))

    def test_ids(self, name: str) -> None:
        """Panel ids are unique, the uid is made of the file name, and the schema is that of Grafana 11 or newer."""
        ids = [panel["id"] for panel in BOARDS[name]["panels"]]
        assert len(ids) == len(set(ids))
        assert BOARDS[name]["uid"] == f"butlr-{name}"
        assert BOARDS[name]["schemaVersion"] >= 39
        assert "butlr" in BOARDS[name]["tags"]

    def test_variables_links_and_annotations(self, name: str) -> None:
        """A dashboard has variables for data source and places, links to the others, and annotations of alerts."""
        board = BOARDS[name]
        variables = [variable["name"] for variable in board["templating"]["list"]]
        assert variables == ["datasource", *(PLACES if name != "exporter-health" else ())]
        for variable in board["templating"]["list"][1:]:
            assert variable["multi"]
            assert variable["includeAll"]
            assert variable["allValue"] == ".*"
        assert board["links"][0]["tags"] == ["butlr"]
        (annotation,) = board["annotations"]["list"]
        assert "ALERTS{" in annotation["expr"]
        assert annotation["titleFormat"] == "{{alertname}}"

    def test_panels_explain_themselves(self, name: str) -> None:
        """A panel has a unique title, a description, and the chosen data source."""
        panels = [panel for panel in BOARDS[name]["panels"] if panel["type"] != "row"]
        assert len({panel["title"] for panel in panels}) == len(panels)
        for panel in panels:
            assert panel["description"].endswith(".")
            assert panel["datasource"]["uid"] == "${datasource}"
            assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
            references = [target["refId"] for target in panel["targets"]]
            assert len(references) == len(set(references))
            # Grafana's own thresholds are red from 80 on, and its state timeline has none.
            if panel["type"] in ("stat", "bargauge", "state-timeline"):
                defaults = panel["fieldConfig"]["defaults"]
                assert defaults["thresholds"]["steps"]
                assert defaults["color"]["mode"] == "thresholds"
            if panel["type"] == "stat":  # the last value of a range would be a frozen number
                assert all(target["instant"] for target in panel["targets"])


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Return a Prometheus that has scraped a simulated building several times."""
    folder = tmp_path_factory.mktemp("dashboards")
    (folder / "capacity.yml").write_text("capacity: [{zone_name: 'Desk *', max: 1}, {max: 10}]")
    with (
        running(folder / "log", f"--capacity-file={folder / 'capacity.yml'}", "--settle-after=6s") as exporter,
        prometheus(exporter, folder) as one,
        subprocess.Popen(
            [
                CONSOLE_SCRIPT,
                "simulate",
                f"--url={exporter.url}/webhook",
                "--interval=1s",
                "--types=ZONE_OCCUPANCY,ZONE_OCCUPANCY_1MIN",
                "--zones=20",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as simulate,
    ):
        try:
            wait_for(lambda: one.query("zone:butlr_zone_occupancy:utilisation > 0"), "people in zones", 120)
            wait_for(lambda: one.query("butlr_zone_occupancy_settled"), "settled readings", 120)
            wait_for(lambda: one.query("butlr_exporter_events_total offset 10s > 0"), "some scrapes", 120)
            yield one
        finally:
            simulate.terminate()


def expanded(promql: str) -> str:
    """Return a query as Grafana sends it when each variable is set to all."""
    for place in PLACES:
        promql = re.sub(rf"\$\{{?{place}\}}?\b", ".*", promql)
    promql = promql.replace("$__rate_interval", "10s").replace("[1d:5m]", "[1d:1s]")  # the building is a minute old
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
        """The expression of an alert is valid, and returns data without its comparison."""
        assert isinstance(scraped.query(rule.expr), list)
        assert scraped.query(re.split(r" (?:[<>]|==) ", rule.expr.replace(") == 0 or absent", ") or absent"))[0])

    @pytest.mark.parametrize("name", BOARDS)
    def test_annotations(self, scraped: Prometheus, name: str) -> None:
        """Annotations are valid queries; the tests of the alerts show whether they fire."""
        for annotation in BOARDS[name]["annotations"]["list"]:
            assert isinstance(scraped.query(expanded(annotation["expr"])), list)
