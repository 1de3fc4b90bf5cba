"""Alerts, dashboards and documents ask only for series that exist, and every series is asked for."""

import re

from tests.support.documents import ALERTS, DOCUMENTS, FAMILIES, RECORDED, page
from tests.support.paths import ROOT

SUFFIXES = re.compile("_(bucket|sum|count)$")


def named_in(text: str) -> set[str]:
    """Return the families and recorded series that a text of queries names."""
    text = text.replace("(_1min)?", "")
    recorded = set(re.findall(r"\b(?:zone|room|floor|building|site|entryway):butlr_[\w:]+", text))
    for name in recorded:
        text = text.replace(name, "")
    families = re.findall(r"\bbutlr_(?:zone|room|floor|entryway|sensor|exporter)_\w+", text)
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
