"""The dashboards' queries on a real Prometheus, with a live exporter and an imported history."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from exporter.cli.main import main
from exporter.simulate.world.delivery import EventType, Plan
from exporter.simulate.world.stream import deliveries
from grafana import alerting
from grafana.build import DASHBOARDS, FOLDER
from grafana.promql import PLACES
from grafana.timezones import TIMEZONES
from tests.support.deliveries import HOUR, MINUTE, SECOND
from tests.support.kinds import post_every_kind
from tests.support.paths import ROOT
from tests.support.prometheus import Prometheus, prometheus
from tests.support.running import CONSOLE_SCRIPT, Running, free_port, program, running, wait_for
from tests.support.sockets import fresh

pytestmark = pytest.mark.xdist_group("dashboards")  # they share a Prometheus with history

RECIPES = re.findall(r"^\| [^|`]+ \| `([^`]+)`", (ROOT / "docs" / "analysis.md").read_text(), re.MULTILINE)

BOARDS: dict[str, dict[str, Any]] = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in DASHBOARDS}

HISTORY = "zone-history"

PANELS = {
    name: [pytest.param(panel, id=f"{name}: {panel['title']}") for panel in board["panels"] if panel["type"] != "row"]
    for name, board in BOARDS.items()
}

LIVE_PANELS = [panel for name in BOARDS if name != HISTORY for panel in PANELS[name]]

EMPTY = {
    "Refused events": "only what was refused",
    "Refused requests": "only what was refused",
}
"""Titles of panels without data in a building without trouble, with the reason."""

ODD_NAME = "Lounge\nby the window"
"""A name with a line feed, which a dot in a regular expression of Prometheus 2 does not match."""

IMPORTED = "An imported site"


class History(NamedTuple):
    """The time of the imported final counts (ms since the epoch)."""

    begin: int
    end: int


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, History, list[dict[str, Any]]]:
    """Return a folder with blocks of an hour of yesterday, their time, and the newest event of each space."""
    folder = tmp_path_factory.mktemp("history")
    types = (EventType.ZONE_OCCUPANCY, EventType.ROOM_OCCUPANCY, EventType.FLOOR_OCCUPANCY)
    plan = Plan(zones=8, types=types, intervals=70, seed=11)
    begin = int(time.time() * SECOND) // HOUR * HOUR - 26 * HOUR
    newest: dict[str, dict[str, Any]] = {}
    with (folder / "in").open("wb") as file:
        for each in deliveries(plan, begin):
            event = json.loads(each.body)
            metadata = event["metadata"]
            metadata["site_name"] = IMPORTED
            if metadata.get("zone_name") == "Lounge":
                metadata["zone_name"] = ODD_NAME
            newest[metadata.get("zone_id") or metadata.get("room_id") or metadata["floor_id"]] = event
            file.write(json.dumps(event).encode() + b"\n")
    assert main(["export", "--in", str(folder / "in"), "--out", str(folder / "out")]) == 0
    command = [program("promtool", "prometheus"), "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*command, str(folder / "out"), str(folder / "data")], check=True, capture_output=True)
    return folder, History(begin, begin + 70 * MINUTE), list(newest.values())


def post_silent(exporter: Running, events: list[dict[str, Any]]) -> None:
    """Make the exporter know spaces, and so their capacities, without any count that it would show."""
    for event in events:
        before = int(time.time() * SECOND) - 20 * MINUTE
        exporter.post(json.dumps(event | {"id": f"event_{before}", "timestamp": before}).encode())


def beside(event: dict[str, Any]) -> dict[str, Any]:
    """Return the same event of another space, in the main building of seed 2026, which is not silent."""
    own = {
        name: f"silent_{value}"
        for name, value in event["metadata"].items()
        if name in ("zone_id", "room_id", "floor_id")
    }
    return event | {"metadata": event["metadata"] | own | {"site_name": "Berlin"}}


@pytest.fixture(scope="module")
def scraped(history: tuple[Path, History, list[dict[str, Any]]]) -> Iterator[Prometheus]:
    """Return a Prometheus that has an imported history, and has scraped a simulated building several times."""
    folder, _, events = history
    # The rules of crowds have data at any hour, also while the simulated building is empty.
    (folder / "capacity.yml").write_text(
        "capacity: [{zone_name: 'Desk *', max: 0.5}, {max: 10}, {kind: room, max: 2}, {kind: floor, max: 2}]"
    )
    (folder / "secret").write_text("simulated")
    cloud = f"127.0.0.1:{free_port()}"
    account = (
        f"--butlr-api-url=http://{cloud}",
        "--butlr-client-id=simulated",
        f"--butlr-client-secret-file={folder / 'secret'}",
    )
    with (
        running(
            folder / "log",
            f"--capacity-file={folder / 'capacity.yml'}",
            "--settle-after=6s",
            "--detections-stale-after=10m",
            "--assets-interval=1s",
            "--poll=1s",
            "--recover=0",
            *account,
        ) as exporter,
        prometheus(exporter, folder) as one,
        subprocess.Popen(
            [CONSOLE_SCRIPT, "simulate", f"--cloud={cloud}", "--interval=1s", "--zones=20", "--seed=2026"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as simulate,
    ):
        try:
            wait_for(lambda: b"\nbutlr_sensor_online{" in exporter.get("/metrics"), "Butlr's assets", 120)
            webhook = (f"--url={exporter.url}/webhook", "--types=all", "--yes")
            assert main(["webhooks", "apply", *account, *webhook]) == 0
            post_silent(exporter, [*events, *map(beside, events)])
            exporter.post(fresh("zone_crowded", 4))
            post_every_kind(exporter)
            wait_for(lambda: one.query("zone:butlr_zone_occupancy:crowd_lately"), "a crowd", 120)
            wait_for(lambda: one.query("butlr_zone_occupancy_settled"), "settled readings", 120)
            wait_for(lambda: one.query("entryway:butlr_entryway_crossings:net1d"), "crossings", 120)
            wait_for(lambda: one.query("floor:butlr_floor_last_reading_timestamp_seconds:silent"), "a silence", 120)
            wait_for(lambda: one.query("butlr_exporter_last_poll_success_timestamp_seconds > 0"), "a poll", 120)
            wait_for(lambda: one.query("butlr_exporter_events_total offset 10s > 0"), "some scrapes", 120)
            yield one
        finally:
            simulate.terminate()


def titled(title: str) -> dict[str, Any]:
    """Return a panel of the history."""
    return next(panel for panel in BOARDS[HISTORY]["panels"] if panel["title"] == title and panel["type"] != "row")


CHOSEN = {"timezone": "0", "opens": "0", "closes": "24", "days": "< 8"}
"""Values of the variables that are not places: the building is always open."""


def expanded(promql: str, **values: str) -> str:
    """Return a query as Grafana sends it when each place is set to all, or to one of `values`."""
    # The building is a minute old.
    fixed = {"__rate_interval": "10s", "__interval": "10s", "__range": "30s"}
    every = dict.fromkeys(PLACES, "(?s).*") | CHOSEN | fixed | values
    for name, value in every.items():
        promql = re.sub(rf"\$\{{?{name}\}}?\b", lambda _, value=value: value, promql)  # type: ignore[misc]
    assert "$" not in re.sub(r"\$\d", "", promql)
    return promql


class TestQueries:
    """Queries return data from a real Prometheus that scraped a simulated building."""

    @pytest.mark.parametrize("panel", LIVE_PANELS)
    def test_panels(self, scraped: Prometheus, panel: dict[str, Any]) -> None:
        """Prometheus accepts every query of a panel, and the panel has data unless it is known to be empty."""
        now = time.time()
        points = 0
        for target in panel["targets"]:
            query = expanded(target["expr"]).replace(":1h]", ":1s]")
            answer = scraped.get("query_range", query=query, start=now - 60, end=now, step=5)
            points += sum(len(series["values"]) for series in answer["result"])
        assert (points > 0) is (panel["title"] not in EMPTY)

    @pytest.mark.parametrize("panel", PANELS[HISTORY])
    def test_imported_history(
        self,
        scraped: Prometheus,
        history: tuple[Path, History, list[dict[str, Any]]],
        panel: dict[str, Any],
    ) -> None:
        """Each query of the history shows imported final counts, and a line ends at the newest of them."""
        _, times, _ = history
        now = time.time()
        for target in panel["targets"]:
            query = expanded(target["expr"], site=IMPORTED, __range="2d", __interval="5m")
            if target.get("instant"):
                assert scraped.get("query", query=query)["result"], query
                continue
            begin, end = times.begin / SECOND, times.end / SECOND
            found = scraped.get("query_range", query=query, start=begin, end=now, step=60)["result"]
            assert found, query
            assert all(begin <= float(at) <= end + 90 for series in found for at, _ in series["values"])

    @pytest.mark.parametrize("name", BOARDS)
    def test_rows(self, scraped: Prometheus, name: str) -> None:
        """A place is one row of its table: the query of the place knows each row of the other queries, and once."""
        values = {"site": IMPORTED, "__range": "2d"} if name == HISTORY else {}
        now = time.time()
        for panel in BOARDS[name]["panels"]:
            if panel["type"] != "table" or "label_join" not in panel["targets"][0]["expr"]:
                continue
            queries = [expanded(target["expr"], **values) for target in panel["targets"]]
            # At one time, as new places appear all the while.
            results = [scraped.get("query", query=query, time=now)["result"] for query in queries]
            frames = [[series["metric"] for series in result] for result in results]
            filled = [frame for frame in frames if frame]
            # Grafana merges rows by the labels that all filled frames have.
            shared = set.intersection(*({label for labels in frame for label in labels} for frame in filled))
            rows = [[tuple(labels.get(label, "") for label in sorted(shared)) for labels in frame] for frame in filled]
            assert rows[0], panel["title"]
            assert len(rows[0]) == len(set(rows[0])), panel["title"]
            assert all(row in rows[0] for frame in rows for row in frame), panel["title"]

    def test_recipes(self, scraped: Prometheus) -> None:
        """Each recipe of docs/analysis.md has data, at a time that its hours and days choose."""
        assert len(RECIPES) > 4
        for query in RECIPES:
            always = query.replace(">= 8 < 18", ">= 0").replace("> 0 < 6", ">= 0").replace("[1d:1m]", "[2d:1m]")
            assert scraped.query(always.replace("[1d]", "[2d]")), query

    def test_line_feed(self, scraped: Prometheus) -> None:
        """A zone with a line feed in its name is among all zones, and the name is in its place."""
        zones = titled("Zones")
        query = expanded(zones["targets"][0]["expr"], site=IMPORTED, __range="2d")
        places = [series["metric"]["place"] for series in scraped.get("query", query=query)["result"]]
        assert f"{ODD_NAME}, Ground Floor, Main Building, {IMPORTED}" in places

    def test_hours(self, scraped: Prometheus, history: tuple[Path, History, list[dict[str, Any]]]) -> None:
        """The table of hours has a column for each hour of the imported history, in the chosen time zone."""
        _, times, _ = history
        hours = titled("Busiest hours")
        values = {"site": IMPORTED, "__range": "2d", "timezone": TIMEZONES["Asia/Kolkata"]}
        found = scraped.get("query", query=expanded(hours["targets"][0]["expr"], **values))["result"]
        begin = datetime.fromtimestamp(times.begin / SECOND, ZoneInfo("Asia/Kolkata"))
        slots = {(int(each["metric"]["weekday"]), int(each["metric"]["hour"])) for each in found}
        assert (begin.isoweekday(), begin.hour) in {*slots, *((day, hour - 1) for day, hour in slots)}

    def test_time_zones(self, scraped: Prometheus) -> None:
        """Each time zone's clocks are right over two years, but for the day on which they change."""
        start, step = datetime(2027, 1, 1, 12, tzinfo=UTC).timestamp(), 86400
        for name, expr in TIMEZONES.items():
            query = f"vector(0) + ({expr})"
            answer = scraped.get("query_range", query=query, start=start, end=start + 730 * 86400, step=step)
            (series,) = answer["result"]
            for at, seconds in series["values"]:
                local = datetime.fromtimestamp(at, ZoneInfo(name))
                offset = local.utcoffset()
                assert offset is not None
                assert offset.total_seconds() == float(seconds), f"{name} at {local}"

    @pytest.mark.parametrize("name", BOARDS)
    def test_variables(self, scraped: Prometheus, name: str) -> None:
        """Each variable of places has values, in the history also those of imported counts."""
        for variable in BOARDS[name]["templating"]["list"]:
            if variable["type"] != "query":
                continue
            (match,) = re.findall(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            values = scraped.get(f"label/{match[1]}/values", **{"match[]": expanded(match[0])})
            assert values, variable["name"]
            if name == HISTORY and variable["name"] == "site":
                assert IMPORTED in values

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
