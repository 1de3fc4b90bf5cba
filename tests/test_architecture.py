"""The walls of the house: who may import whom, what importing the rule loads, how large rooms and packages are."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

EXPORTER = ROOT / "exporter"

FOLDERS = ("exporter", "tests", "bench", "docs", "scripts", "grafana")
"""All folders with code."""

RIDDLES = ["What", "Who", "Whatever", "Whoever", "Of", "That", "Those", "Are", "Is", "Says", "And", "Also", "Although"]
"""Words with which no docstring begins."""

MAX_ROOMS = 12
"""Modules and packages of one package."""

MAX_LINES = 350
"""Lines of one file."""


def test_imports_flow_one_way() -> None:
    """The contracts in pyproject.toml hold."""
    linter = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_importing_the_rule_loads_no_framework() -> None:
    """Neither pydantic nor Flask nor prometheus_client is loaded by any module of the rule."""
    modules = [f"exporter.rule.{path.stem}" for path in (EXPORTER / "rule").glob("*.py") if path.stem != "__init__"]
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(modules) <= set(loaded.split())
    assert not {"pydantic", "pydantic_core", "flask", "werkzeug", "prometheus_client"} & set(loaded.split())


PACKAGES = sorted(path.parent for path in EXPORTER.rglob("__init__.py"))


@pytest.mark.parametrize(
    "package", [path for path in PACKAGES if path != EXPORTER], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_package_has_few_rooms(package: Path) -> None:
    """A package has at most twelve rooms."""
    rooms = [path for path in package.glob("*.py") if path.stem not in ("__init__", "__main__")]
    rooms += [path for path in package.iterdir() if path in PACKAGES]
    assert len(rooms) <= MAX_ROOMS


@pytest.mark.parametrize(
    "package", [path for path in PACKAGES if path != EXPORTER], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_package_loads_nothing_by_itself(package: Path) -> None:
    """The `__init__.py` of a package is a docstring that names each of its rooms, and nothing else."""
    (docstring,) = ast.parse((package / "__init__.py").read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert isinstance(docstring.value, ast.Constant)
    rooms = {path.stem for path in package.iterdir() if path.suffix == ".py" or path in PACKAGES} - {"__init__"}
    assert {room for room in rooms if f"`{room}`" not in str(docstring.value.value)} == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_name_things(folder: str) -> None:
    """No docstring begins with a pronoun in the place of a noun, or with the middle of a sentence."""
    riddles = [
        f"{path.relative_to(ROOT)}: {docstring}"
        for path in ROOT.glob(f"{folder}/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if (docstring := ast.get_docstring(node) or "").partition(" ")[0].rstrip(",:;") in RIDDLES
    ]
    assert riddles == []


def test_a_file_fits_a_sitting() -> None:
    """A file has at most 350 lines."""
    files = [path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/*.py")]
    assert [path for path in files if len(path.read_text().splitlines()) > MAX_LINES] == []


def test_no_test_module_is_imported() -> None:
    """Tests share code by `tests/support/` and `conftest.py` alone."""
    shared = ("tests.support.", "tests.support")
    imported = []
    for path in ROOT.glob("tests/**/*.py"):
        nodes = [*ast.walk(ast.parse(path.read_text()))]
        modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
        modules += [f"{'.' * node.level}{node.module or ''}" for node in nodes if isinstance(node, ast.ImportFrom)]
        imported += [
            (path, name) for name in modules if name.startswith((".", "tests")) and not name.startswith(shared)
        ]
    assert imported == []
