"""The walls: who may import whom, and how long a file may be."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_imports_flow_one_way() -> None:
    """The contracts in pyproject.toml hold."""
    linter = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    "path",
    sorted(
        path
        for folder in ("exporter", "tests", "bench", "docs", "scripts", "grafana")
        for path in ROOT.glob(f"{folder}/**/*.py")
    ),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_a_file_fits_a_sitting(path: Path) -> None:
    """350 lines at most."""
    assert len(path.read_text().splitlines()) <= 350
