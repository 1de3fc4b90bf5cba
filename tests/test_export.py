"""`butlr-exporter export`: what it writes, what it says of bad files, and what Prometheus makes of it."""

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.cli import main
from exporter.cli.captured import MOST_LINES
from exporter.events import Measure
from exporter.history import SETTLED
from exporter.simulate.delivery import Plan, deliveries
from exporter.simulate.oracle import Answered, Oracle, Rule
from tests.deliveries import HOUR, MINUTE, SECOND, G, body, delivery
from tests.prometheus import prometheus
from tests.running import program, running

PAST = 1_790_000_000_000
"""A time at which nothing is unsettled any more, milliseconds since the epoch."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file of some deliveries: two of one reading, one that is late, an array."""
    file = tmp_path / "deliveries.ndjson"
    lines = [
        body(delivery(PAST, 1, generation=G)),
        body(delivery(PAST, 2, generation=G + 1)),
        b"",
        body(delivery(PAST - 15 * MINUTE, 9)),
        body(delivery(PAST + MINUTE, 3), delivery(PAST, 4, measure=Measure.ZONE_OCCUPANCY_1MIN)),
        b'{"id":"e","type":"ROOM_OCCUPANCY","timestamp":1790000000000,"data":3}',
    ]
    file.write_bytes(b"\n".join(lines))
    return file


def samples(text: str) -> list[str]:
    """Return the lines that are neither comments nor errors."""
    return [line for line in text.splitlines() if line.startswith("butlr_")]


class TestFiles:
    """From one file to another."""

    def test_history(self, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Each reading once, with the value that it came to; a summary of what there was."""
        out = tmp_path / "history.om"
        assert main(["export", "--in", str(source), "--out", str(out), "--labels", "zone_name"]) == 0
        assert samples(out.read_text()) == [
            'butlr_zone_occupancy_settled{zone_id="zone_a",zone_name="Desk 01"} 2.0 1790000000.0',
            'butlr_zone_occupancy_settled{zone_id="zone_a",zone_name="Desk 01"} 3.0 1790000060.0',
            'butlr_zone_occupancy_1min_settled{zone_id="zone_a",zone_name="Desk 01"} 4.0 1790000000.0',
        ]
        told, err = capsys.readouterr()
        assert told.splitlines()[:2] == [
            "3 readings of 2 series, from 2026-09-21T14:13:20Z to 2026-09-21T14:14:20Z",
            "of 5 events: 3 new, 1 corrected, 1 late",
        ]
        assert "--window" in told.splitlines()[2]
        assert err == ""

    def test_a_longer_window(self, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Takes what is late."""
        out = tmp_path / "history.om"
        assert main(["export", "--in", str(source), "--out", str(out), "--window=1h"]) == 0
        assert len(samples(out.read_text())) == 4
        assert "late" not in capsys.readouterr().out

    def test_nothing_has_settled_by_then(self, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """`settle_after` is that of the service."""
        assert main(["export", "--in", str(source), "--out=-", "--settle-after=20y"]) == 1
        assert "no reading has settled" in capsys.readouterr().err

    def test_settings_from_the_environment(
        self, source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those that matter, so that labels are those of the service; others may be for another machine."""
        monkeypatch.setenv("BUTLR_EXPORTER_LABELS", "floor_name")
        monkeypatch.setenv("BUTLR_EXPORTER_TLS_CERT", "/nowhere")
        assert main(["export", "--in", str(source), "--out", "-"]) == 0
        out, err = capsys.readouterr()
        assert samples(out)[0].startswith('butlr_zone_occupancy_settled{floor_name="1st Floor",zone_id="zone_a"} 2.0')
        assert out.endswith("# EOF\n")
        assert err.startswith("3 readings")

    def test_standard_input(
        self, source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As a part of a pipeline."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(source.read_bytes())))
        assert main(["export", "--in=-", "--out=-"]) == 0
        assert len(samples(capsys.readouterr().out)) == 3


class TestMistakes:
    """Each is told; what is good is written all the same."""

    def test_lines_that_are_no_events(self, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """By number, field and reason; an array loses only its bad events."""
        good = body(delivery(PAST + 2 * MINUTE, 5))
        with source.open("ab") as file:
            file.write(b"\n{\n[{}," + good + b"]\n" + b"0\n" * MOST_LINES)
        out = tmp_path / "history.om"
        assert main(["export", "--in", str(source), "--out", str(out)]) == 1
        assert len(samples(out.read_text())) == 4
        told = capsys.readouterr().err.splitlines()
        assert told[0].startswith(f"butlr-exporter: {source} line 7: ")
        assert told[1].startswith(f"butlr-exporter: {source} line 8: ")
        assert len(told) == MOST_LINES + 1
        assert told[-1] == f"butlr-exporter: {source}: 2 more such mistakes"

    @pytest.mark.parametrize("text", [b"", body(delivery(int(time.time() * SECOND)))], ids=["empty", "fresh"])
    def test_nothing_to_write(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes) -> None:
        """No file is made, so that none is imported."""
        (tmp_path / "in").write_bytes(text)
        assert main(["export", "--in", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
        assert capsys.readouterr().err == "butlr-exporter: nothing to write: no reading has settled\n"
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("flags", "status", "told"),
        [
            (["--in={tmp}/none", "--out={tmp}/out"], 1, "'{tmp}/none' cannot be read: No such file or directory"),
            (["--in={tmp}", "--out={tmp}/out"], 1, "'{tmp}' cannot be read: Is a directory"),
            (["--in=\0", "--out={tmp}/out"], 1, "cannot be read: that is no path"),
            (["--in={source}", "--out={tmp}/no/out"], 1, "'{tmp}/no/out' cannot be written: No such file or directory"),
            (["--in={source}", "--out=\0"], 1, "cannot be written: that is no path"),
            (["--in={source}"], 2, "--in and --out are both needed"),
            (["--out=-"], 2, "--in and --out are both needed"),
            (["--in={source}", "--out={source}"], 2, "the same file, which would be lost"),
            (["--in={source}", "--out=-", "--window=soon"], 2, "--window must be a duration"),
            (["--in={source}", "--out=-", "--tls-cert=x"], 2, "--tls-cert"),
            (["--in={source}", "--out=-", "--lables=x"], 2, "did you mean --labels?"),
        ],
    )
    def test_what_cannot_be_done(
        self,
        source: Path,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        flags: list[str],
        status: int,
        told: str,
    ) -> None:
        """A line that says why, and the file that was there is as it was."""
        before = source.read_bytes()
        try:
            ended = main(["export", *(flag.format(tmp=tmp_path, source=source) for flag in flags)])
        except SystemExit as error:
            ended = int(str(error.code))
        assert ended == status
        assert told.format(tmp=tmp_path) in capsys.readouterr().err
        assert source.read_bytes() == before


def test_promtool_and_prometheus(tmp_path: Path) -> None:
    """Blocks made of the file answer with what the independent oracle says each reading came to."""
    plan = Plan(zones=20, measures=tuple(Measure), intervals=180, seed=3)
    start = int(time.time() * SECOND) - 6 * HOUR
    sent = list(deliveries(plan, start))
    (tmp_path / "in").write_bytes(b"".join(each.body + b"\n" for each in sent))
    assert main(["export", "--in", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    command = [program("promtool", "prometheus"), "tsdb", "create-blocks-from", "openmetrics"]
    subprocess.run([*command, str(tmp_path / "out"), str(tmp_path / "data")], check=True, capture_output=True)

    answered = [Answered(each.body, 0, each.due, each.due, 1, {"?": 1}) for each in sent]
    history = Oracle(answered, Rule()).history()
    assert sum(map(len, history.values())) > 180 * 20
    with running(tmp_path / "log") as exporter, prometheus(exporter, tmp_path) as one:
        for measure, family in SETTLED.items():
            stored = {
                series["metric"]["zone_id"]: {round(t * 1000): float(value) for t, value in series["values"]}
                for series in one.get("query", query=f"{family}[12h]")["result"]
            }
            assert stored == {zone: readings for (zone, of), readings in history.items() if of is measure}
