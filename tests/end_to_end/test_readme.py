"""The commands of README and docs/exposing.md, copied but for ports and folders, do what the text says."""

import json
import platform
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.running import CONSOLE_SCRIPT, PATIENCE, free_port, program, running, wait_for

README = (ROOT / "README.md").read_text()
EXPOSING = (ROOT / "docs" / "exposing.md").read_text()


def blocks(document: str, heading: str) -> list[str]:
    """Return the commands in the part of a document under a heading."""
    part = document.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)\n```", part, re.DOTALL)


def run(command: str, folder: Path) -> str:
    """Return the output of a command."""
    ended = subprocess.run(
        ["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_one_event_in_and_its_gauge_out(tmp_path: Path) -> None:
    """The first event of a new user comes out as the gauge that README shows, is no crowd, and can be forgotten."""
    program("curl", "curl")
    make_run, event_in, gauge_out, _, forget = blocks(README, "Trying it")
    assert make_run == "make run"
    (shown,) = re.findall(r"```\n(butlr_zone_occupancy{.*?)\n```", README, re.DOTALL)
    with running(tmp_path / "log", f"--capacity-file={ROOT / 'capacity.yml'}") as exporter:
        port = f"127.0.0.1:{exporter.port}"
        event_in, gauge_out, forget = [text.replace("localhost:9728", port) for text in (event_in, gauge_out, forget)]
        printed = [run(text, tmp_path) for text in (event_in, gauge_out)]
        (space,) = json.loads(exporter.get("/api/v1/spaces"))["spaces"]
        assert (space["capacity"], space["crowded"]) == (12, False)
        assert run(forget, tmp_path) == ""
        assert json.loads(exporter.get("/api/v1/spaces"))["spaces"] == []
    assert json.loads(printed[0]) == {"received": 1, "outcomes": {"new": 1}}
    assert printed[1].strip() == shown


def test_exposing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With secrets, a certificate and two ports, the exporter serves the documented requests and no others."""
    program("curl", "curl")
    program("openssl", "openssl")
    monkeypatch.delenv("BUTLR_EXPORTER_JOURNAL", raising=False)
    secrets, certificate, serve, requests, simulate = blocks(EXPOSING, "Two ports and a key")
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
            # The certificate is valid for every name that a first try has.
            for name in ("localhost", platform.node()):
                connect = f"--connect-to {name}:9728:127.0.0.1:{public}"
                run(f"curl -sSf --cacert tls.crt {connect} https://{name}:9728/-/healthy", folder)
            verdict = run(
                simulate.replace("butlr-exporter simulate", f"{CONSOLE_SCRIPT} simulate --rate max")
                .replace("localhost:9728", f"localhost:{public}")
                .replace("127.0.0.1:9729", f"127.0.0.1:{inner}"),
                folder,
            )
        finally:
            exporter.terminate()
    assert exporter.returncode == 0
    assert json.loads(right)["received"] == 0
    assert (json.loads(wrong)["status"], json.loads(outside)["status"]) == (401, 404)
    assert "butlr_exporter_build_info" in inside
    assert "verified: 20 counts with their labels" in verdict
    # The one warning is the rejected request: nothing is open to everyone.
    assert (tmp_path / "log").read_text().count("level=warning") == 1
