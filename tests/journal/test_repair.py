"""A truncated journal: its undamaged rows come back, and no damaged one does."""

import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from exporter.events.measures import Measure
from exporter.journal import repair
from exporter.journal.database import PAGE_SIZE
from exporter.journal.interface import JournalError
from exporter.journal.log import log_numbers, log_path
from exporter.journal.repair import TRUNCATED, open_file
from exporter.rule.reading import Reading
from exporter.rule.store import Store
from tests.support.deliveries import MINUTE, NOW, delivery
from tests.support.journals import begun, files, opened, recorded, restored, save, states
from tests.support.stores import applied, readings


def all_readings(store: Store) -> list[tuple[str, Reading]]:
    """Return every reading of a store, with the id of its space."""
    return [
        (state.space_id, reading)
        for state in store.states(store.keys())
        for reading in store.readings(Measure.ZONE_OCCUPANCY, state.space_id)
    ]


class TestTruncated:
    """A file or log that a crash truncated."""

    @pytest.mark.parametrize("compacted", [False, True])
    def test_at_every_sector_of_the_last_page(
        self, path: str, compacted: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The undamaged rows come back, whether they are spaces or entries, and the truncated file is set aside."""
        events = [delivery(NOW - n * MINUTE, zone=f"zone_{zone:03}") for zone in range(50) for n in range(14)]
        Random(1).shuffle(events)  # or the last page would hold one zone alone
        before = set(all_readings(recorded(path, *events, compacted=compacted)))
        with closing(sqlite3.connect(path)) as database:
            (rows,) = database.execute("SELECT (SELECT count(*) FROM space) + count(*) FROM piece").fetchone()
        assert rows >= 50
        content = Path(path).read_bytes()
        assert len(content) % PAGE_SIZE == 0
        for cut in range(len(content) - PAGE_SIZE, len(content), 512):
            Path(path).write_bytes(content[:cut])
            after = restored(path)
            repaired = [record.args for record in caplog.records if record.message == "journal was truncated"][-1]
            assert isinstance(repaired, dict)
            assert repaired["set_aside"] == path + TRUNCATED
            assert rows - 5 < repaired["rows"] < rows
            assert len(before) - 70 < len(all_readings(after)) < len(before)
            assert before.issuperset(all_readings(after))
            assert Path(path + TRUNCATED).read_bytes() == content[:cut]
            Path(path + TRUNCATED).unlink()
            assert states(restored(path)) == states(after)

    def test_the_write_ahead_log(self, path: str) -> None:
        """A truncated write-ahead log of SQLite costs the space that was saved last, and nothing else."""
        store, _ = applied(*[delivery(NOW, n, zone=f"zone_{n}") for n in range(9)])
        journal = open_file(path)
        for state in store.states(store.keys()):
            save(journal, [state])
        log = Path(f"{path}-wal").read_bytes()
        main = Path(path).read_bytes()
        journal.close()
        Path(path).write_bytes(main)
        Path(f"{path}-wal").write_bytes(log[:-100])
        assert len(states(restored(path))) == 8

    def test_a_log(self, path: str, caplog: pytest.LogCaptureFixture) -> None:
        """A truncated log costs its incomplete entry, which is logged, and nothing else; the next run goes on."""
        journal = begun(path)
        journal.append([delivery(NOW, 0, zone="zone_0")], NOW)
        whole = len(Path(log_path(path, 1)).read_bytes())
        journal.append([delivery(NOW, 1, zone="zone_1")], NOW)
        left = {file: Path(file).read_bytes() for file in files(path)}
        journal.close()
        log = left.pop(log_path(path, 1))
        cuts = {size: size // whole for size in range(len(log) + 1)} | {len(log): 2}
        assert sum(cuts.values()) > 100
        for size, number in cuts.items():
            for end in (b"", bytes(99)):
                for file, content in left.items():
                    Path(file).write_bytes(content)
                Path(log_path(path, 1)).write_bytes(log[:size] + end)
                caplog.clear()
                store, recorder = opened(path)
                assert len(states(store)) == number
                is_logged = "journal has a truncated log" in caplog.text
                assert is_logged is (size not in (16, whole, len(log)) or bool(end))
                recorder.apply([delivery(zone="zone_2")], NOW)
                recorder.close()
                assert len(states(restored(path))) == number + 1

    def test_a_damaged_log(self, path: str) -> None:
        """A log with any byte changed before its last entry is corrupt."""
        journal = begun(path)
        for n in range(3):
            journal.append([delivery(NOW, n, zone=f"zone_{n}", name="")], NOW)
        left = {file: Path(file).read_bytes() for file in files(path)}
        journal.close()
        log = left[log_path(path, 1)]
        last = log.rindex(b"zone_2")
        for at in range(last - 100):
            for file, content in left.items():
                Path(file).write_bytes(content)
            Path(log_path(path, 1)).write_bytes(log[:at] + bytes([log[at] ^ 64]) + log[at + 1 :])
            with pytest.raises(JournalError, match=r"belongs to another journal|is corrupt") as refused:
                restored(path)
            text = str(refused.value)
            if at < 16:
                assert text == f"{log_path(path, 1)} belongs to another journal than {path}; move it away"
            else:
                assert text.startswith(
                    f"{path} is corrupt ({log_path(path, 1)}: a record is damaged); restore it from a copy"
                )

    def test_its_log_is_read(self, path: str) -> None:
        """The logs of a repaired file still belong to it."""
        recorded(path, *[delivery(NOW, zone=f"zone_{zone}") for zone in range(20)])
        journal = begun(path)
        journal.append([delivery(NOW, zone="zone_x")], NOW)
        journal._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (number,) = log_numbers(path)
        main, log = Path(path).read_bytes(), Path(log_path(path, number)).read_bytes()
        journal.close()
        Path(path).write_bytes(main[:-1])
        Path(log_path(path, number)).write_bytes(log)
        spaces = {state.space_id for state in states(restored(path))}
        assert 10 < len(spaces) < 21
        assert "zone_x" in spaces

    def test_a_second_time(self, path: str) -> None:
        """A file that was set aside before stays."""
        recorded(path, *[delivery(NOW - n * MINUTE, zone=f"zone_{zone:03}") for zone in range(30) for n in range(14)])
        for suffix in ("", ".2"):
            content = Path(path).read_bytes()[:-1]
            Path(path).write_bytes(content)
            restored(path)
            assert Path(f"{path}{TRUNCATED}{suffix}").read_bytes() == content

    def test_nothing_is_undamaged(self, path: str) -> None:
        """A file without an undamaged row does not open as if it were new."""
        recorded(path, delivery(NOW))
        content = Path(path).read_bytes()[: PAGE_SIZE + 100]
        Path(path).write_bytes(content)
        with pytest.raises(JournalError, match=r"is corrupt .*no row in it is undamaged"):
            open_file(path)
        assert [file.read_bytes() for file in Path(path).parent.iterdir()] == [content]

    def test_a_truncated_file_with_a_log(self, path: str) -> None:
        """A truncated file with a write-ahead log is not repaired, as the log belongs to the missing part."""
        journal = open_file(path)
        journal.start()
        journal.append([delivery(NOW, n, zone=f"zone_{n}") for n in range(99)], NOW)
        log = Path(f"{path}-wal").read_bytes()
        main = Path(path).read_bytes()
        journal.close()
        Path(path).write_bytes(main[:-PAGE_SIZE])
        Path(f"{path}-wal").write_bytes(log[: len(log) // 2])
        with pytest.raises(JournalError, match="is corrupt"):
            restored(path)
        assert not Path(path + TRUNCATED).exists()

    def test_a_gap_in_the_middle(self, path: str) -> None:
        """The rows on both sides of a blank page come back once, but for a damaged row."""
        events = [delivery(NOW - n, n, id=f"event_{n:04}") for n in range(400)]
        recorded(path, *events, compacted=False)
        content = Path(path).read_bytes()
        pages = [bytearray(content[at : at + PAGE_SIZE]) for at in range(0, len(content), PAGE_SIZE)]
        on_page = [{n for n in range(400) if f"event_{n:04}".encode() in page} for page in pages]
        in_order = [at for at in sorted(range(len(pages)), key=lambda at: max(on_page[at], default=0)) if on_page[at]]
        damaged, blank = ([n in numbers for numbers in on_page].index(True) for n in (42, 200))
        beside = [on_page[in_order[in_order.index(blank) + step]] for step in (-1, 1)]
        pages[damaged][pages[damaged].index(b"event_0042") + 9] = ord("3")
        pages[blank][:] = bytes(PAGE_SIZE)
        Path(path).write_bytes(b"".join(pages))
        rows = repair._copy(path, f"{path}.new")
        found = {NOW - timestamp for timestamp in readings(restored(f"{path}.new"))}
        assert len(in_order) - 4 <= rows <= len(in_order)
        assert found.isdisjoint(on_page[damaged] | on_page[blank])
        # Python's cursor loses the row beside an unreadable one.
        assert found.union(on_page[damaged], on_page[blank], *beside) == set(range(400))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "there is not enough memory to read it, or it is corrupt"),
        (KeyError(99), "is corrupt (99)"),
        (OSError(28, "No space left on device"), "cannot be repaired: the disk is full; make room on it"),
    ],
)
def test_a_failing_repair_says_why(path: str, monkeypatch: pytest.MonkeyPatch, error: Exception, text: str) -> None:
    """A failing repair of a truncated file ends the start with a reason and no traceback."""
    recorded(path, delivery())
    os.truncate(path, os.path.getsize(path) - 1)

    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(repair, "repair", fail)
    with pytest.raises(JournalError, match=re.escape(text)):
        open_file(path)
