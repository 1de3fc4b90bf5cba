"""Folders of the repository that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""

SAMPLES = ROOT / "tests" / "samples"
"""Payloads as files: `valid/` and `broken/`."""
