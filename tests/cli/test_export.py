"""`butlr-exporter export`: its files, and its messages about bad ones."""

import gzip
import io
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.cli.captured import MAX_MISTAKES_SHOWN
from exporter.cli.main import main
from exporter.events.measures import Measure
from tests.support.deliveries import MINUTE, MINUTE_MEASURES, SECOND, body, delivery

PAST = 1_790_000_000_000
"""A time at which nothing is unsettled any more, milliseconds since the epoch."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file of deliveries: two of one reading, a late one, and an array."""
    file = tmp_path / "deliveries.ndjson"
    lines = [
        body(delivery(PAST, 1, id="a")),
        body(delivery(PAST, 2, id="b")),
        b"",
        body(delivery(PAST - 15 * MINUTE, 9)),
        body(delivery(PAST + MINUTE, 3), delivery(PAST, 4, measure=Measure.ZONE_OCCUPANCY_1MIN)),
        b'{"id":"e","type":"SENSOR_HEALTH","timestamp":1790000000000,"data":3}',
    ]
    file.write_bytes(b"\n".join(lines))
    return file


def samples(text: str) -> list[str]:
    """Return the lines with samples."""
    return [line for line in text.splitlines() if line.startswith("butlr_")]


class TestFiles:
    """Histories from one file to another."""

    def test_history(self, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The history has each reading once, with its final value, and a summary is printed."""
        out = tmp_path / "history.om"
        assert main(["export", "--in", str(source), "--out", str(out), "--labels", "zone_name"]) == 0
        assert samples(out.read_text()) == [
            'butlr_zone_occupancy_settled{zone_id="zone_a",zone_name="Desk 01"} 2.0 1790000000.0',
            'butlr_zone_occupancy_settled{zone_id="zone_a",zone_name="Desk 01"} 3.0 1790000060.0',
            'butlr_zone_occupancy_1min_settled{zone_id="zone_a",zone_name="Desk 01"} 4.0 1790000000.0',
        ]
        assert capsys.readouterr().err.splitlines() == [
            "3 readings of 2 series, from 2026-09-21T14:13:20Z to 2026-09-21T14:14:20Z",
            "of 5 events: 3 new, 1 corrected, 1 late",
            "left out: 1 late, by --window (15m) or more; a longer window includes them",
        ]

    def test_rooms_and_floors(self, tmp_path: Path) -> None:
        """The history has the readings of every minute measure, each with the labels of its kind of space."""
        source, out = tmp_path / "in", tmp_path / "history.om"
        events = [delivery(PAST, v, measure=measure) for v, measure in enumerate(MINUTE_MEASURES)]
        source.write_bytes(body(*events).replace(b'"data": 2.0', b'"data": -2'))
        assert main(["export", "--in", str(source), "--out", str(out), "--labels", "room_name"]) == 0
        assert samples(out.read_text()) == [
            'butlr_zone_occupancy_settled{room_name="",zone_id="zone_a"} 0.0 1790000000.0',
            'butlr_zone_occupancy_1min_settled{room_name="",zone_id="zone_a"} 1.0 1790000000.0',
            'butlr_room_occupancy_settled{room_id="zone_a",room_name="Desk 01"} 0.0 1790000000.0',
            'butlr_room_occupancy_1min_settled{room_id="zone_a",room_name="Desk 01"} 3.0 1790000000.0',
            'butlr_floor_occupancy_settled{floor_id="zone_a"} 4.0 1790000000.0',
            'butlr_floor_occupancy_1min_settled{floor_id="zone_a"} 5.0 1790000000.0',
        ]

    def test_a_longer_window(self, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A longer window includes late deliveries."""
        out = tmp_path / "history.om"
        assert main(["export", "--in", str(source), "--out", str(out), "--window=1h"]) == 0
        assert len(samples(out.read_text())) == 4
        assert "late" not in capsys.readouterr().err

    def test_nothing_has_settled_by_then(self, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Readings that have not settled by `settle_after` are not written."""
        assert main(["export", "--in", str(source), "--out=-", "--settle-after=20y"]) == 1
        assert "no count is final yet" in capsys.readouterr().err

    def test_settings_from_the_environment(
        self, source: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Only variables of the command's own settings are read, as others may be for another machine."""
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
        """`-` reads standard input and writes standard output."""
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(source.read_bytes())))
        assert main(["export", "--in=-", "--out=-"]) == 0
        assert len(samples(capsys.readouterr().out)) == 3

    def test_labels_and_an_end(self, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """`--label` adds labels to every series, and `--until` leaves out later readings."""
        flags = [
            "--label=job=butlr-settled",
            '--label=instance="here"',
            "--labels=zone_id",
            "--until=2026-09-21T14:14:00Z",
        ]
        assert main(["export", "--in", str(source), "--out=-", *flags]) == 0
        labels = r'{instance="\"here\"",job="butlr-settled",zone_id="zone_a"}'
        assert samples(capsys.readouterr().out) == [
            f"butlr_zone_occupancy_settled{labels} 2.0 1790000000.0",
            f"butlr_zone_occupancy_1min_settled{labels} 4.0 1790000000.0",
        ]

    def test_the_end_of_a_capture(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Future readings are left out, and a note says how many of the last may still be corrected."""
        ahead = [delivery(PAST + m * MINUTE, generation=PAST // 1000) for m in (-10, -6, -5, 0, 6)]
        (tmp_path / "in").write_bytes(b"\n".join(map(body, ahead)))
        assert main(["export", "--in", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
        printed = capsys.readouterr().err
        assert "left out: 1 of the future" in printed
        assert (
            "the last 2 readings may have been corrected after the end of the file; --until 2026-09-21T14:07:20Z"
            in printed
        )

    @pytest.mark.parametrize("text", [b"\xef\xbb\xbf%s\r\n", b"%s"], ids=["mark and CRLF", "plain"])
    def test_how_lines_end(self, tmp_path: Path, text: bytes) -> None:
        """A byte order mark, CRLF, and a missing line end at the end of the file are accepted."""
        (tmp_path / "in").write_bytes(text % body(delivery(PAST)))
        assert main(["export", "--in", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0

    def test_a_device(self, source: Path) -> None:
        """A device is written to directly, without the summary in it."""
        command = f"{sys.executable} -m exporter export --in {source} --out /dev/stdout 2>/dev/null"
        ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)  # noqa: S602
        assert " 1790000000.0\n" in ended.stdout
        assert ended.stdout.endswith("\n# EOF\n")

    def test_a_full_disk(self, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The existing file stays as it was when the disk is full."""
        (tmp_path / "out").write_text("before")
        (tmp_path / "out.part").symlink_to("/dev/full")
        assert main(["export", "--in", str(source), "--out", str(tmp_path / "out")]) == 1
        assert "No space left on device" in capsys.readouterr().err
        assert (tmp_path / "out").read_text() == "before"
        assert not (tmp_path / "out.part").exists()

    def test_a_reader_that_has_had_enough(self, source: Path) -> None:
        """A closed pipe ends the command without a traceback."""
        command = f"{sys.executable} -m exporter export --in {source} --out - | true"
        ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
        assert "Traceback" not in ended.stderr


class TestMistakes:
    """Mistakes in files and arguments."""

    def test_lines_that_are_no_events(self, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Each bad line is reported with its number, and the good events are written."""
        good = body(delivery(PAST + 2 * MINUTE, 5))
        with source.open("ab") as file:
            file.write(b"\n{\n[{}," + good + b"]\n" + b"0\n" * MAX_MISTAKES_SHOWN)
        out = tmp_path / "history.om"
        assert main(["export", "--in", str(source), "--out", str(out)]) == 1
        assert len(samples(out.read_text())) == 4
        printed = capsys.readouterr().err.splitlines()
        assert printed[0].startswith(f"butlr-exporter: {source} line 7: ")
        assert printed[1].startswith(f"butlr-exporter: {source} line 8: ")
        assert printed[MAX_MISTAKES_SHOWN] == f"butlr-exporter: {source}: 2 more such mistakes"

    @pytest.mark.parametrize("is_empty", [True, False])
    def test_nothing_to_write(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], is_empty: bool) -> None:
        """No file is made when there is nothing to write."""
        text = b"" if is_empty else body(delivery(int(time.time() * SECOND)))
        why = "no line is an event of an exported type" if is_empty else "no count is final yet"
        (tmp_path / "in").write_bytes(text)
        assert main(["export", "--in", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
        assert capsys.readouterr().err == f"butlr-exporter: nothing to write: {why}\n"
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("flags", "status", "printed"),
        [
            (["--in={tmp}/none", "--out={tmp}/out"], 1, "'{tmp}/none' cannot be read: No such file or directory"),
            (["--in={tmp}", "--out={tmp}/out"], 1, "'{tmp}' cannot be read: Is a directory"),
            (["--in=\0", "--out={tmp}/out"], 1, "cannot be read: not a valid path"),
            (["--in={source}", "--out={tmp}/no/out"], 1, "'{tmp}/no/out' cannot be written: No such file or directory"),
            (["--in={source}", "--out=\0"], 1, "cannot be written: not a valid path"),
            (["--in={source}"], 2, "--in and --out are both needed"),
            (["--out=-"], 2, "--in and --out are both needed"),
            (["--in={source}", "--out={source}"], 2, "the same file, which would be lost"),
            (["--in={source}", "--out=-", "--window=soon"], 2, "--window must be a duration"),
            (["--in={source}", "--out=-", "--tls-cert", "x"], 2, "this command does not take --tls-cert"),
            (["--in={source}", "--in={source}", "--out=-"], 2, "cat FILE... | butlr-exporter export --in -"),
            (["--in={source}", "--out=-", "--label=job"], 2, "must be NAME=VALUE such as job=butlr-settled, not 'job'"),
            (["--in={source}", "--out=-", "--label=jo-b=x"], 2, "must be NAME=VALUE"),
            (["--in={source}", "--out=-", "--label=job=\udcff"], 2, "must be UTF-8 text, not 'job=\\udcff'"),
            (["--in={source}", "--out=-", "--label=zone_id=x"], 2, "zone_id is a label of the spaces already"),
            (
                ["--in={source}", "--out=-", "--format=xls"],
                2,
                "--format: must be openmetrics or csv, not 'xls'",
            ),
            (["--in={source}", "--out=-", "--format=csv", "--label=value=x"], 2, "value is a label of the spaces"),
            (["--in={source}", "--out=-", "--until=soon"], 2, "must be a time such as 2026-11-25T08:00:00Z"),
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
        printed: str,
    ) -> None:
        """A mistake is reported in a line, and an existing file stays as it was."""
        before = source.read_bytes()
        try:
            ended = main(["export", *(flag.format(tmp=tmp_path, source=source) for flag in flags)])
        except SystemExit as error:
            ended = int(str(error.code))
        assert ended == status
        assert printed.format(tmp=tmp_path) in capsys.readouterr().err
        assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "closed", "printed"),
    [
        ("--in - --out -", "<&-", "standard input cannot be read: Bad file descriptor"),
        ("--in {} --out -", ">&-", "standard output cannot be written: Bad file descriptor"),
    ],
)
def test_a_closed_stream(source: Path, flags: str, closed: str, printed: str) -> None:
    """A closed standard stream is reported like a file that cannot be opened."""
    command = f"{sys.executable} -m exporter export {flags.format(source)} {closed}"
    ended = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert ended.returncode == 1
    assert ended.stderr == f"butlr-exporter: {printed}\n"


def test_a_compressed_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A compressed file is reported once, not once for each of its lines."""
    (tmp_path / "in").write_bytes(gzip.compress(b"{}"))
    assert main(["export", "--in", str(tmp_path / "in"), "--out=-"]) == 1
    assert capsys.readouterr().err.endswith("is compressed; pass it through gunzip\n")
