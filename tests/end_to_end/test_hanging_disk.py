"""A disk that hangs in a sync: only the compaction waits for it."""

import signal
import sys
from pathlib import Path

from tests.support.deliveries import of_now
from tests.support.disks import Disk
from tests.support.running import PATIENCE, outcomes, running, wait_for

COMPACTIONS = 2
"""Compactions that end while requests are answered."""

ALWAYS_COMPACTING = """
import sys
from exporter.cli.main import main
from exporter.journal import database, sqlite
from exporter.server import process
database._WAL_PAGES, sqlite._FEW_BYTES, process.PERIOD = 20, 0, 0.1
sys.exit(main(sys.argv[2:]))
"""
"""A program that compacts the journal again and again; SQLite copies its write-ahead log after a few pages."""


def logs(folder: Path) -> list[int]:
    """Return the numbers of the logs of a journal, ascending: each compaction begins one, and removes the others."""
    return sorted(int(log.name.rpartition(".")[2]) for log in folder.glob("journal.db-log.*"))


def test_nobody_waits_for_a_sync(tmp_path: Path) -> None:
    """During each sync of a compaction, events are acknowledged, and probes, metrics and pages answered."""
    disk = Disk(tmp_path)
    journal = f"--journal={disk.folder / 'journal.db'}"
    events = of_now(1000)
    waited = acknowledged = 0
    with running(tmp_path / "log", journal, prefix=[*disk.prefix, sys.executable, "-c", ALWAYS_COMPACTING]) as exporter:
        with disk.hanging():
            begin = logs(disk.folder)[-1]
            while logs(disk.folder)[0] < begin + COMPACTIONS:
                exporter.post(events[acknowledged])
                acknowledged += 1
                if disk.waits():
                    for path in ("/-/healthy", "/-/ready", "/metrics", "/"):
                        exporter.get(path)
                    waited += 1
                    disk.release()
        assert waited >= 2 * COMPACTIONS
        exporter.stop(signal.SIGKILL)
    with running(tmp_path / "log", journal) as exporter:
        assert all(outcomes(exporter.post(event)) == {"duplicate": 1} for event in events[:acknowledged:50])


def test_the_end(tmp_path: Path) -> None:
    """SIGTERM in the middle of a compaction that waits for the disk loses nothing, and leaves one file."""
    disk = Disk(tmp_path)
    journal = f"--journal={disk.folder / 'journal.db'}"
    known = of_now(50)
    prefix = [*disk.prefix, sys.executable, "-c", ALWAYS_COMPACTING]
    with running(tmp_path / "log", journal, prefix=prefix) as exporter:
        with disk.hanging():
            for event in known:
                exporter.post(event)
            wait_for(disk.waits, "a compaction")
            exporter.process.send_signal(signal.SIGTERM)
            wait_for(lambda: "stopping" in exporter.log(), "the end to begin")
        assert exporter.process.wait(PATIENCE) == 0
    assert [file.name for file in disk.folder.iterdir()] == ["journal.db"]
    with running(tmp_path / "log", journal) as exporter:
        assert all(outcomes(exporter.post(event)) == {"duplicate": 1} for event in known)
