"""Entries and saved spaces: how a file is written, and compacted."""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from exporter.events.model import Metadata
from exporter.journal import file as file_module
from exporter.journal import sqlite as journal_module
from exporter.journal.interface import JournalError
from exporter.journal.records import frame
from exporter.journal.repair import open_file
from exporter.journal.sqlite import JournalGone, Row, SqliteFile
from exporter.rule.space import SpaceState
from tests.support.deliveries import HOUR, NOW, delivery
from tests.support.journals import (
    begun,
    compact,
    copy_files,
    file_of,
    full_disk,
    opened,
    remove_entries,
    restored,
    save,
    states,
)
from tests.support.stores import applied, readings


class Keyless(SpaceState):
    """A space that the file cannot save."""

    key = None  # type: ignore[assignment]


class TestWriting:
    """Entries and saved spaces."""

    def test_all_or_none(self, path: str) -> None:
        """A write of several spaces that fails in the middle saves none of them."""
        store, _ = applied(delivery(NOW), delivery(NOW, zone="zone_b"))
        first, second = store.states(store.keys())
        journal = open_file(path)
        with pytest.raises(JournalError):
            save(journal, [first, Keyless(*second)])
        assert list(journal.spaces()) == []
        save(journal, [first, second])
        assert len(list(journal.spaces())) == 2
        journal.close()

    def test_a_file_that_is_gone(self, path: str) -> None:
        """An entry is refused where the next start would not find the file, also if another file is in its place."""
        journal = begun(path)
        journal.append([delivery(NOW)], NOW)
        os.remove(path)
        time.sleep(0.06)
        with pytest.raises(JournalGone):
            journal.append([delivery(NOW)], NOW)
        Path(path).touch()
        time.sleep(0.06)
        with pytest.raises(JournalGone):
            journal.append([delivery(NOW)], NOW)
        journal.close()

    def test_remove(self, path: str) -> None:
        """`remove` removes the saved spaces that are named; a removed space can be saved again."""
        store, _ = applied(delivery(NOW), delivery(NOW, zone="zone_b"))
        states = sorted(store.states(store.keys()))
        for returns in (False, True):
            journal = open_file(path)
            save(journal, states)
            journal.begin_checkpoint(journal.begin_log())
            save(journal, states[1:])
            assert journal.saved_before() == ["zone:zone_a"]
            journal.remove(["zone:zone_a"])
            if returns:
                save(journal, states)
            journal.close()
            spaces = {space.id for space in restored(path).snapshot(NOW).spaces}
            assert spaces == ({"zone_a", "zone_b"} if returns else {"zone_b"})

    def test_metadata(self, path: str) -> None:
        """An entry has the metadata of a space only where it is new, or where the write before failed."""
        events = [delivery(NOW - n, n, id=f"{n}", name=name) for n, name in enumerate("aab")]
        journal = open_file(path)
        journal.start()
        journal.append(events[:2], NOW)
        with full_disk(), pytest.raises(JournalError, match="it may not grow further"):
            journal.append(events[2:], NOW)
        journal.append(events[2:], NOW)
        assert list(journal.deliveries()) == [(event, NOW) for event in events]
        assert [entry.count(b"1st Floor") for entry in journal._contents()] == [1, 1]
        journal.close()

    def test_a_saved_space_covers_its_entries(self, path: str) -> None:
        """Entries before a space was saved are not applied to it again, and its metadata is not written again."""
        events = [delivery(NOW - n, n, id=f"{n}") for n in range(3)]
        store, _ = applied(*events[:2])
        journal = begun(path)
        journal.append(events[:1], NOW)
        journal.append(events[1:2], NOW)
        journal.begin_checkpoint(journal.begin_log())
        save(journal, store.states(["zone:zone_a"]))
        journal.append(events[2:], NOW)
        journal.close()
        journal = SqliteFile(path)
        assert list(journal.spaces()) == store.states(["zone:zone_a"])
        assert list(journal.deliveries()) == [(events[2], NOW)]
        assert [entry.count(b"1st Floor") for entry in journal._contents()] == [1, 0, 0]
        journal.close()

    def test_metadata_outlives_a_removed_entry(self, path: str) -> None:
        """An entry after the begin of a checkpoint has the metadata again, as its space may not be saved."""
        journal = begun(path)
        journal.append([delivery(NOW)], NOW)
        checkpoint = journal.begin_checkpoint(journal.begin_log())
        journal.append([delivery(NOW - 1)], NOW)
        journal.end_checkpoint(checkpoint)
        remove_entries(journal, checkpoint)
        journal.close()
        journal = SqliteFile(path)
        assert list(journal.deliveries()) == [(delivery(NOW - 1), NOW)]
        journal.close()

    def test_metadata_that_is_lost(self, path: str) -> None:
        """A delivery whose metadata is lost with a truncated entry has the id alone."""
        journal = begun(path)
        assert list(journal.deliveries()) == []
        journal.append([delivery(NOW)], NOW)
        journal.close()
        journal = begun(path)
        assert len(list(journal.deliveries())) == 1
        journal.append([delivery(NOW - 1)], NOW)
        journal._database.execute("DELETE FROM piece")
        journal.close()
        journal = SqliteFile(path)
        ((event, _),) = journal.deliveries()
        assert event == delivery(NOW - 1)._replace(metadata=Metadata(zone_id="zone_a"))
        journal.close()

    def test_when_a_compaction_is_due(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A compaction is due above half the size of the spaces and a minimum; entries of earlier runs count."""
        monkeypatch.setattr(journal_module, "_FEW_BYTES", 500)
        store, _ = applied(*[delivery(NOW, zone=f"zone_{zone}") for zone in range(20)])
        journal = begun(path)
        assert list(journal.deliveries()) == []
        save(journal, store.states(store.keys()))
        took = journal._space_bytes
        assert took > 2000
        for _ in range(2):
            written = 0
            while not journal.needs_compaction():
                if 500 < written < took / 2:
                    journal.close()
                    journal = begun(path)
                    assert len(list(journal.spaces())) == 20
                    assert list(journal.deliveries())
                    assert not journal.needs_compaction()
                journal.append([delivery(NOW)], NOW)
                size = sum(len(frame(entry)) for entry in journal._contents())
                assert size > written
                written = size
            assert took / 2 < written < took / 2 + 300
            journal.close()
            journal = begun(path)
            assert len(list(journal.spaces())) == 20
            assert not journal.needs_compaction()
            assert list(journal.deliveries())
            assert journal.needs_compaction()
            checkpoint = journal.begin_checkpoint(journal.begin_log())
            save(journal, store.states(store.keys()))
            assert journal.needs_compaction()  # until the entries are removed
            journal.append([delivery(NOW)], NOW)
            remove_entries(journal, checkpoint)
            assert not journal.needs_compaction()
            assert 0 < journal.entry_bytes < 300
        journal.close()

    def test_a_compaction_leaves_no_entry(self, path: str) -> None:
        """Entries that a compaction removed stay away, through several runs."""
        for n in range(4):
            _, recorder = opened(path)
            recorder.apply([delivery(NOW - n, n, id=f"{n}")], NOW)
            journal = file_of(recorder)
            assert len(list(journal.deliveries())) == 1
            compact(recorder)
            assert list(journal.deliveries()) == []
            recorder.close()
        assert readings(restored(path)) == {NOW - n: n for n in (3, 2, 1, 0)}


class TestCompaction:
    """A whole compaction."""

    @pytest.mark.parametrize("power", ["stays", "is lost"])
    def test_it_can_end_at_any_step(self, path: str, monkeypatch: pytest.MonkeyPatch, power: str) -> None:
        """Deliveries go on between the steps; a kill after any step loses nothing.

        Nor does a loss of power, after which SQLite's files are as they were at the last sync.
        """
        monkeypatch.setattr(file_module, "_CHUNK", 1)
        monkeypatch.setattr(journal_module, "_REMOVED_TOGETHER", 2)
        monkeypatch.setattr(journal_module, "_PIECE", 1)
        for numbers in (range(9), [9]):
            store, recorder = opened(path)
            for n in numbers:
                recorder.apply([delivery(NOW - n, n, id=f"{n}", zone=f"zone_{n % 3}")], NOW)
            if n < 9:
                recorder.close()
        copies = Path(path).parent / "copies"
        on_disk: dict[str, bytes] = {}
        steps = 0

        def deliver(_: object) -> None:
            nonlocal steps
            steps += 1
            event = delivery(NOW - 100 - steps, steps, id=f"x{steps}", zone=f"zone_{steps % 5}", name=f"{steps}")
            recorder.apply([event], NOW)
            copy = copy_files(path, copies)
            if power == "is lost":
                for file, content in on_disk.items():
                    (copies / Path(file).name).write_bytes(content)
            assert states(restored(copy)) == states(store)
            shutil.rmtree(copies)

        def sync(_: object) -> None:
            on_disk.update({file: Path(file).read_bytes() for file in (path, f"{path}-wal")})
            deliver(None)

        write, file = SqliteFile._write, file_of(recorder)

        def write_between(self: SqliteFile, sql: str, rows: Iterable[Row]) -> int:
            if self is not file:  # it is that of a copy
                return write(self, sql, rows)
            deliver(None)
            written = write(self, sql, rows)
            deliver(None)
            return written

        monkeypatch.setattr(file_module, "sleep", deliver)
        on_disk.update({file: Path(file).read_bytes() for file in (path, f"{path}-wal")})
        monkeypatch.setattr(SqliteFile, "sync", sync)
        with monkeypatch.context() as patched:
            patched.setattr(SqliteFile, "_write", write_between)
            compact(recorder)
        # Three spaces, the sync, the log, and four times some pieces; two for each write: of the next log, of at least
        # three spaces, of the end, and of six times some pieces.
        assert steps >= 3 + 1 + 1 + 4 + 2 * (1 + 3 + 1 + 5)
        recorder.close()
        assert states(restored(path)) == states(store)

    def test_forgotten_spaces(self, path: str) -> None:
        """A compaction removes the spaces that were forgotten."""
        store, recorder = opened(path)
        for zone in ("zone_a", "zone_b"):
            recorder.apply([delivery(NOW, zone=zone)], NOW)
        compact(recorder)
        later = NOW + 25 * HOUR
        recorder.apply([delivery(later)], later)
        store.snapshot(later)
        compact(recorder)
        file = file_of(recorder)
        assert (list(file._saved_at), file.saved_before()) == (["zone:zone_a"], [])
        assert list(file._entries.metadata) == ["zone:zone_a"]
        recorder.close()
        assert [state.space_id for state in states(restored(path))] == ["zone_a"]

    @pytest.mark.parametrize("moment", ["chosen", "removed"])
    def test_a_forgotten_space_that_returns(self, path: str, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
        """A space that returns just before it is removed, or before that is written, keeps its names."""
        store, recorder = opened(path)
        recorder.apply([delivery(NOW)], NOW)
        compact(recorder)
        later = NOW + 25 * HOUR
        store.snapshot(later)
        assert store.keys() == []
        chunks, remove = file_module._chunks, SqliteFile.remove

        def return_and_choose(keys: Sequence[str]) -> Iterator[Sequence[str]]:
            for chunk in chunks(keys):
                recorder.apply([delivery(later)], later)
                yield chunk

        def return_and_remove(self: SqliteFile, keys: Sequence[str]) -> None:
            recorder.apply([delivery(later)], later)
            remove(self, keys)

        with monkeypatch.context() as patched:
            if moment == "chosen":
                patched.setattr(file_module, "_chunks", return_and_choose)
            else:
                patched.setattr(SqliteFile, "remove", return_and_remove)
            compact(recorder)
        file_of(recorder).abandon()
        assert [state.metadata for state in states(restored(path))] == [delivery().metadata]
