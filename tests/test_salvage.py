"""A journal that was cut off: what is whole comes back, and nothing is taken for more than it is."""

from pathlib import Path
from random import Random

import pytest

from exporter import salvage
from exporter.events import Measure
from exporter.journal import JournalError
from exporter.journal_file import PAGE_SIZE
from exporter.occupancy import Occupancy, Reading
from exporter.salvage import CUT_OFF, open_journal
from tests.deliveries import MINUTE, NOW, delivery
from tests.journals import kept, known, recalled
from tests.stores import readings


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Return where a journal may be."""
    return str(tmp_path / "journal.db")


def told_of(occupancy: Occupancy) -> list[tuple[str, Reading]]:
    """Return every reading."""
    return [
        (space_id, reading)
        for space_id in occupancy.ids()
        for reading in occupancy.readings(Measure.ZONE_OCCUPANCY, space_id)
    ]


class TestCutOff:
    """A file that a crash has cut in the middle."""

    @pytest.mark.parametrize("saved", [False, True])
    def test_at_every_sector_of_its_last_page(self, path: str, saved: bool, caplog: pytest.LogCaptureFixture) -> None:
        """It opens with what was whole, whether that are spaces or deliveries, and the old one is kept."""
        events = [delivery(NOW - n * MINUTE, zone=f"zone_{zone:03}") for zone in range(50) for n in range(14)]
        Random(1).shuffle(events)  # so that the last page is not that of the last zone
        before = set(told_of(kept(path, *events, saved=saved)))
        content = Path(path).read_bytes()
        assert len(content) % PAGE_SIZE == 0
        for cut in range(len(content) - PAGE_SIZE, len(content), 512):
            Path(path).write_bytes(content[:cut])
            after = recalled(path)
            rows, of_a_page = (50, 5) if saved else (700, 70)
            salvaged = [record.args for record in caplog.records if record.message == "journal was cut off"][-1]
            assert isinstance(salvaged, dict)
            assert salvaged["kept"] == path + CUT_OFF
            assert rows - of_a_page < salvaged["rows"] < rows
            assert len(before) - 70 < len(told_of(after)) < len(before)
            assert before.issuperset(told_of(after))
            assert Path(path + CUT_OFF).read_bytes() == content[:cut]
            Path(path + CUT_OFF).unlink()
            assert known(recalled(path)) == known(after)

    def test_the_log_beside_it(self, path: str) -> None:
        """Loses what was written last, and nothing else."""
        journal = open_journal(path)
        for n in range(9):
            journal.append([delivery(NOW, n, zone=f"zone_{n}")], NOW)
        log = Path(f"{path}-wal").read_bytes()
        main = Path(path).read_bytes()
        journal.close()
        Path(path).write_bytes(main)
        Path(f"{path}-wal").write_bytes(log[:-100])
        assert len(known(recalled(path))) == 8

    def test_again(self, path: str) -> None:
        """The one that was kept the first time stays."""
        kept(path, *[delivery(NOW - n * MINUTE, zone=f"zone_{zone:03}") for zone in range(30) for n in range(14)])
        for suffix in ("", ".2"):
            content = Path(path).read_bytes()[:-1]
            Path(path).write_bytes(content)
            recalled(path)
            assert Path(f"{path}{CUT_OFF}{suffix}").read_bytes() == content

    def test_where_nothing_is_whole(self, path: str) -> None:
        """It does not start as if there had been nothing."""
        kept(path, delivery(NOW))
        content = Path(path).read_bytes()[: PAGE_SIZE + 100]
        Path(path).write_bytes(content)
        with pytest.raises(JournalError, match=r"is corrupt .*nothing in it is whole"):
            open_journal(path)
        assert [file.read_bytes() for file in Path(path).parent.iterdir()] == [content]

    def test_both(self, path: str) -> None:
        """It is not guessed at: what is in the log belongs to what is missing."""
        journal = open_journal(path)
        journal.append([delivery(NOW, n, zone=f"zone_{n}") for n in range(99)], NOW)
        log = Path(f"{path}-wal").read_bytes()
        main = Path(path).read_bytes()
        journal.close()
        Path(path).write_bytes(main[:-PAGE_SIZE])
        Path(f"{path}-wal").write_bytes(log[: len(log) // 2])
        with pytest.raises(JournalError, match="is corrupt"):
            recalled(path)
        assert not Path(path + CUT_OFF).exists()

    def test_in_the_middle(self, path: str) -> None:
        """What is on both sides of a blank page is there, once, but for a row that is not what was written."""
        events = [delivery(NOW - n, n, id=f"event_{n:04}") for n in range(400)]
        kept(path, *events, saved=False)
        content = Path(path).read_bytes()
        pages = [bytearray(content[at : at + PAGE_SIZE]) for at in range(0, len(content), PAGE_SIZE)]
        (damaged,) = [page for page in pages if b"event_0042" in page]
        damaged[damaged.index(b"event_0042") + 9] = ord("3")
        (blank,) = [page for page in pages if b"event_0200" in page]
        lost = {n for n in range(400) if f"event_{n:04}".encode() in blank}
        blank[:] = bytes(PAGE_SIZE)
        Path(path).write_bytes(b"".join(pages))
        rows = salvage._copy(path, f"{path}.new")
        found = {NOW - timestamp for timestamp in readings(recalled(f"{path}.new"))}
        assert len(found) == rows
        assert 3 < len(lost) < 50
        assert found.isdisjoint(lost | {42})
        # Python's cursor loses the row beside what it cannot read.
        assert found | lost | {42, min(lost) - 1, max(lost) + 1} == set(range(400))
