"""Texts for people use one word for one thing: over capacity, silent, final. docs/glossary.md explains the words."""

import re
from pathlib import Path

import pytest

from tests.support.documents import DOCUMENTS
from tests.support.paths import ROOT

OTHER_WORDS = re.compile(r"\b(stale|settled|settles|crowded|overcrowded|corrected history)\b", re.IGNORECASE)

WITH_OTHER_WORDS = {"CHANGELOG.md", "glossary.md", "speed.md"}
"""Documents that name what is gone, explain the words of names, or quote a table."""

TEMPLATES = sorted((ROOT / "exporter" / "web" / "pages" / "templates").iterdir())


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.name not in WITH_OTHER_WORDS], ids=lambda path: path.name
)
def test_documents(document: Path) -> None:
    """A document has no other word for these, but in names, which it writes as code."""
    text = re.sub(
        r"```.*?```|`[^`]*`|\]\([^)]*\)|<http[^>]*>|/metrics/settled", "", document.read_text(), flags=re.DOTALL
    )
    assert OTHER_WORDS.findall(text) == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_pages(template: Path) -> None:
    """A page has no other word for these, but in addresses, classes and names."""
    text = re.sub(r"{[{%].*?[%}]}|<[^>]*>", "", template.read_text(), flags=re.DOTALL)
    assert OTHER_WORDS.findall(text) == []
