"""The benchmark runs, with sizes too small to measure anything, and its table is right."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.table import Row, missing, ratio_of, text
from tests.support.running import PATIENCE, wait_for


def run(module: str, *flags: str) -> str:
    """Run a module, with nothing installed but Python; return its output."""
    environ = os.environ | {"PATH": str(Path(sys.executable).parent)}
    command = [sys.executable, "-m", module, "--rounds=1", "--minutes=6", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=10 * PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_row() -> None:
    """The benchmark prints every row, and names each program that is not installed."""
    printed = run("bench", "--zones=10", "--scraped", "10", "100", "--kept=50")
    table = printed[printed.index("\n\n") :]
    for what in (
        "events  ",
        "an event with a header of its own",
        "with a journal",
        "a mix of all types, processor time",
        "detections, processor time",
        "p99 of",
        "overflow, processor time",
        "unauthorized, processor time",
        "100 settled zones, processor time",
        "both jobs, 100 zones, processor time",
        "the first scrape of 100 zones",
        "rendering 100 zones",
        "10 zones over HTTP, gzip",
    ):
        assert f"\n{what}" in table
    assert "\nmemory a zone of 50" in table
    assert "\nreading back 100 zones" in table
    (rules,) = [line for line in table.splitlines() if line.startswith("alerts.yml, 20,000 zones")]
    assert "not measured: prometheus is not installed" in rules
    for readers in ("first scrapes", "scrapes", "settled scrapes", "lists as JSON", "searched pages"):
        assert f" {readers} of 100 zones" in table
    assert table.count("a tenth of them") == 2
    assert table.count("not measured: prometheus-pushgateway is not installed") == 4


@pytest.mark.parametrize(
    "flags",
    [
        "--rounds=0",
        "--zones=0",
        "--kept=x",
        "--evaluated=0",
        "--scraped 10 20",
        "--scraped 100 10",
        "--plot=/no/such/folder.svg",
    ],
)
def test_invalid_flags(flags: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid flag ends the benchmark at once with an error that names the flag."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["bench", *flags.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert flags.split()[0].partition("=")[0] in capsys.readouterr().err.splitlines()[-1]


def test_sigterm() -> None:
    """SIGTERM ends the benchmark and the program that it measures, even one that is just starting."""
    command = [sys.executable, "-m", "bench", "--zones=10"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as bench:
        try:
            children = Path(f"/proc/{bench.pid}/task/{bench.pid}/children")
            started = wait_for(lambda: children.read_text().split(), "a program that is measured", pause=0)
            bench.terminate()
            assert bench.wait(PATIENCE) == 128 + signal.SIGTERM
        finally:
            bench.kill()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), "the end of the program")


def test_servers() -> None:
    """The exporter's own server is measured, even if no other server is installed."""
    (line,) = [line for line in run("bench.servers", "--zones=2").splitlines() if line.startswith("exporter, its own")]
    assert line.endswith("  ok")


def test_table() -> None:
    """A goal is reached from below or from above; the ratio is the median over the rounds."""
    assert ratio_of([1.0, 2.0, 4.0], [2.0, 2.0, 2.0]) == 1.0
    rows = [
        Row("a", "1 us", "3 us another", 3.0, ">= 3"),
        Row("b", "1 us", "3 us another", 2.9, ">= 3"),
        Row("c", "1 us", "2 us itself", 1.3, "<= 1.25"),
        Row("d", "1 us", "2 us itself", 1.2, "<= 1.25"),
        missing("e", "no such program", ">= 1"),
    ]
    assert [row.reached for row in rows] == [True, False, False, True, None]
    lines = text(rows).splitlines()
    assert [line.rpartition("  ")[2] for line in lines[1:5]] == ["ok", "not reached", "not reached", "ok"]
    assert "not measured: no such program" in lines[5]
