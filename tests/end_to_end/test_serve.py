"""`butlr-exporter serve`: its end before the port opens, and SIGHUP."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exporter.butlr.calls import LIMITS, Api
from tests.support.running import CONSOLE_SCRIPT, PATIENCE, outcomes, running, wait_for
from tests.support.sockets import fresh


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("BUTLR_EXPORTER_"):
            monkeypatch.delenv(name)


class TestServe:
    """`butlr-exporter serve` up to the opening of its port; tests/server has the rest."""

    def test_mistakes_before_the_port_opens(self) -> None:
        """Mistakes end `serve`, also as `python -m exporter`, with exit status 2 before the port opens."""
        for command in ([str(CONSOLE_SCRIPT)], [sys.executable, "-m", "exporter"]):
            ended = subprocess.run(
                [*command, "serve", "--listen=127.0.0.1:0", "--window=0", "--log-level=loud"],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            assert ended.returncode == 2
            assert ended.stderr.splitlines() == [
                "butlr-exporter: --window must be longer than 0, not '0'",
                "butlr-exporter: --log-level must be one of debug, info, warning, error, not 'loud'",
            ]

    @pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid", "a..b"])
    def test_an_address_that_cannot_be_had(self, host: str) -> None:
        """An address that cannot be listened on is reported in one line, with exit status 1."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ended = subprocess.run(
                [str(CONSOLE_SCRIPT), "serve", f"--listen={host}:{listener.getsockname()[1]}"],
                env=os.environ | {"BUTLR_EXPORTER_WINDOWS": "1m"},
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        assert ended.returncode == 1
        warning, error = ended.stderr.splitlines()
        assert "did you mean BUTLR_EXPORTER_WINDOW?" in warning
        assert f'msg="cannot listen" listen={host}:' in error
        reasons = ("Address already in use", "Name or service not known", "not a valid host name")
        assert error.endswith(tuple(f'reason="{reason}"' for reason in reasons))


def test_capacity_is_read_again_by_signal(tmp_path: Path) -> None:
    """SIGHUP reads the file again, and a bad file does not end the exporter.

    All this time Butlr's API does not answer: events are accepted, scrapes and readiness are answered, and SIGTERM ends
    the process long before the request would end.
    """
    file = tmp_path / "capacity.yml"
    file.write_text("capacity: [{max: 4}]")
    with socket.create_server(("127.0.0.1", 0)) as api:
        api.settimeout(PATIENCE)
        url = f"http://127.0.0.1:{api.getsockname()[1]}"
        flags = (f"--butlr-api-url={url}", "--butlr-client-id=client_1", "--butlr-client-secret=secret")
        with running(tmp_path / "log", f"--capacity-file={file}", *flags) as exporter, api.accept()[0]:
            assert outcomes(exporter.post(fresh())) == {"new": 1}
            file.write_text("capacity: [{max: none}]")
            os.kill(exporter.process.pid, signal.SIGHUP)
            wait_for(lambda: "capacity file rejected" in exporter.log(), "the bad file in the log")
            assert b"} 4.0" in exporter.get("/metrics?name[]=butlr_zone_capacity")
            file.write_text("capacity: [{max: 5}]")
            os.kill(exporter.process.pid, signal.SIGHUP)
            wait_for(lambda: b"} 5.0" in exporter.get("/metrics?name[]=butlr_zone_capacity"), "the good file")
            begin = time.monotonic()
            assert exporter.stop() == 0
            assert time.monotonic() - begin < LIMITS[Api.TOKEN].seconds * 2 / 3
            assert "request to Butlr" not in exporter.log()
