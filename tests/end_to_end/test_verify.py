"""`butlr-exporter simulate --verify`, the installed console script, against a running exporter."""

import os
import re
import shutil
import signal
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

import exporter
from exporter.app import build
from exporter.cli.main import main
from tests.support.breaking import broken_rule, is_of_the_rule
from tests.support.running import CONSOLE_SCRIPT, PATIENCE, Running, Threaded, free_port, running, wait_for
from tests.support.simulating import FAST, ended, started, verifies
from tests.support.sockets import Cable

TIMES = int(os.environ.get("HOSTILE", "1"))
"""`make soak` sets more than 1, for all breaks."""

BREAKS = [
    ("room_occupancy", "if was_negative else", "if False else", r"answer to \S+ +repeated +corrected"),
    (
        "floor_occupancy_1min",
        "value = 0.0 if",
        "value = 1.0 if",
        r"answer to \S+ +(corrected +repeated|repeated +corrected)",
    ),
    ("pir_motion", "lambda _: value", "lambda _: 0.0", r"MOTION count +1 +0"),
    ("pir_motion,pir_no_motion", "oldest.get(measure.declared.cadence, 0)", "now", r"MOTION count +1 +none"),
    ("detections", "float(max(len(data.world", "float(min(len(data.world", r"DETECTIONS count +\d +0"),
    ("detections", "if event.timestamp < self.newest:", "if False:", r"answer to \S+ +late +new"),
    (
        "detections --interval=1m --duration=9m",
        "limits.detections_stale_after",
        "0",
        r"DETECTIONS count +none +\d",
    ),
    ("traffic --zones=200", "max(entered, counted_entered)", "entered", r"CROSSINGS in +\d+ +\d+"),
    (
        "traffic --zones=200",
        "self.left += left - counted_left",
        "self.left += left",
        r"CROSSINGS out +\d+ +\d+",
    ),
    (
        "traffic --zones=200",
        "outcome = _DUPLICATE",
        "outcome = _NEW",
        r"answer to \S+ +duplicate +new",
    ),
    (
        "traffic --zones=200",
        "timestamp <= self.newest - limits.traffic_window",
        "False",
        r"answer to \S+ +late +new",
    ),
]
"""Event types, a line of the rule, a break of the line, and a difference that it makes in the types."""

FEWER = BREAKS[:2] + BREAKS[3:5] + BREAKS[7:8]
"""One break of each measure."""


def package_with(folder: Path, line: str, broken: str) -> Path:
    """Return a folder with a copy of the package in which one line of the events or the rule is another."""
    package = folder / "package"
    shutil.copytree(Path(exporter.__file__).parent, package / "exporter")
    files = [path for part in ("events", "rule") for path in (package / "exporter" / part).glob("*.py")]
    (file,) = [file for file in files if line in file.read_text()]
    file.write_text(file.read_text().replace(line, broken, 1))
    return package


def in_memory(
    capsys: pytest.CaptureFixture[str], line: str, broken: str, *flags: str
) -> subprocess.CompletedProcess[str]:
    """Verify an exporter in a thread, in which one line of the rule is another."""
    with broken_rule(line, broken), Threaded(build().ports[0].service) as (port, _):
        url = f"http://127.0.0.1:{port}"
        command = ["simulate", f"--url={url}/webhook", f"--verify={url}/metrics", *FAST, *flags]
        status = main(command)
    printed = capsys.readouterr()
    return subprocess.CompletedProcess(command, status, printed.out, printed.err)


def events_received(target: Running) -> float:
    """Return the number of events that an exporter has received."""
    samples = re.findall(rb"^butlr_exporter_events_total{.*} (.+)$", target.get("/metrics"), re.MULTILINE)
    return sum(map(float, samples))


class TestVerify:
    """Exporters that follow the rule, and some that break it."""

    def test_flat_out(self, tmp_path: Path) -> None:
        """All types, losses and an outage are verified, and the summary has every outcome."""
        with running(tmp_path / "log") as target:
            run = ended(verifies(target, *FAST, "--types=all", "--zones=12", "--drop=0.05", "--burst"))
        assert (run.returncode, run.stderr) == (0, "")
        first, *lines = run.stdout.replace(",", "").splitlines()
        answered = re.fullmatch(r"(\d+) deliveries answered in [\d.]+ s \d+ a second", first)
        judged = re.fullmatch(
            r"verified: (\d+) counts with their labels and (\d+) of (\d+) answers are as they must be", lines[-1]
        )
        assert answered
        assert judged
        assert int(judged[1]) >= 2 * (12 + 5 + 2)  # both measures of every zone, room and floor
        number = int(answered[1])
        assert 6000 < number == int(judged[2]) == int(judged[3])
        shares = {line.split()[0]: int(line.split()[1]) for line in lines[:-3]}
        assert set(shares) == {"new", "backfilled", "corrected", "repeated", "duplicate", "superseded", "late"}
        assert sum(shares.values()) == number
        assert re.fullmatch(r"0 retries 0 refused \d+ lost on purpose", lines[-2])

    @pytest.mark.parametrize(
        ("line", "broken", "difference"),
        [
            ("if t <= self.cutoff or", "if False and", r"answer to \S+ +late +duplicate"),
            ("if event.generation < generation:", "if False:", r"answer to \S+ +superseded +(repeated|corrected)"),
            (
                "elif has(reading, delivery):",
                "elif False:",
                r"answer to \S+ +duplicate +(repeated|superseded)",
            ),
            (
                "self._view(event.metadata)\n        elif outcome is not",
                "self._view(metadata if any(metadata) else event.metadata)\n        elif outcome is not",
                r"zone_name +'Focus Desk 01' +'Desk 01'",
            ),
            (
                "if is_older(generation, self.named",
                "if True or (self.named",
                r"zone_name +'Focus Desk 01' +'Quiet Desk 01'",
            ),
            (
                "event.generation < generation",
                "event.generation <= generation",
                r"answer to \S+ +corrected +superseded",
            ),
            (
                "event.id.encode() + _VALUE.pack(event.value)",
                "event.id.encode()",
                r"answer to \S+ +corrected +duplicate",
            ),
            (
                "elif series.adds_up and",
                "elif True:\n            self._view(event.metadata)\n        elif series.adds_up and",
                r"zone_name +'Focus Desk 01' +'Quiet Desk 01'",
            ),
            ("text + _TAIL.pack(event.value", "text + _TAIL.pack(0.0", r"count +\d+ +\d+"),
        ],
    )
    def test_a_wrong_store(self, capsys: pytest.CaptureFixture[str], line: str, broken: str, difference: str) -> None:
        """A break of one line of the rule is found."""
        run = in_memory(capsys, line, broken, "--duration=20s")
        assert run.returncode == 1
        assert re.search(r"^space +what +expected +actual$", run.stdout, re.MULTILINE)
        assert re.search(difference, run.stdout), run.stdout
        verdict = r"[\d,]+ differences in 20 counts with their labels and [\d,]+ of [\d,]+ answers"
        assert re.fullmatch(f"butlr-exporter: {verdict}\n", run.stderr)

    @pytest.mark.soak
    @pytest.mark.parametrize(("types", "line", "broken", "difference"), BREAKS if TIMES > 1 else FEWER)
    def test_a_wrong_measure(
        self,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        types: str,
        line: str,
        broken: str,
        difference: str,
    ) -> None:
        """A break of one line in the rule of any measure is found."""
        flags = f"--types={types}".split()
        if is_of_the_rule(line):
            run = in_memory(capsys, line, broken, *flags)
        else:  # the oracle has the same parser
            with running(tmp_path / "log", package=package_with(tmp_path, line, broken)) as wrong:
                run = ended(verifies(wrong, *FAST, *flags))
        assert run.returncode == 1, run.stderr
        assert re.search(r"^space +what +expected +actual$", run.stdout, re.MULTILINE)
        assert re.search(difference, run.stdout), run.stdout
        assert re.fullmatch(r"butlr-exporter: [\d,]+ differences in .* answers\n", run.stderr)

    def test_again(self, tmp_path: Path) -> None:
        """Known zones are verified again, unless the exporter has newer readings of all of them."""
        with running(tmp_path / "log") as target:
            now = ("--interval=1s", "--duration=3s")
            for _ in range(2):
                run = ended(verifies(target, *now))
                assert (run.returncode, run.stderr) == (0, "")
            earlier = datetime.fromtimestamp(time.time() - 600, UTC).isoformat(timespec="seconds")
            run = ended(verifies(target, *FAST, f"--start={earlier}"))
        assert run.returncode == 1
        reason = "the exporter had newer readings of these spaces; another --seed makes others"
        assert run.stderr == f"butlr-exporter: there was no count to verify: {reason}\n"

    def test_connections_are_cut(self, tmp_path: Path) -> None:
        """Deliveries on closed connections are sent again, and nothing counts twice."""
        with running(tmp_path / "log") as target:
            cable = Cable(target.port)
            flags = ("--interval=1s", "--duration=6s", "--zones=100", f"--url=http://127.0.0.1:{cable.port}/webhook")
            with started(verifies(target, *flags)) as simulator:
                for n in range(1, 4):
                    wait_for(lambda: simulator.poll() is not None or cable.connections >= 4 * n, "connections")  # noqa: B023
                    time.sleep(0.5)
                    assert cable.cut() == 4
                out, err = simulator.communicate(timeout=PATIENCE)
            cable.close()
        assert simulator.returncode == 0, (out, err)

    def test_the_exporter_with_a_journal_is_killed(self, tmp_path: Path) -> None:
        """With a journal, kill -9 changes no value and no answer of any type."""
        port = free_port()
        journal = f"--journal={tmp_path / 'journal'}"
        with running(tmp_path / "log", journal, port=port) as target:
            flags = (*FAST, "--types=all", "--zones=8", "--duration=25s", "--rate=700", "--retry")
            with started(verifies(target, *flags)) as simulator:
                # At this rate the connections are then older than a second, to which the start of a process is known.
                wait_for(lambda: events_received(target) > 1000, "events")
                target.process.send_signal(signal.SIGKILL)
                target.process.wait()
                with running(tmp_path / "log2", journal, port=port):
                    out, err = simulator.communicate(timeout=PATIENCE)
        assert simulator.returncode == 0, (out, err)
        assert err.startswith(f"butlr-exporter: {target.url}/webhook: ")

    @pytest.mark.parametrize(("flag", "status"), [("--no-journal", 0), ("--connections=4", 1)])
    def test_the_exporter_is_restarted(self, tmp_path: Path, flag: str, status: int) -> None:
        """After a restart without a journal, `--no-journal` verifies only the deliveries since then."""
        port = free_port()
        with running(tmp_path / "log", port=port) as target:
            flags = ("--interval=1s", "--duration=7s", "--zones=100", "--retry", flag)
            with started(verifies(target, *flags)) as simulator:
                wait_for(lambda: target.get("/metrics").count(b"\nbutlr_zone_occupancy{") == 100, "every zone")
                target.process.send_signal(signal.SIGKILL)
                target.process.wait()
                with running(tmp_path / "log2", port=port):
                    out, err = simulator.communicate(timeout=PATIENCE)
        assert simulator.returncode == status, (out, err)
        assert err.startswith(f"butlr-exporter: {target.url}/webhook: ")
        assert ("the exporter was restarted during the run: if it has no journal, pass --no-journal" in err) == (
            status == 1
        )

    def test_an_exporter_that_polls(self, tmp_path: Path) -> None:
        """An exporter without a webhook, which polls the simulated cloud, has the value and names of every space."""
        cloud, port = f"127.0.0.1:{free_port()}", free_port()
        polls = (
            f"--butlr-api-url=http://{cloud}",
            "--butlr-client-id=simulated",
            "--poll=1s",
            "--assets-interval=1s",
            "--recover=0",
        )
        secret = tmp_path / "secret"
        secret.write_text("simulated")
        past = datetime.fromtimestamp(time.time() - 125, UTC).isoformat(timespec="seconds")
        flags = (f"--cloud={cloud}", f"--start={past}", "--interval=1s", "--duration=0", "--zones=12")
        with running(tmp_path / "log", *polls, f"--butlr-client-secret-file={secret}", port=port) as target:
            command = [str(CONSOLE_SCRIPT), "simulate", f"--verify={target.url}/metrics", *flags]
            with started(command) as simulator:
                wait_for(lambda: target.get("/metrics").count(b"\nbutlr_zone_occupancy_1min{") == 12, "every zone")
                simulator.send_signal(signal.SIGINT)
                out, err = simulator.communicate(timeout=PATIENCE)
            assert b"\nbutlr_exporter_last_event_received_timestamp_seconds " not in target.get("/metrics")
            target.get("/-/ready")
        assert simulator.returncode == 0, (out, err)
        assert re.search(r"^verified: 12 counts with their labels", out, re.MULTILINE)
