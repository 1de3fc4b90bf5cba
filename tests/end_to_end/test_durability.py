"""Acknowledged events survive: the exporter is killed, stopped and restarted, and its journal breaks for real."""

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import time
import urllib.error
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from tests.support.crossings import crossing
from tests.support.crossings import payload as crossing_payload
from tests.support.deliveries import KEPT, body, delivery, of_now
from tests.support.reopened import reopened
from tests.support.running import PATIENCE, Running, free_port, outcomes, running, wait_for
from tests.support.simulating import started, verifies

KILLS = int(os.environ.get("KILLS", "3"))
"""How often the exporter is killed."""


def failures(exporter: Running) -> int:
    """Return the exporter's count of journal failures."""
    found = re.search(rb"(?m)^butlr_exporter_journal_failures_total (\d+)", exporter.get("/metrics"))
    assert found
    return int(found[1])


def received(exporter: Running) -> float:
    """Return the number of events that the exporter has received since its start."""
    counts: list[bytes] = re.findall(rb"(?m)^butlr_exporter_events_total{.*} (.*)$", exporter.get("/metrics"))
    return sum(map(float, counts))


def refused(exporter: Running, event: bytes) -> bool:
    """Tell whether a delivery is answered with 503 and the time of the next try."""
    try:
        exporter.post(event)
    except urllib.error.HTTPError as error:
        with error:
            response = (error.code, error.headers["Retry-After"], json.load(error)["detail"])
    else:
        return False
    assert response == (503, "5", "the journal cannot be written now; please send this again")
    return True


class Witness:
    """A client that sends deliveries as fast as they are answered, and keeps the acknowledged ones."""

    def __init__(self) -> None:
        """Begin with no deliveries."""
        self.acknowledged: list[bytes] = []
        self._spaces = 0

    def send(self, port: int, until: float) -> None:
        """Send until a time (s, monotonic), or until the exporter is gone."""
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            while time.monotonic() < until:
                self._spaces += 1
                measure = KEPT[self._spaces % len(KEPT)]
                for event in of_now(3, f"zone_w{self._spaces}", measure):
                    connection.request("POST", "/webhook", event)
                    answer = connection.getresponse()
                    answer.read()
                    if answer.status == 200:
                        self.acknowledged.append(event)
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()

    def lost(self, exporter: Running, number: int) -> list[bytes]:
        """Return the events among the last acknowledged and some earlier ones that the exporter does not know."""
        asked = self.acknowledged[-number:] + random.sample(self.acknowledged, min(number, len(self.acknowledged)))
        return [event for event in asked if outcomes(exporter.post(event)) != {"duplicate": 1}]


class TestKilled:
    """The exporter after SIGKILL under load."""

    @pytest.mark.long
    @pytest.mark.soak
    def test_at_random_moments(self, tmp_path: Path) -> None:
        """Each acknowledged event is there after each restart, and the oracle finds nothing wrong at the end."""
        port = free_port()
        journal = f"--journal={tmp_path / 'journal.db'}"
        witness = Witness()
        with running(tmp_path / "log", journal, port=port) as exporter:
            simulator = started(verifies(exporter, "--interval=1s", "--duration=0", "--zones=40", "--retry"))
            process = simulator.__enter__()
            wait_for(lambda: exporter.get("/metrics").count(b"\nbutlr_zone_occupancy{") >= 40, "every zone")
            exporter.process.kill()
            exporter.process.wait()
        try:
            for kill in range(KILLS):
                exporter = Running(tmp_path / f"log{kill}", journal, port=port)
                assert witness.lost(exporter, 100) == []
                killer = subprocess.Popen(
                    ["sh", "-c", f"sleep {random.uniform(0.05, 1.0)}; kill -KILL {exporter.process.pid}"]
                )
                witness.send(port, time.monotonic() + 10)
                killer.wait()
                exporter.process.wait()
                assert "Traceback" not in exporter.log()
            assert len(witness.acknowledged) > 5 * KILLS
            with running(tmp_path / "last", journal, port=port) as exporter:
                assert witness.lost(exporter, 1000) == []
                before = received(exporter)
                wait_for(lambda: received(exporter) > before + 40, "the simulator, which tries again every second")
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=PATIENCE)
                assert process.returncode == 0, (out, err)
                assert re.search(r"verified: \d+ counts with their labels and ", out)
        finally:
            simulator.__exit__(None, None, None)

    def test_metrics_after_a_restart(self, tmp_path: Path) -> None:
        """The first scrape after SIGKILL shows the same as the last one before, and no zone that was forgotten."""
        journal = f"--journal={tmp_path / 'journal.db'}"

        def shown(exporter: Running) -> list[bytes]:
            return sorted(line for line in exporter.get("/metrics").splitlines() if line.startswith(b"butlr_zone_"))

        with running(tmp_path / "log", journal) as exporter:
            for event in of_now(3) + of_now(2, zone="zone_b"):
                exporter.post(event)
            now = int(time.time())
            later, earlier = (body(delivery(now * 1000, n, generation=now + n, zone="zone_c")) for n in (1, 0))
            exporter.post(later)
            assert outcomes(exporter.post(earlier)) == {"superseded": 1}
            before = shown(exporter)
            assert len(before) == 9
            exporter.post(delivered := body(delivery(now * 1000, 1, generation=now, zone="zone_d")))
            exporter.forget("zone", "zone_d")
            assert shown(exporter) == before
            exporter.process.kill()
        with running(tmp_path / "log", journal) as exporter:
            assert shown(exporter) == before
            assert outcomes(exporter.post(earlier)) == {"duplicate": 1}
            assert outcomes(exporter.post(delivered)) == {"new": 1}

    def test_crossings_after_a_restart(self, tmp_path: Path) -> None:
        """Counters survive SIGKILL, and each crossing that comes again afterwards is known."""
        journal = f"--journal={tmp_path / 'journal.db'}"
        now = int(time.time() * 1000)
        crossings = [crossing(n, 1, n % 2, t=now - n) for n in range(50)]
        bodies = [json.dumps(crossing_payload(each)).encode() for each in crossings]

        def shown(exporter: Running) -> list[bytes]:
            lines = exporter.get("/metrics").splitlines()
            return sorted(line for line in lines if line.startswith((b"butlr_entryway_", b"butlr_sensor_")))

        with running(tmp_path / "log", journal) as exporter:
            assert outcomes(exporter.post(b"[%b]" % b",".join(bodies))) == {"new": 50}
            larger = json.dumps(crossing_payload(crossings[7]._replace(entered=3))).encode()
            assert outcomes(exporter.post(larger)) == {"corrected": 1}
            before = shown(exporter)
            assert [line.rpartition(b" ")[2] for line in before][:2] == [b"52.0", b"25.0"]
            exporter.process.kill()
        with running(tmp_path / "log", journal) as exporter:
            assert shown(exporter) == before
            again = outcomes(exporter.post(b"[%b]" % b",".join([*bodies, larger])))
            assert again == {"duplicate": 50, "superseded": 1}
            assert shown(exporter) == before


class TestSignals:
    """Signals that end the exporter, and SIGHUP, which does not."""

    @pytest.mark.parametrize(
        "numbers",
        [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGHUP)],
    )
    def test_the_end(self, tmp_path: Path, numbers: tuple[signal.Signals, ...]) -> None:
        """The exporter ends with status 0, with its journal in one file and with no delivery lost."""
        journal = tmp_path / "journal.db"
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            exporter.process.send_signal(signal.SIGHUP)
            known = of_now(50)
            for event in known:
                exporter.post(event)
            for number in numbers[:-1]:
                exporter.process.send_signal(number)
            assert exporter.stop(numbers[-1]) == 0
        assert [file.name for file in tmp_path.glob("journal*")] == ["journal.db"]
        with reopened(journal) as again:
            assert all(outcomes(again.post(event)) == {"duplicate": 1} for event in known)


class TestBroken:
    """A journal that cannot be written, and is written again later."""

    def test_a_full_disk(self, tmp_path: Path) -> None:
        """A full disk makes the exporter answer 503, and once there is room nothing is missing."""
        journal = tmp_path / "journal.db"
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            first, second, third = of_now(3)
            assert outcomes(exporter.post(first)) == {"new": 1}
            for _ in range(30):  # so that the limit leaves room for the exporter's log
                exporter.post(first)
            size = (tmp_path / "journal.db-log.1").stat().st_size
            resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            assert refused(exporter, second)
            counts = exporter.get("/metrics?name[]=butlr_exporter_events_total")
            assert re.findall(rb'"ZONE_OCCUPANCY",outcome="(backfilled|duplicate)"} (\d+)', counts) == [
                (b"duplicate", b"30"),
                (b"backfilled", b"1"),
            ]
            assert refused(exporter, second)
            assert refused(exporter, first)
            with pytest.raises(urllib.error.HTTPError, match="422") as error:
                exporter.post(b"{}")
            error.value.close()
            assert failures(exporter) >= 3
            assert exporter.get("/metrics").count(b"\nbutlr_zone_occupancy{") == 1
            assert exporter.get("/-/ready")
            resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            wait_for(lambda: not refused(exporter, second), "the journal to heal")
            assert outcomes(exporter.post(third)) == {"backfilled": 1}
            exporter.process.kill()
            exporter.process.wait()
            assert exporter.log().count("journal cannot be written") == 1
            assert exporter.log().count("journal is written again") == 1
            assert "request refused" not in exporter.log()
        with reopened(journal) as again:
            assert [outcomes(again.post(event)) for event in (first, second, third)] == [{"duplicate": 1}] * 3

    @pytest.mark.parametrize("what", ["journal.db", "journal.db-wal", "journal.db-log.1"])
    def test_a_file_is_deleted(self, tmp_path: Path, what: str) -> None:
        """The deletion of a journal's file is noticed without a delivery, and the journal is written anew."""
        journal = tmp_path / "journal.db"
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            known = of_now(9)
            for event in known:
                exporter.post(event)
            (tmp_path / what).unlink()
            wait_for(lambda: "journal is written again" in exporter.log(), "the journal to heal")
            assert exporter.log().count("journal cannot be written") == failures(exporter) == 1
            exporter.process.kill()
        with reopened(journal) as again:
            assert [outcomes(again.post(event)) for event in known] == [{"duplicate": 1}] * 9

    def test_an_older_journal_in_its_place(self, tmp_path: Path) -> None:
        """An older journal in the place of the current one is not mixed with the known zones."""
        journal = tmp_path / "journal.db"
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            for zone in range(9):
                exporter.post(of_now(1, zone=f"zone_{zone}")[0])
            assert exporter.stop() == 0
        shutil.copy(journal, tmp_path / "older")
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            known = [event for zone in range(5, 12) for event in of_now(3, zone=f"zone_{zone}")]
            for event in known:
                exporter.post(event)
            (tmp_path / "older").rename(journal)
            wait_for(lambda: "journal is written again" in exporter.log(), "the journal to heal")
            before = sorted(exporter.get("/metrics?name[]=butlr_zone_occupancy").splitlines())
            assert len(before) == 2 + 12
            exporter.process.kill()
        with reopened(journal) as again:
            assert sorted(again.get("/metrics?name[]=butlr_zone_occupancy").splitlines()) == before
            assert [outcomes(again.post(event)) for event in known] == [{"duplicate": 1}] * len(known)

    def test_its_folder_is_moved_away_and_back(self, tmp_path: Path) -> None:
        """A journal is written again after its folder was moved away and back."""
        folder = tmp_path / "data"
        folder.mkdir()
        with running(tmp_path / "log", f"--journal={folder / 'journal.db'}") as exporter:
            first, second = of_now(2)
            exporter.post(first)
            folder.rename(tmp_path / "elsewhere")
            time.sleep(0.1)
            assert refused(exporter, second)
            wait_for(lambda: failures(exporter) > 1, "a try to write it")
            (tmp_path / "elsewhere").rename(folder)
            wait_for(lambda: not refused(exporter, second), "the journal to heal")
            assert exporter.stop() == 0
        with reopened(folder / "journal.db") as again:
            assert [outcomes(again.post(event)) for event in (first, second)] == [{"duplicate": 1}] * 2

    def test_a_journal_that_heals_just_before_the_end(self, tmp_path: Path) -> None:
        """A pending delivery is written at the end if the journal can be written by then."""
        journal = tmp_path / "journal.db"
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            first, second = of_now(2)
            exporter.post(first)
            size = (tmp_path / "journal.db-log.1").stat().st_size
            resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            assert refused(exporter, second)
            resource.prlimit(exporter.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            assert exporter.stop() == 0
        with reopened(journal) as again:
            assert outcomes(again.post(second)) == {"duplicate": 1}

    def test_its_folder_is_gone(self, tmp_path: Path) -> None:
        """No delivery is acknowledged while the folder of the journal is gone."""
        folder = tmp_path / "data"
        folder.mkdir()
        with running(tmp_path / "log", f"--journal={folder / 'journal.db'}") as exporter:
            first, second = of_now(2)
            exporter.post(first)
            shutil.rmtree(folder)
            time.sleep(0.1)
            assert refused(exporter, second)
            folder.mkdir()
            wait_for(lambda: not refused(exporter, second), "the journal to heal")
            exporter.process.kill()
        with reopened(folder / "journal.db") as again:
            assert [outcomes(again.post(event)) for event in (first, second)] == [{"duplicate": 1}] * 2
