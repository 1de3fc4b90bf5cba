"""A disk that needs most of a second for a sync: nobody waits for it but the compaction."""

import signal
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

from tests.support.deliveries import of_now
from tests.support.disks import Disk
from tests.support.running import PATIENCE, outcomes, running, wait_for

SYNC_MS = 800

COMPACTIONS = 2
"""Compactions that end while requests are measured."""

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
    """While compactions wait for the disk, events are acknowledged, and probes, metrics and pages answered."""
    disk = Disk(tmp_path)
    journal = f"--journal={disk.folder / 'journal.db'}"
    events = of_now(1000)
    seconds: dict[str, list[float]] = {path: [] for path in ("/webhook", "/-/healthy", "/-/ready", "/metrics", "/")}
    acknowledged = 0
    with running(tmp_path / "log", journal, prefix=[*disk.prefix, sys.executable, "-c", ALWAYS_COMPACTING]) as exporter:
        connection = HTTPConnection("127.0.0.1", exporter.port, timeout=PATIENCE)
        with disk.slow(SYNC_MS):
            begin = logs(disk.folder)[-1]
            while logs(disk.folder)[0] < begin + COMPACTIONS:
                for path, times in seconds.items():
                    if path != "/webhook" and acknowledged % 20:
                        continue
                    body = events[acknowledged % len(events)] if path == "/webhook" else None
                    start = time.monotonic()
                    connection.request("GET" if body is None else "POST", path, body)
                    response = connection.getresponse()
                    response.read()
                    times.append(time.monotonic() - start)
                    assert response.status == 200
                acknowledged += 1
                time.sleep(0.002)
            assert disk.syncs >= 2 * COMPACTIONS + 2  # with some of SQLite's own
        connection.close()
        # A request that waits for a sync is not faster than the sync.
        for path, times in seconds.items():
            assert sorted(times)[len(times) * 99 // 100] < SYNC_MS / 1000 / 2, path
        exporter.process.send_signal(signal.SIGKILL)
        exporter.process.wait()
    with running(tmp_path / "log", journal) as exporter:
        assert all(outcomes(exporter.post(event)) == {"duplicate": 1} for event in events[:acknowledged:50])


def test_the_end(tmp_path: Path) -> None:
    """SIGTERM in the middle of a compaction that waits for the disk loses nothing, and leaves one file."""
    disk = Disk(tmp_path)
    journal = f"--journal={disk.folder / 'journal.db'}"
    known = of_now(50)
    prefix = [*disk.prefix, sys.executable, "-c", ALWAYS_COMPACTING]
    with running(tmp_path / "log", journal, prefix=prefix) as exporter, disk.slow(SYNC_MS // 2):
        for event in known:
            exporter.post(event)
        wait_for(lambda: disk.syncs, "a compaction")
        exporter.process.send_signal(signal.SIGTERM)
        assert exporter.process.wait(PATIENCE) == 0
    assert [file.name for file in disk.folder.iterdir()] == ["journal.db"]
    with running(tmp_path / "log", journal) as exporter:
        assert all(outcomes(exporter.post(event)) == {"duplicate": 1} for event in known)
