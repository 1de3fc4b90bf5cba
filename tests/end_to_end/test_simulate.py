"""`butlr-exporter simulate`: options, files, early ends and the progress bar."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.main import main
from tests.support.paths import SAMPLES
from tests.support.running import PATIENCE, Running, free_port, running, wait_for
from tests.support.simulating import FAST, ended, sends_to, started, verifies

VALID = SAMPLES / "valid"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Running]:
    """Return an exporter that knows no zone yet."""
    with running(tmp_path / "log") as exporter:
        yield exporter


class TestFiles:
    """The options `--out` and `--in`."""

    def test_there_and_back(self, target: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The deliveries in a file are sent in order, and answered as `--out` foretold."""
        file = tmp_path / "deliveries.ndjson"
        assert main(["simulate", "--interval=1s", "--duration=40s", f"--out={file}"]) == 0
        foretold = capsys.readouterr().out.splitlines()
        number = len(file.read_bytes().splitlines())
        assert max(json.loads(line)["timestamp"] for line in file.read_bytes().splitlines()) < time.time() * 1000
        assert foretold[0] == f"{number:,} deliveries written; an exporter must answer them with"
        run = ended(verifies(target, f"--in={file}"))
        assert run.returncode == 0, run.stderr
        assert run.stdout.splitlines()[1:-3] == foretold[1:]
        assert run.stdout.splitlines()[-1].startswith(
            f"verified: 20 counts with their labels and {number:,} of {number:,} answers"
        )

    def test_equal_seeds(self, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        """Equal seeds and starts give equal bytes on standard output, and other seeds do not."""
        written = []
        for seed in ("1", "1", "2"):
            assert main(["simulate", "--out=-", f"--seed={seed}", "--start=2026-11-25T08:00:00Z"]) == 0
            out, err = capfdbinary.readouterr()
            assert out.count(b"\n") > 500
            assert err.splitlines()[0].endswith(b" deliveries written; an exporter must answer them with")
            written.append(out)
        assert written[0] == written[1] != written[2]

    def test_a_closed_pipe(self) -> None:
        """A reader that closes its pipe ends the writer without a message."""
        with started(sends_to("http://nobody/", "--out=-", "--zones=100")) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            writer.stdout.close()
            assert writer.wait(PATIENCE) == 1
            assert writer.stderr is not None
            assert writer.stderr.read() == ""

    def test_a_captured_stream_with_invalid_lines(self, target: Running, tmp_path: Path) -> None:
        """Invalid lines of a captured stream are counted and reported, and the valid ones are applied."""
        file = tmp_path / "captured.ndjson"
        sample = (VALID / "documented.json").read_text().replace("\n", " ")
        file.write_text(f'{sample}\n\nnonsense\n{{"id": "x"}}\n[{sample}, {sample}]\n')
        run = ended(verifies(target, f"--in={file}"))
        assert run.returncode == 1
        first, *lines = run.stdout.splitlines()
        assert first.startswith("4 deliveries answered")
        assert {tuple(line.split()[:2]) for line in lines[:-3]} == {
            ("duplicate", "2"), ("new", "1"), ("invalid", "1"),
        }  # fmt: skip
        assert lines[-2] == "0 retries, 2 refused"
        assert run.stderr.startswith("butlr-exporter: 2 deliveries were refused, the first with 400 Bad Request: ")

    @pytest.mark.parametrize("flag", ["--in", "--out"])
    def test_no_such_file(self, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A file that cannot be opened is reported in one line."""
        assert main(["simulate", f"{flag}=/nowhere/at/all"]) == 1
        assert capsys.readouterr().err == "butlr-exporter: /nowhere/at/all: No such file or directory\n"


class TestEnds:
    """Runs that end before their time."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal(self, target: Running, number: signal.Signals) -> None:
        """A signal ends the run with the summary, the verdict on the sent deliveries and exit status 0."""
        with started(verifies(target, "--interval=1s", "--duration=0")) as simulator:
            wait_for(lambda: target.get("/metrics").count(b"\nbutlr_zone_occupancy{") == 20, "every zone")
            simulator.send_signal(number)
            out, err = simulator.communicate(timeout=PATIENCE)
        assert (simulator.returncode, err) == (0, "")
        assert " deliveries answered in " in out
        assert "verified: 20 counts" in out

    def test_a_signal_while_a_pipe_is_empty(self, target: Running) -> None:
        """A signal ends a run that waits for a pipe."""
        with started(sends_to(f"{target.url}/webhook", "--in=-")) as simulator:
            assert simulator.stdin is not None
            simulator.stdin.write((VALID / "documented.json").read_text().replace("\n", " ") + "\n")
            simulator.stdin.flush()
            wait_for(lambda: b'outcome="new"} 1.0' in target.get("/metrics"), "the delivery")
            simulator.send_signal(signal.SIGINT)
            assert simulator.wait(PATIENCE) == 0

    def test_a_second_signal_during_a_scrape(self) -> None:
        """A second signal ends a run that waits for the answer to a scrape."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/metrics"
            with started(sends_to(url, f"--verify={url}")) as simulator:
                connection, _ = listener.accept()
                connection.recv(1)
                for _ in range(2):
                    simulator.send_signal(signal.SIGINT)
                    time.sleep(0.2)
                _, err = simulator.communicate(timeout=PATIENCE)
                connection.close()
        assert (simulator.returncode, err) == (1, "butlr-exporter: stopped without waiting for answers\n")

    def test_a_second_signal(self) -> None:
        """A second signal ends a run that waits for answers."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/webhook"
            with started(sends_to(url)) as simulator:
                connection, _ = listener.accept()
                connection.recv(1)
                simulator.send_signal(signal.SIGINT)
                time.sleep(0.3)
                assert simulator.poll() is None
                simulator.send_signal(signal.SIGINT)
                _, err = simulator.communicate(timeout=PATIENCE)
                connection.close()
        assert (simulator.returncode, err) == (1, "butlr-exporter: stopped without waiting for answers\n")

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("http://127.0.0.1:{port}/webhok", "404 Not Found: there is nothing at /webhok"),
            ("http://127.0.0.1:{port}/metrics", "405 Method Not Allowed: /metrics does not accept POST"),
            ("http://127.0.0.1:{free}/webhook", "Connection refused"),
        ],
    )
    def test_a_wrong_url(self, target: Running, url: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A wrong URL ends the run at once with one line and exit status 1."""
        url = url.format(port=target.port, free=free_port())
        assert main(["simulate", f"--url={url}"]) == 1
        assert capsys.readouterr() == ("", f"butlr-exporter: {url}: {reason}\n")

    def test_all_is_refused(self, target: Running, capsys: pytest.CaptureFixture[str]) -> None:
        """The run stops after ten refusals, besides those on the way, with the exporter's reason."""
        assert main(["simulate", f"--url={target.url}/webhook", "--start=2099-01-01", "--rate=max"]) == 1
        out, err = capsys.readouterr()
        (refused,) = re.findall(r", (\d+) refused$", out, re.MULTILINE)
        assert 10 <= int(refused) <= 13
        assert err.startswith(
            f"butlr-exporter: {target.url}/webhook: every delivery is refused: 422 Unprocessable Entity: timestamp: "
        )

    def test_a_wrong_url_of_the_metrics(self, target: Running, capsys: pytest.CaptureFixture[str]) -> None:
        """A wrong URL of the metrics is reported before any delivery is sent."""
        assert main(["simulate", f"--url={target.url}/webhook", f"--verify={target.url}/"]) == 1
        assert capsys.readouterr() == ("", f"butlr-exporter: {target.url}/: shows no metrics of butlr-exporter\n")
        assert b'zone_id="' not in target.get("/metrics")


def test_an_address_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """A simulated cloud that cannot listen at its address says so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        assert main(["simulate", f"--cloud={address}"]) == 1
    message = f"butlr-exporter: --cloud={address}: cannot listen: Address already in use\n"
    assert capsys.readouterr() == ("", message)


class TestOptions:
    """Mistakes in the options, and the progress bar."""

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (["--interval=500ms"], "argument --interval: must be at least 1s, as event ids hold the second"),
            (["--interval=1"], "argument --interval: must be a duration such as 90s, 10m or 24h, not '1'"),
            (["--zones=0"], "argument --zones: must be a whole number from 1 to 1,000,000, not '0'"),
            (["--connections=1001"], "argument --connections: must be a whole number from 1 to 1,000, not '1001'"),
            (["--start=2014-12-31"], "argument --start: must be in 2015 or later, not '2014-12-31'"),
            (["--start=2199-01-01"], "--start is in the future"),
            (["--duration=30s"], "--duration is shorter than --interval (1m); shorten the interval"),
            (
                ["--cloud=:0", "--url=http://localhost/"],
                "--cloud delivers to the webhooks that are registered with it, so leave out --url and --api-key",
            ),
            (["--faults"], "--faults are those of --cloud"),
            (["--cloud=:0", "--rate=max"], "--cloud serves in real time, so leave out --rate, --in and --out"),
            (["--in=a", "--zones=3", "--burst"], "--in sends the deliveries of a file, so leave out --zones, --burst"),
            (["--api-key=a\nb"], "argument --api-key: must consist of printable characters"),
            (
                ["--types=SENSOR_HEALTH"],
                "argument --types: must be all, or some of ZONE_OCCUPANCY, ZONE_OCCUPANCY_1MIN, ROOM_OCCUPANCY, ROOM_",
            ),
            (["--drop=2"], "argument --drop: must be a number from 0 to 1, not '2'"),
            (["--drop=some"], "argument --drop: must be a number from 0 to 1, not 'some'"),
            (["--rate=0"], "argument --rate: must be a number of deliveries a second, or max, not '0'"),
            (["--rate=fast"], "argument --rate: must be a number of deliveries a second, or max, not 'fast'"),
            (["--start=today"], "argument --start: must be a time such as 2026-11-25T08:00:00Z, not 'today'"),
            (
                ["--verify=localhost"],
                "argument --verify: must be a URL that begins with http:// or https:// and names a host",
            ),
            (
                ["--url=localhost"],
                "argument --url: must be a URL that begins with http:// or https:// and names a host",
            ),
            (["--in=a", "--out=b"], "--in sends a file and --out writes one"),
            (["--out=b", "--verify=http://x/"], "--verify needs an exporter"),
            (["--duration=0", "--burst"], "--out, --rate and --burst need a --duration"),
            (["--zone=3"], "unknown argument '--zone'; did you mean --zones?"),
            (["--api-key=a", "--api-key-file=b.key"], "--api-key and --api-key-file are both set; one is enough"),
            (
                ["--api-key-file=./b.key"],
                "--api-key-file names './b.key', which cannot be read: No such file or directory",
            ),
            (["--api-key-file=/dev/null"], "--api-key-file must not be empty"),
            (["--cacert=./b.crt"], "argument --cacert: './b.crt' cannot be read: No such file or directory"),
            (["--cacert=/dev/null"], "argument --cacert: '/dev/null' has no PEM certificate"),
        ],
    )
    def test_mistakes(self, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A mistake in the options is reported in one line, with exit status 2."""
        with pytest.raises(SystemExit) as exit_:
            main(["simulate", *flags])
        assert exit_.value.code == 2
        assert f"butlr-exporter simulate: error: {message}" in capsys.readouterr().err

    def test_a_progress_bar(self, target: Running) -> None:
        """A terminal shows a progress bar."""
        near, far = pty.openpty()
        termios.tcsetwinsize(far, (24, 80))
        process = subprocess.Popen(verifies(target, *FAST), stdout=subprocess.DEVNULL, stderr=far)
        os.close(far)
        seen = b""
        try:
            while piece := os.read(near, 4096):
                seen += piece
        except OSError:  # the other end was closed
            pass
        os.close(near)
        assert process.wait(PATIENCE) == 0
        assert re.search(rb"\d+%\|.*\| 00:0\d, [\d,]+ deliveries", seen)
