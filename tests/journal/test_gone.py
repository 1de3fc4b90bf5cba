"""A journal that is taken away under a running exporter: it is written anew, and nothing that helps is lost before."""

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

Look = Callable[[], None]


class Scene:
    """An exporter with a journal of which a part was saved, a part is in the log, and older copies lie about."""

    def __init__(self, path: str) -> None:
        """Let all that be."""
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
        """Deliver something to a zone of this number."""
        event = delivery(NOW, n, id=f"{n}", zone=f"zone_{n}")
        self.recorder.apply([event], NOW)

    @property
    def log(self) -> str:
        """Where the log is."""
        (log,) = (file for file in files(self.path) if "-log." in file)
        return log


def removed(scene: Scene) -> None:
    """Remove the file."""
    os.remove(scene.path)


def all_removed(scene: Scene) -> None:
    """Remove all."""
    for file in files(scene.path):
        os.remove(file)


def copied(scene: Scene) -> None:
    """Put a copy in its place, as rsync does."""
    shutil.copy(scene.path, f"{scene.path}.copy")
    os.replace(f"{scene.path}.copy", scene.path)


def older(scene: Scene) -> None:
    """Put an older copy in its place."""
    os.replace(f"{scene.path}.older", scene.path)


def other(scene: Scene) -> None:
    """Put that of another exporter in its place."""
    os.replace(f"{scene.path}.other", scene.path)


def moved_and_back(scene: Scene) -> None:
    """Move the file away, and back when that was noticed."""
    os.rename(scene.path, f"{scene.path}.away")
    scene.recorder.maintain()
    os.replace(f"{scene.path}.away", scene.path)


def no_log(scene: Scene) -> None:
    """Remove the log."""
    os.remove(scene.log)


def another_log(scene: Scene) -> None:
    """Put a copy in the place of the log."""
    shutil.copy(scene.log, f"{scene.path}.copy")
    os.replace(f"{scene.path}.copy", scene.log)


def no_log_and_full_disk(scene: Scene) -> None:
    """Remove the log while the disk is full."""
    os.remove(scene.log)
    with full_disk():
        scene.recorder.maintain()
        scene.recorder.maintain()


def no_file_and_full_disk(scene: Scene) -> None:
    """Remove the file while the disk is full."""
    os.remove(scene.path)
    with full_disk():
        scene.recorder.maintain()
        scene.recorder.maintain()


def no_log_of_sqlite(scene: Scene) -> None:
    """Remove SQLite's own log."""
    os.remove(f"{scene.path}-wal")


DISASTERS = [
    removed,
    all_removed,
    copied,
    older,
    other,
    moved_and_back,
    no_log,
    another_log,
    no_log_and_full_disk,
    no_file_and_full_disk,
    no_log_of_sqlite,
]


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("disaster", DISASTERS)
def test_it_is_written_anew(disaster: Callable[[Scene], None], killed: bool, tmp_path: Path) -> None:
    """With all that is known and nothing else, as soon as somebody looks; and it goes on."""
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
    """A file that was moved away finds its log where it was."""
    scene = Scene(str(tmp_path / "journal.db"))
    os.rename(scene.path, f"{scene.path}.away")
    with full_disk():
        scene.recorder.maintain()
        scene.recorder.close()
    os.rename(f"{scene.path}.away", scene.path)
    assert states(restored(scene.path)) == states(scene.store)


def test_interrupted(tmp_path: Path) -> None:
    """When the log is gone and not all is written anew yet, the next start does not pass over what is missing."""
    scene = Scene(str(tmp_path / "journal.db"))
    os.remove(scene.log)
    file_of(scene.recorder).abandon()
    with pytest.raises(JournalError, match=r"is without its log .*journal.db-log.3; restore the log"):
        restored(scene.path)


def test_why_it_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Is told, once for each reason."""
    scene = Scene(str(tmp_path / "journal.db"))
    os.rename(scene.path, f"{scene.path}.away")
    Path(scene.path).write_bytes(b"precious")
    for _ in range(3):
        scene.recorder.maintain()
    told = [record.args for record in caplog.records if record.message == "journal cannot be written"]
    assert told == [
        {"reason": f"{scene.path} is gone"},
        {"reason": f"{scene.path} is not a journal of butlr-exporter; choose another path"},
    ]
    os.replace(f"{scene.path}.away", scene.path)
    scene.recorder.maintain()
    scene.recorder.close()
    assert states(restored(scene.path)) == states(scene.store)
