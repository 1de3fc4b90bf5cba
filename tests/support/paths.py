"""Folders of the repository that tests read."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
"""The repository."""

SAMPLES = ROOT / "tests" / "samples"
"""Payloads as files: `valid/` and `broken/`."""

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - only to name the folder of a temporary one
"""A folder in memory for the many files of a property test, where `fsync` costs nothing; None where there is none."""
