"""docs/openapi.yaml and a running exporter, held against each other by Schemathesis."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.running import running
from tests.support.sockets import fresh

TIMES = int(os.environ.get("HOSTILE", "1"))


@pytest.mark.long
@pytest.mark.soak
@pytest.mark.parametrize("secured", [False, True])
def test_a_running_exporter(tmp_path: Path, secured: bool) -> None:
    """Schemathesis finds no 5xx, no undocumented answer, no wrong request accepted and no right one refused."""
    flags = [
        "--webhook-api-keys=0123456789abcdef",
        "--metrics-username=prometheus",
        "--metrics-password=hush",
        "--webhook-username=prometheus",
        "--webhook-password=hush",
    ]
    with running(tmp_path / "log", *(flags if secured else [])) as exporter:
        if not secured:
            exporter.post(fresh("before", 3))
        ended = subprocess.run(
            [
                Path(sys.executable).with_name("schemathesis"),
                f"--config-file={ROOT / 'tests' / 'schemathesis.toml'}",
                "run",
                str(ROOT / "docs" / "openapi.yaml"),
                f"--url={exporter.url}",
                f"--max-examples={10 * TIMES}",
                f"--seed={1 if TIMES == 1 else random.randrange(1 << 32)}",
                *(["--auth=prometheus:hush"] if secured else []),
                # Most requests of the phase `coverage` are refused where credentials are required.
                *([f"--phases=examples,{'fuzzing' if secured else 'coverage'}"] if TIMES == 1 else []),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-5000:]
        assert "level=error" not in exporter.log()
        if not secured:
            exporter.post(fresh("before", 3))  # as Schemathesis may have forgotten it
            assert b'zone_id="before"' in exporter.get("/metrics?name[]=butlr_zone_occupancy")
