"""Deliveries in files: lines as other programs write them, and files that are no lines of UTF-8."""

import gzip
from pathlib import Path

import pytest

from exporter.cli.main import main
from exporter.simulate.load.files import read
from tests.support.deliveries import body, delivery

LINE = body(delivery())


def bodies(file: Path) -> list[bytes]:
    """Return the bodies that are read from a file."""
    with file.open("rb") as lines:
        return [delivery.body for delivery in read(lines) if delivery is not None]


@pytest.mark.parametrize(
    "text",
    [
        b"%b\n%b\n" % (LINE, LINE),
        b"\xef\xbb\xbf%b\r\n\r\n%b" % (LINE, LINE),
        b"\xef\xbb\xbf\n%b\n\xef\xbb\xbf%b\n" % (LINE, LINE),
    ],
    ids=["plain", "mark and CRLF", "two files joined"],
)
def test_lines(tmp_path: Path, text: bytes) -> None:
    """Byte order marks, CRLF, empty lines and a missing line end are no part of a delivery."""
    (tmp_path / "in").write_bytes(text)
    assert bodies(tmp_path / "in") == [LINE, LINE]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LINE.decode().encode("utf-16"), "is UTF-16 text; pass it through iconv -f UTF-16 -t UTF-8"),
        (LINE.decode().encode("utf-16-le"), "is UTF-16 text; pass it through iconv -f UTF-16 -t UTF-8"),
        (gzip.compress(LINE, mtime=0), "is compressed; pass it through gunzip"),
    ],
)
def test_files_that_are_no_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: bytes, reason: str) -> None:
    """A file in another encoding is reported before a line of it is sent, by both commands that read deliveries."""
    (tmp_path / "in").write_bytes(text)
    nobody = "http://127.0.0.1:9/webhook"
    assert main(["simulate", f"--in={tmp_path / 'in'}", f"--url={nobody}"]) == 1
    assert capsys.readouterr().err == f"butlr-exporter: {tmp_path / 'in'} {reason}\n"
    assert main(["export", f"--in={tmp_path / 'in'}", "--out=-"]) == 1
    assert capsys.readouterr().err == f"butlr-exporter: {tmp_path / 'in'} {reason}\n"
