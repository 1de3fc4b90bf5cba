"""A journal that is removed, moved or replaced under a running exporter is rewritten, and loses nothing before."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.journal.interface import JournalError
from exporter.journal.recorder import Recorder
from exporter.rule.store import Store
from tests.support.deliveries import NOW, delivery
from tests.support.journals import compact, file_of, files, full_disk, opened, recorded, restored, states


class Scene:
    """An exporter with saved spaces and entries in its journal, and an older copy and a foreign journal beside it."""

    def __init__(self, path: str) -> None:
        """Arrange all of it."""
        self.path = path
        recorded(path, *[delivery(zone=f"zone_{n}") for n in range(3)])
        shutil.copy(path, f"{path}.older")
        recorded(f"{path}.other", *[delivery(zone=f"zone_x{n}") for n in range(3)], compacted=False)
        self.store: Store
        self.recorder: Recorder
        self.store, self.recorder = opened(path)
        for n in range(3, 6):
            self.deliver(n)
        compact(self.recorder)
        for n in range(6, 9):
            self.deliver(n)

    def deliver(self, n: int) -> None:
        """Apply one event to the zone with a number."""
        event = delivery(NOW, n, id=f"{n}", zone=f"zone_{n}")
        self.recorder.apply([event], NOW)

    @property
    def log(self) -> str:
        """Return the path of the log."""
        (log,) = (file for file in files(self.path) if "-log." in file)
        return log


def removed(scene: Scene) -> None:
    """Remove the file."""
    os.remove(scene.path)


def all_removed(scene: Scene) -> None:
    """Remove the file and all that belongs to it."""
    for file in files(scene.path):
        os.remove(file)


def copied(scene: Scene) -> None:
    """Replace the file by a copy of itself, as rsync does."""
    shutil.copy(scene.path, f"{scene.path}.copy")
    os.replace(f"{scene.path}.copy", scene.path)


def older(scene: Scene) -> None:
    """Replace the file by an older copy."""
    os.replace(f"{scene.path}.older", scene.path)


def foreign(scene: Scene) -> None:
    """Replace the file by the journal of another exporter."""
    os.replace(f"{scene.path}.other", scene.path)


def moved_and_back(scene: Scene) -> None:
    """Move the file away, and back when the exporter has noticed."""
    os.rename(scene.path, f"{scene.path}.away")
    scene.recorder.maintain()
    os.replace(f"{scene.path}.away", scene.path)


def log_removed(scene: Scene) -> None:
    """Remove the log."""
    os.remove(scene.log)


def log_copied(scene: Scene) -> None:
    """Replace the log by a copy of itself."""
    shutil.copy(scene.log, f"{scene.path}.copy")
    os.replace(f"{scene.path}.copy", scene.log)


def log_removed_on_a_full_disk(scene: Scene) -> None:
    """Remove the log while the disk is full."""
    os.remove(scene.log)
    with full_disk():
        scene.recorder.maintain()
        scene.recorder.maintain()


def removed_on_a_full_disk(scene: Scene) -> None:
    """Remove the file while the disk is full."""
    os.remove(scene.path)
    with full_disk():
        scene.recorder.maintain()
        scene.recorder.maintain()


def wal_removed(scene: Scene) -> None:
    """Remove SQLite's write-ahead log."""
    os.remove(f"{scene.path}-wal")


DISASTERS = [
    removed,
    all_removed,
    copied,
    older,
    foreign,
    moved_and_back,
    log_removed,
    log_copied,
    log_removed_on_a_full_disk,
    removed_on_a_full_disk,
    wal_removed,
]


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("disaster", DISASTERS)
def test_it_is_rewritten(disaster: Callable[[Scene], None], killed: bool, tmp_path: Path) -> None:
    """One `maintain` later the journal has all that the exporter knows and nothing else, also after a kill."""
    scene = Scene(str(tmp_path / "journal.db"))
    disaster(scene)
    time.sleep(0.06)
    scene.recorder.maintain()
    assert not scene.recorder.refuses
    scene.deliver(9)
    scene.recorder.maintain()
    path = scene.path
    if killed:
        path = str(tmp_path / "copies" / "journal.db")
        (tmp_path / "copies").mkdir()
        for file in files(scene.path):
            shutil.copy(file, tmp_path / "copies")
    scene.recorder.close()
    assert states(restored(path)) == states(scene.store)
    assert files(scene.path) == [scene.path]


def test_put_back_after_the_end(tmp_path: Path) -> None:
    """A file that was moved away, and back after the exporter ended, finds its log in its place."""
    scene = Scene(str(tmp_path / "journal.db"))
    os.rename(scene.path, f"{scene.path}.away")
    with full_disk():
        scene.recorder.maintain()
        scene.recorder.close()
    os.rename(f"{scene.path}.away", scene.path)
    assert states(restored(scene.path)) == states(scene.store)


def test_an_interrupted_rewrite(tmp_path: Path) -> None:
    """A start between the loss of a log and the rewrite of all spaces does not ignore the lost entries."""
    scene = Scene(str(tmp_path / "journal.db"))
    os.remove(scene.log)
    file_of(scene.recorder).abandon()
    with pytest.raises(JournalError, match=r"is without its log .*journal.db-log.4; restore the log"):
        restored(scene.path)


def test_each_reason_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the journal cannot be rewritten, the log has one line for each reason."""
    scene = Scene(str(tmp_path / "journal.db"))
    os.rename(scene.path, f"{scene.path}.away")
    Path(scene.path).write_bytes(b"precious")
    for _ in range(3):
        scene.recorder.maintain()
    reasons = [record.args for record in caplog.records if record.message == "journal cannot be written"]
    assert reasons == [
        {"reason": f"{scene.path} is gone"},
        {"reason": f"{scene.path} is not a journal of butlr-exporter; choose another path"},
    ]
    os.replace(f"{scene.path}.away", scene.path)
    scene.recorder.maintain()
    scene.recorder.close()
    assert states(restored(scene.path)) == states(scene.store)
