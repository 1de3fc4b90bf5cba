"""The documents and rules of the repository, and the names that they share with the program."""

import re
from typing import Any

from exporter.metrics.families import SETTLED
from tests.support import yamls
from tests.support.paths import ROOT
from tests.support.scraped import Scraped

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

FAMILIES = {
    f"{family.name}_total" if family.type == "counter" else family.name: family.type
    for family in Scraped().families().values()
} | dict.fromkeys(SETTLED.values(), "gauge")
"""The type of every family by its name, as it is queried."""

RULES = [rule for group in yamls.load((ROOT / "alerts.yml").read_text())["groups"] for rule in group["rules"]]

ALERTS: dict[str, Any] = {rule["alert"]: rule for rule in RULES if "alert" in rule}
"""The alerting rules by their name."""


def severity(alert: dict[str, Any]) -> str:
    """Return the severity of an alerting rule, from its labels or its expression."""
    found = re.search(r'"severity", "(\w+)"', alert["expr"])
    return str(found[1] if found else alert["labels"]["severity"])


RECORDED = {rule["record"] for rule in RULES if "record" in rule}
"""The series that the recording rules make."""


def page(name: str) -> str:
    """Return the text of a document, named from the root of the repository."""
    return (ROOT / name).read_text()


def table(document: str, heading: str) -> list[list[str]]:
    """Return the rows of the document's table with this heading in its first cell, without the two above them."""
    rows = page(document).partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def code(text: str) -> list[str]:
    """Return the parts of a text that stand in backticks."""
    return re.findall(r"`([^`]+)`", text)


def anchors(document: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page(document), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles]
    assert len(slugs) == len(set(slugs)), f"{document}: two headings have the same anchor"
    return set(slugs)
