"""README's commands, copied as they stand but for ports and folders, do what it says."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.running import CONSOLE_SCRIPT, free_port, program, running, wait_for

README = (ROOT / "README.md").read_text()


def blocks(heading: str, language: str = "sh") -> list[str]:
    """Return the commands in the part of README under a heading, or before the first."""
    part = README.partition(f"\n## {heading}\n")[2] if heading else README
    return re.findall(rf"```{language}\n(.*?)\n```", part.partition("\n## ")[0], re.DOTALL)


def run(command: str, folder: Path) -> str:
    """Return what a command prints."""
    ended = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_one_event_in_and_its_gauge_out(tmp_path: Path) -> None:
    """The first thing a new user does."""
    program("curl", "curl")
    make_run, event_in, gauge_out = blocks("")
    assert make_run == "make run"
    (shown,) = re.findall(r"```\n(butlr_zone_occupancy{.*?)\n```", README, re.DOTALL)
    with running(tmp_path / "log") as exporter:
        told = [
            run(text.replace("localhost:9728", f"127.0.0.1:{exporter.port}"), tmp_path)
            for text in (event_in, gauge_out)
        ]
    assert json.loads(told[0]) == {"received": 1, "outcomes": {"new": 1}}
    assert told[1].strip() == shown


def test_exposing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets, a certificate, two ports: what is said to be open is, and nothing else."""
    program("curl", "curl")
    program("openssl", "openssl")
    monkeypatch.delenv("BUTLR_EXPORTER_JOURNAL", raising=False)
    secrets, serve, requests = blocks("Exposing it")
    (certificate,) = re.findall(r"`(openssl req .*?)`", README)
    folder = tmp_path / "butlr-exporter"
    run(secrets.replace("/etc/butlr-exporter", str(folder)), tmp_path)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "webhook.key").stat().st_mode & 0o777 == 0o600
    run(certificate, folder)
    public, inner = free_port(), free_port()
    command = serve.replace("butlr-exporter serve", f"exec {CONSOLE_SCRIPT} serve --listen 127.0.0.1:{public}")
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            ["sh", "-c", command.replace("127.0.0.1:9729", f"127.0.0.1:{inner}")], cwd=folder, stderr=log
        ) as exporter,
    ):
        try:
            wait_for(lambda: b"started" in (tmp_path / "log").read_bytes(), "the exporter to start")
            here = requests.replace("127.0.0.1:9728", f"127.0.0.1:{public}").replace(
                "127.0.0.1:9729", f"127.0.0.1:{inner}"
            )
            right, wrong, outside, inside = [run(f"{line} -s", folder) for line in here.splitlines()]
        finally:
            exporter.terminate()
    assert exporter.returncode == 0
    assert json.loads(right)["received"] == 0
    assert (json.loads(wrong)["status"], json.loads(outside)["status"]) == (401, 404)
    assert "butlr_exporter_build_info" in inside
    # The refusal, and no warning that anything is open.
    assert (tmp_path / "log").read_text().count("level=warning") == 1
