"""A disk that is slow holds up the maintenance of a journal, and no delivery."""

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from exporter.journal import file as file_module
from exporter.journal.interface import JournalError
from exporter.journal.log import Log, Logs
from exporter.journal.recorder import NotWritten, Recorder
from exporter.journal.sqlite import SqliteFile
from exporter.rule.store import Store
from tests.support.deliveries import HOUR, NOW, delivery
from tests.support.journals import compact, file_of, opened, restored, states
from tests.support.running import PATIENCE

ZONES = 25
"""Zones that are known: more than two chunks of a compaction."""


class StuckDisk:
    """A disk that stops at one of its works, and goes on when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Watch every work that may wait for the disk."""
        self.works = 0
        """Works that were begun."""
        self.stops_at = -1
        """The number of the work at which the disk stops."""
        self.stopped, self.goes_on = threading.Event(), threading.Event()
        for owner, name in (
            (os, "fsync"),
            (os, "remove"),
            (os, "close"),
            (Log, "__init__"),
            (Log, "close"),
            (Logs, "begin"),
            (Logs, "remove"),
            (SqliteFile, "__init__"),
            (SqliteFile, "_write"),
            (SqliteFile, "_contents"),
            (SqliteFile, "abandon"),
        ):
            monkeypatch.setattr(owner, name, self._slow(getattr(owner, name)))

    def _slow(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def slow(*arguments: Any, **options: Any) -> Any:
            self.works += 1
            if self.works == self.stops_at:
                self.stopped.set()
                assert self.goes_on.wait(PATIENCE)
            return work(*arguments, **options)

        return slow

    def stop_at(self, work: int) -> None:
        """Stop at the work with this number, counted from now."""
        self.works, self.stops_at = 0, work
        self.stopped.clear()
        self.goes_on.clear()


def known(path: str) -> tuple[Store, Recorder]:
    """Return a store that knows some zones, and its recorder."""
    store, recorder = opened(path)
    recorder.apply([delivery(zone=f"zone_{zone}") for zone in range(ZONES)], NOW)
    return store, recorder


def compaction(_: str, recorder: Recorder) -> None:
    """Make a compaction due, which also removes the spaces that were forgotten."""
    compact(recorder)
    recorder._store.snapshot(NOW + 25 * HOUR)
    recorder.apply([delivery(NOW + 25 * HOUR, zone=f"zone_{zone}") for zone in range(2)], NOW + 25 * HOUR)


def outage(_: str, recorder: Recorder) -> None:
    """Begin an outage that can be ended."""
    file, append = file_of(recorder), file_of(recorder)._append

    def full(_: bytes) -> None:
        file._append = append  # type: ignore[method-assign]
        raise JournalError("the disk is full")

    file._append = full  # type: ignore[assignment,method-assign]
    with pytest.raises(NotWritten):
        recorder.apply([delivery(NOW + 1, zone=f"zone_{zone}") for zone in range(ZONES)], NOW)


def loss(path: str, _: Recorder) -> None:
    """Remove the file, which is to be rewritten."""
    os.rename(path, f"{path}.away")


def deliver(recorder: Recorder) -> None:
    """Apply an event, whether it can be written or not."""
    with suppress(NotWritten):
        recorder.apply([delivery(NOW + 2, zone="zone_1")], NOW)


@pytest.mark.parametrize("cause", [compaction, outage, loss])
def test_no_delivery_waits_for_the_disk(
    cause: Callable[[str, Recorder], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step of a maintenance waits for the disk, a delivery is answered meanwhile, and nothing is lost."""
    monkeypatch.setattr(SqliteFile, "needs_compaction", lambda _: True)
    monkeypatch.setattr(file_module, "_CHUNK", 10)
    disk = StuckDisk(monkeypatch)
    works, stops = 1, 0
    while works > stops:
        stops += 1
        path = str(tmp_path / f"{stops}.db")
        store, recorder = known(path)
        cause(path, recorder)
        disk.stop_at(stops)
        thread = threading.Thread(target=recorder.maintain)
        thread.start()
        while not disk.stopped.wait(0.01) and thread.is_alive():
            pass
        sender = threading.Thread(target=deliver, args=(recorder,))
        sender.start()
        sender.join(PATIENCE / 10)
        is_waiting = sender.is_alive()
        disk.goes_on.set()
        thread.join(PATIENCE)
        sender.join(PATIENCE)
        assert not is_waiting, f"step {stops}"
        works = disk.works
        recorder.maintain()
        assert not recorder.refuses
        recorder.close()
        assert states(restored(path)) == states(store)
    assert stops >= 3
