"""The dashboards are committed as built, and no panel overlaps another; `tests/end_to_end` has their queries."""

import json
import re
from typing import Any

import pytest

from exporter.events.measures import Kind
from grafana.build import ALERTING, DASHBOARDS, FOLDER, PAGE, main, rendered
from grafana.kit import COLUMNS
from grafana.promql import PLACES

BOARDS: dict[str, dict[str, Any]] = {name: json.loads((FOLDER / f"{name}.json").read_text()) for name in DASHBOARDS}


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
        variables = board["templating"]["list"]
        expected = {
            "exporter-health": [],
            "zones-now": [*PLACES, "exporter"],
            "zone-history": ["timezone", "opens", "closes", "days", *PLACES],
            "entrances": ["timezone", *PLACES[:-1]],
        }
        assert [variable["name"] for variable in variables] == ["datasource", *expected[name]]
        for variable in variables:
            if variable["type"] == "query":
                assert variable["multi"]
                assert variable["includeAll"]
                # In Prometheus 2, a dot alone does not match a line feed.
                assert variable["allValue"] == "(?s).*"
            elif variable["type"] == "custom":
                # Grafana divides the choices at commas, and each at the last colon between two spaces.
                choices = [re.fullmatch(r"(.+)\s:\s(.+)", each) for each in variable["query"].split(",")]
                assert all(choices)
                assert variable["query"].startswith(f"{variable['current']['text']} : {variable['current']['value']}")
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

    def test_tables_fit(self, name: str) -> None:
        """On a screen of 1366 pixels no table is wider than its panel, the place of each row included."""
        for panel in BOARDS[name]["panels"]:
            if panel["type"] != "table":
                continue
            (organize,) = [each["options"] for each in panel["transformations"] if each["id"] == "organize"]
            shown = [title for field, title in organize["renameByName"].items() if field in organize["indexByName"]]
            widths = {
                override["matcher"]["options"]: option["value"]
                for override in panel["fieldConfig"]["overrides"]
                for option in override["properties"]
                if option["id"] in ("custom.width", "custom.minWidth")
            }
            # A place has no width of its own, and takes what is left: enough for most.
            needed = sum(widths.get(title, 250) for title in shown)
            assert needed <= panel["gridPos"]["w"] * (1366 - 16) / COLUMNS - 16, panel["title"]

    def test_links_of_places(self, name: str) -> None:
        """A place leads to pages of the exporter, and to dashboards with variables that they have."""
        for panel in BOARDS[name]["panels"]:
            for override in panel.get("fieldConfig", {}).get("overrides", []):
                for option in override["properties"]:
                    for link in option["value"] if option["id"] == "links" else ():
                        page = re.fullmatch(r"\$\{exporter\}/spaces/(\w+)/\$\{__data\.fields\.\1_id:\w+\}", link["url"])
                        if page:
                            assert Kind(page[1])
                            continue
                        (uid,) = re.findall(r"^/d/butlr-([\w-]+)\?", link["url"])
                        variables = {variable["name"] for variable in BOARDS[uid]["templating"]["list"]}
                        chosen = re.findall(r"var-(\w+)=\$\{__data\.fields\.(\w+)_name:", link["url"])
                        assert chosen
                        assert all(place == field and place in variables for place, field in chosen)


def test_zones_and_rooms_have_links() -> None:
    """A zone or room of *Zones now* leads to its page and to its history."""
    panels = {panel["title"]: panel for panel in BOARDS["zones-now"]["panels"] if panel["type"] == "table"}
    for title in ("Zones", "Rooms"):
        (place,) = [
            each["properties"]
            for each in panels[title]["fieldConfig"]["overrides"]
            if each["matcher"]["options"] == "Place"
        ]
        assert [link["title"] for option in place if option["id"] == "links" for link in option["value"]] == [
            "Page",
            "History",
        ]


@pytest.mark.parametrize("name", BOARDS)
def test_empty_panels_say_why(name: str) -> None:
    """A panel that has no data says what is missing, unless it always has a number."""
    for panel in BOARDS[name]["panels"]:
        if panel["type"] != "row" and (name, panel["title"]) != ("zones-now", "Silent"):
            assert panel["fieldConfig"]["defaults"].get("noValue"), panel["title"]


def test_no_tables_cell_says_why() -> None:
    """An empty cell of a table is blank: Grafana would repeat the text of an empty panel in it."""
    for board in BOARDS.values():
        for panel in board["panels"]:
            if panel["type"] == "table" and panel["fieldConfig"]["defaults"].get("noValue"):
                first = panel["fieldConfig"]["overrides"]
                assert any({"id": "noValue", "value": " "} in override["properties"] for override in first)
