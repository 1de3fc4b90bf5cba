"""Alerts, dashboards and documents ask only for series that exist, and every series is asked for."""

import json
import re

from exporter.events.measures import Measure
from exporter.metrics.families import OCCUPANCY, SETTLED
from exporter.web.pages.queries import queries_of
from tests.support.documents import ALERTS, DOCUMENTS, FAMILIES, RECORDED, page
from tests.support.paths import ROOT

SUFFIXES = re.compile("_(bucket|sum|count)$")


def named_in(text: str) -> set[str]:
    """Return the families and recorded series that a text of queries names."""
    text = text.replace("(_1min)?", "")
    recorded = set(re.findall(r"\b(?:zone|room|floor|building|site|entryway):butlr_[\w:]+", text))
    for name in recorded:
        text = text.replace(name, "")
    families = re.findall(r"\bbutlr_(?:zone|room|floor|entryway|sensor|hive|exporter)_\w+", text)
    return recorded | {SUFFIXES.sub("", name) for name in families}


def test_queries_name_what_there_is() -> None:
    """Alerts, dashboards and documents name only families and recorded series that exist.

    The list of changes in CHANGELOG.md names earlier ones as well.
    """
    files = [
        *ROOT.glob("*.yml"),
        *DOCUMENTS,
        ROOT / "tests" / "alerts_test.yml",
        *(ROOT / "grafana").glob("**/*.json"),
        *(ROOT / "grafana").glob("**/*.yml"),
    ]
    for file in files:
        text, *_ = file.read_text().split("### Changed")
        assert named_in(text) <= FAMILIES.keys() | RECORDED, file


def test_every_family_is_used() -> None:
    """A panel or an alert uses every family, and docs/alerting.md documents every recorded series."""
    used = named_in(page("alerts.yml"))
    used |= {name for file in (ROOT / "grafana" / "dashboards").glob("*.json") for name in named_in(file.read_text())}
    ours = {family for family in FAMILIES if family.startswith("butlr_")}
    assert {name for name in ours if "_1min" not in name} <= used
    assert named_in(page("docs/alerting.md")) >= RECORDED


def test_alerts_are_documented() -> None:
    """docs/alerting.md has a line for each alert, docs/runbook.md a section, and neither has others."""
    assert set(re.findall(r"^## (Butlr\w+)$", page("docs/runbook.md"), re.MULTILINE)) == set(ALERTS)
    assert set(re.findall(r"^\| `(Butlr\w+)` \|", page("docs/alerting.md"), re.MULTILINE)) == set(ALERTS)


LIVE = {OCCUPANCY[measure] for measure in SETTLED} | {name for name in RECORDED if "_occupancy:" in name}
"""Families that have a final count as well, and the series that rules record from them."""

LOOKS_BACK = re.compile(r"\[(?:\$__|\d)|\boffset\b|@|query_range|range_input")

OF_LIVE_COUNTS = {
    "First guesses and final counts": "a panel that compares both",
    "the error of the live count, lateness included": "a query that compares both",
}
"""Panels and queries that look back at live counts on purpose."""


def live_in(promql: str) -> set[str]:
    """Return the live families and series that a query names."""
    return named_in(promql) & LIVE


def test_dashboards_look_back_at_final_counts() -> None:
    """A panel over a span of time, or over an earlier one, asks for no first guess."""
    for file in (ROOT / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", []):
                if not target.get("instant") or LOOKS_BACK.search(target["expr"]):
                    assert not live_in(target["expr"]) or panel["title"] in OF_LIVE_COUNTS, panel["title"]


def test_pages_look_back_at_final_counts() -> None:
    """A query that the page of a space offers, and that looks back, asks for no first guess."""
    for measure in Measure:
        for label, promql in queries_of(measure, "x"):
            assert not LOOKS_BACK.search(promql) or not live_in(promql), label


def test_documents_look_back_at_final_counts() -> None:
    """A query of a document that looks back asks for no first guess."""
    for document in DOCUMENTS:
        if document.name in ("CHANGELOG.md", "dashboards.md"):  # dashboards.md has the queries of the dashboards
            continue
        for line in document.read_text().splitlines():
            queries = re.findall(r"`([^`]+)`", line) or [line]
            if any(live_in(query) and LOOKS_BACK.search(query) for query in queries):
                assert any(name in line for name in OF_LIVE_COUNTS), f"{document.name}: {line}"


def test_a_sensor_that_sees_nobody_is_no_trouble() -> None:
    """No panel with the title *Silent* counts sensors, which send nothing while they see nobody."""
    boards = [json.loads(file.read_text()) for file in (ROOT / "grafana" / "dashboards").glob("*.json")]
    silent = [panel for board in boards for panel in board["panels"] if panel["title"] == "Silent"]
    assert len(silent) == 2
    for panel in silent:
        expr = panel["targets"][0]["expr"]
        assert "butlr_sensor" not in expr
        assert expr.count("butlr_exporter_spaces{") == expr.count('kind!="sensor"')
