"""Failures of the system: each message names the file, the cause and the remedy, whoever meets the failure first."""

import errno
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.journal.failures import _CAUSES, failure, probe
from exporter.journal.interface import JournalError
from exporter.journal.repair import open_file
from tests.support.deliveries import delivery
from tests.support.disks import Disk
from tests.support.journals import full_disk, recorded
from tests.support.paths import ROOT

CAUSES = {
    errno.EROFS: "the file system is read-only; mount it for writing; the system's log (dmesg) may say why",
    errno.ENOSPC: "the disk is full; make room on it",
    errno.EDQUOT: "the disk quota is used up; raise it, or make room",
    errno.EACCES: f"user {os.geteuid()} has no permission; let that user write to the file and to its folder",
    errno.EIO: "the disk reports an error; see the system's log (dmesg), and replace the disk if it is broken",
    errno.EFBIG: "it may not grow further; raise the limit on the size of a file (ulimit -f, LimitFSIZE)",
    errno.EMFILE: "the exporter has too many open files; raise its limit (ulimit -n, LimitNOFILE)",
    errno.ENFILE: "the system has too many open files; raise the limit (sysctl fs.file-max)",
    errno.ESTALE: "the network file system has lost it; mount that again",
}

FAIL_AND_GO_ON = """
import sys
from pathlib import Path
from exporter.journal.interface import JournalError
from exporter.journal.recorder import NotWritten
from exporter.journal.repair import open_file
from tests.support.deliveries import NOW, delivery
from tests.support.journals import journal_of, opened
path, switch, *errors = sys.argv[1:]
_, recorder = opened(path)
recorder.apply([delivery()], NOW)
for number in errors:
    Path(switch).write_text(number)
    try:
        recorder.apply([delivery()], NOW)
    except NotWritten as error:
        print(error)
    recorder.maintain()
    print(journal_of(recorder).outage)
    Path(switch).unlink()
    recorder.maintain()
    assert not recorder.refuses
recorder.close()
for number in errors:
    Path(switch).write_text(number)
    try:
        open_file(path)
    except JournalError as error:
        print(error)
    Path(switch).unlink()
"""


def test_a_disk_that_fails(tmp_path: Path) -> None:
    """An entry, the spaces that SQLite saves, and a start fail with the same words for the same cause."""
    disk = Disk(tmp_path)
    path = disk.folder / "journal.db"
    ended = subprocess.run(
        [*disk.prefix, sys.executable, "-c", FAIL_AND_GO_ON, path, disk.failing_switch, *map(str, CAUSES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.splitlines() == [
        *(f"{path} cannot be written: {cause}" for cause in CAUSES.values() for _ in range(2)),
        *(f"{path} cannot be opened: {cause}" for cause in CAUSES.values()),
    ], ended.stderr


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no further file."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    os.close(lowest)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_too_many_open_files(path: str) -> None:
    """A start that finds too many files open says so."""
    recorded(path, delivery())
    with no_more_files(), pytest.raises(JournalError) as refused:
        open_file(path)
    assert str(refused.value) == f"{path} cannot be opened: {CAUSES[errno.EMFILE]}"


def test_a_file_that_may_not_grow(path: str) -> None:
    """A log that a limit on the size of files prevents is refused with that limit."""
    file = open_file(path)
    with full_disk(), pytest.raises(JournalError) as refused:
        file.start()
    assert str(refused.value) == f"{path} cannot be written: {CAUSES[errno.EFBIG]}"
    file.close()


@pytest.mark.parametrize("number", _CAUSES)
def test_every_message(path: str, number: int) -> None:
    """Every message names the file, the cause and the remedy, without a number or a constant of the system."""
    text = str(failure(path, OSError(number, os.strerror(number), f"{path}-log.7")))
    assert re.fullmatch(rf"{path}-log\.7 cannot be written: [^;{{}}]+; [^{{}}]+", text)
    assert os.strerror(number) not in text


def test_an_error_without_words_of_its_own(path: str) -> None:
    """An error that has no words of ours is reported in the words of the system."""
    text = str(failure(path, OSError(errno.EPROTO, os.strerror(errno.EPROTO))))
    assert text == f"{path} cannot be written: {os.strerror(errno.EPROTO)}"


def test_a_probe_leaves_nothing(path: str) -> None:
    """A probe of the disk creates and changes no file, and leaves the lock of the journal alone."""
    recorded(path, delivery())
    before = {file: file.stat() for file in Path(path).parent.iterdir()}
    assert probe(path) is None
    assert {file: file.stat() for file in Path(path).parent.iterdir()} == before
