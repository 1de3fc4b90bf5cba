"""`butlr-exporter export --format csv`: a table for a spreadsheet."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli import export
from exporter.cli.captured import CapturedEvents
from exporter.cli.export import _streamed, _whole
from exporter.cli.main import main
from exporter.events.measures import Measure
from exporter.events.model import ReadingEvent
from exporter.rule.history import History
from tests.support.deliveries import HOUR, MINUTE, MINUTE_MEASURES, NOW, body, deliveries, delivery, place

PAST = 1_790_000_000_000
"""A time at which nothing is unsettled any more, milliseconds since the epoch."""


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a table."""
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


class TestTable:
    """Histories as CSV."""

    def test_history(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Each reading is a row with its final value, its time in UTC, and the names of its space."""
        out = tmp_path / "history.csv"
        smoothed = delivery(PAST, 4, measure=Measure.ZONE_OCCUPANCY_1MIN)
        events = [delivery(PAST, 1, id="a"), delivery(PAST, 2, id="b"), delivery(PAST + MINUTE, 3), smoothed]
        (tmp_path / "in").write_bytes(body(*events, delivery(PAST - HOUR)))
        flags = ["--format=csv", "--labels=floor_name,zone_name", "--label=account=x"]
        assert main(["export", "--in", str(tmp_path / "in"), "--out", str(out), *flags]) == 0
        assert out.read_bytes().decode().split("\r\n") == [
            '\ufeff"time","kind","id","floor_name","zone_name","account","measure","value"',
            '"2026-09-21T14:13:20Z","zone","zone_a","1st Floor","Desk 01","x","ZONE_OCCUPANCY",2',
            '"2026-09-21T14:13:20Z","zone","zone_a","1st Floor","Desk 01","x","ZONE_OCCUPANCY_1MIN",4',
            '"2026-09-21T14:14:20Z","zone","zone_a","1st Floor","Desk 01","x","ZONE_OCCUPANCY",3',
            "",
        ]
        assert capsys.readouterr().err.splitlines()[:2] == [
            "3 readings of 2 series, from 2026-09-21T14:13:20Z to 2026-09-21T14:14:20Z",
            "of 5 events: 3 new, 1 corrected, 1 late",
        ]

    def test_every_kind(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Every minute measure of every kind has rows; a column is empty for a space that cannot have it."""
        events = [delivery(PAST + v, v / 2, measure=measure) for v, measure in enumerate(MINUTE_MEASURES)]
        (tmp_path / "in").write_bytes(body(*events))
        assert main(["export", "--in", str(tmp_path / "in"), "--out=-", "--format=csv"]) == 0
        table = rows(capsys.readouterr().out)
        assert [(row["measure"], row["kind"], row["zone_name"], row["room_name"], row["value"]) for row in table] == [
            ("ZONE_OCCUPANCY", "zone", "Desk 01", "", "0"),
            ("ZONE_OCCUPANCY_1MIN", "zone", "Desk 01", "", "0.5"),
            ("ROOM_OCCUPANCY", "room", "", "Desk 01", "1"),
            ("ROOM_OCCUPANCY_1MIN", "room", "", "Desk 01", "1.5"),
            ("FLOOR_OCCUPANCY", "floor", "", "", "2"),
            ("FLOOR_OCCUPANCY_1MIN", "floor", "", "", "2.5"),
        ]
        assert [row["time"][19:] for row in table] == ["Z", ".001Z", ".002Z", ".003Z", ".004Z", ".005Z"]

    @pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
    def test_a_formula_is_a_text(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], begin: str) -> None:
        """A name, id or label that a spreadsheet would take for a formula begins with an apostrophe."""
        formula = f'{begin}HYPERLINK("http://other.example"; "x")'
        (tmp_path / "in").write_bytes(body(delivery(PAST, zone=formula, name=formula)))
        flags = ["--format=csv", f"--label=more={formula}"]
        assert main(["export", "--in", str(tmp_path / "in"), "--out=-", *flags]) == 0
        (row,) = rows(capsys.readouterr().out)
        assert (row["id"], row["zone_name"], row["more"]) == (f"'{formula}",) * 3

    @pytest.mark.parametrize("name", ['a"b', "a,b", "a;b", "a\nb", "B\u00fcro", "'a", "a=b", ""])
    def test_any_other_name(self, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
        """Any other name is read back as it was sent."""
        (tmp_path / "in").write_bytes(body(delivery(PAST, name=name)))
        assert main(["export", "--in", str(tmp_path / "in"), "--out=-", "--format=csv"]) == 0
        (row,) = rows(capsys.readouterr().out)
        assert row["zone_name"] == name

    @given(deliveries(), st.integers(1, 20), st.integers(0, 20))
    def test_the_same_readings(self, events: list[ReadingEvent], window: int, until: int) -> None:
        """A table has the readings of the other format, however rough the deliveries are."""
        found = []
        for read in (_whole, _streamed):
            history = History(window * MINUTE, 6 * MINUTE, 5 * MINUTE, NOW + 60 * MINUTE)
            settled = read(events, history, Counter(), NOW - until * MINUTE)
            points = [(each.measure, each.metadata, point) for each in settled for point in each.points]
            found.append(
                sorted((measure, getattr(names, measure.kind.id_field), point) for measure, names, point in points)
            )
        assert found[0] == found[1]

    def test_memory_holds_a_window(self) -> None:
        """However long the capture is, no more than the readings of a window wait to be written."""
        history = History(15 * MINUTE, 6 * MINUTE, 5 * MINUTE, PAST + 3000 * MINUTE)
        events = (delivery(PAST + n * MINUTE, n, id=f"{n}", name=f"{n // 1000}") for n in range(2000))
        names = []
        for settled in _streamed(events, history, Counter(), None):
            names += [each.zone_name for each in [place(settled)] for _ in settled.points]
            assert sum(map(len, history._values.values())) <= 15
        assert len(names) == 2000
        assert names == sorted(names)  # a row has the name that its space had when the row was final

    def test_a_capture_that_breaks_off(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A capture that turns out unreadable leaves the table of before as it was, and nothing beside it."""
        source, out = tmp_path / "in", tmp_path / "out"
        out.write_text("before")
        lines = [body(delivery(PAST + n * MINUTE, n, id=f"{n}")) for n in range(40)]
        source.write_bytes(b"\n".join(lines))

        class Breaking(CapturedEvents):
            def _events(self, number: int, line: bytes) -> Iterator[ReadingEvent]:
                if number == 30:
                    raise OSError(5, "Input/output error")
                return super()._events(number, line)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(export, "CapturedEvents", Breaking)
            assert main(["export", "--in", str(source), "--out", str(out), "--format=csv"]) == 1
        assert "cannot be read: Input/output error" in capsys.readouterr().err
        assert out.read_text() == "before"
        assert sorted(tmp_path.iterdir()) == [source, out]
