"""The exporter as a process of its own, or its server in a thread, for tests of the real thing."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from exporter.server.process import Listener, bind, configure
from exporter.server.service import Service

PATIENCE = 60.0
"""Seconds after which a test gives up. No test passes because of it, so it may be as long as a busy machine needs."""

CONSOLE_SCRIPT = Path(sys.executable).with_name("butlr-exporter")


def program(name: str, package: str) -> str:
    """Return the path of a program; without the program the test is skipped, and fails in CI."""
    found = shutil.which(name)
    if found is None:
        message = f"{name} is not installed (Debian: apt install {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def wait_for(condition: Callable[[], Any], what: str, seconds: float = PATIENCE, pause: float = 0.05) -> Any:
    """Return the first true value of a condition; fail if there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if value := condition():
                return value
        except OSError:
            pass
        time.sleep(pause)
    raise AssertionError(f"waited {seconds:g} s for {what}")


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_PORTS = count(os.getpid() * 64 % 2500)


def free_port() -> int:
    """Return a free port of this machine.

    The system would give the next process the same one until a program listens on it. So every worker has ports of its
    own, below those that the system gives to connections.
    """
    while True:
        port = 12_000 + 2500 * _WORKER + next(_PORTS) % 2500
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def outcomes(answer: bytes) -> dict[str, int]:
    """Return the number of events of one delivery by their outcome."""
    counts: dict[str, int] = json.loads(answer)["outcomes"]
    return counts


class Running:
    """An exporter process and its log."""

    def __init__(
        self,
        log: Path,
        *flags: str,
        port: int | None = None,
        package: Path | None = None,
        tls: ssl.SSLContext | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """Start the exporter on a free port and wait until it serves.

        `package` is a folder with another version of the package, `tls` a client context that trusts the certificate,
        `prefix` a command that runs the exporter.
        """
        self.tls = tls
        self._log = log
        environ = {name: value for name, value in os.environ.items() if not name.startswith("BUTLR_EXPORTER_")}
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [
                    *prefix,
                    *([sys.executable, "-m", "exporter"] if package else [str(CONSOLE_SCRIPT)]),
                    "serve",
                    f"--listen=127.0.0.1:{port or 0}",
                    *flags,
                ],
                cwd=package,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env=environ,
            )
        try:
            # A port that is free now may be another process's when the exporter comes to it, so it chooses its own.
            self.port: int = port or wait_for(self._chosen_port, "the exporter to open a port")
            self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
            wait_for(self._answers, "the exporter to serve")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _chosen_port(self) -> int | None:
        assert self.process.poll() is None, self.log()
        found = re.search(r"""(?<!_)listen(?:=|": ")127\.0\.0\.1:([0-9]+)""", self.log())
        return int(found[1]) if found else None

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log()
        return self.get("/-/ready") != b""

    def log(self) -> str:
        """Return the log so far."""
        return self._log.read_text()

    def get(self, path: str) -> bytes:
        """Return the body of the answer to a GET."""
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE, context=self.tls) as response:  # noqa: S310 - to this machine
            answer: bytes = response.read()
            return answer

    def post(self, body: bytes) -> bytes:
        """Post events and return the body of the answer."""
        request = urllib.request.Request(f"{self.url}/webhook", data=body)  # noqa: S310 - to this machine
        with urllib.request.urlopen(request, timeout=PATIENCE, context=self.tls) as response:  # noqa: S310
            answer: bytes = response.read()
            return answer

    def forget(self, kind: str, space_id: str) -> None:
        """Have the exporter forget a space, which must be known."""
        url = f"{self.url}/api/v1/spaces/{kind}/{space_id}"
        request = urllib.request.Request(url, method="DELETE")  # noqa: S310 - to this machine
        with urllib.request.urlopen(request, timeout=PATIENCE, context=self.tls):  # noqa: S310
            pass

    def reload(self) -> None:
        """Have the exporter read the capacity file again, which must be valid."""
        request = urllib.request.Request(f"{self.url}/-/reload", data=b"")  # noqa: S310 - to this machine
        with urllib.request.urlopen(request, timeout=PATIENCE, context=self.tls):  # noqa: S310
            pass

    def connect(self) -> socket.socket:
        """Return a new connection to the exporter."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def processor_seconds(self) -> float:
        """Return the processor time of the process, which hardly depends on other processes (proc_pid_stat(5))."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(log: Path, *flags: str, **options: Any) -> Iterator[Running]:
    """Run an exporter until the end of the block; it must log no traceback."""
    exporter = Running(log, *flags, **options)
    try:
        yield exporter
        assert "Traceback" not in exporter.log()
    finally:
        exporter.process.kill()
        exporter.process.wait()


class Threaded:
    """A server in a thread of the test."""

    def __init__(self, service: Service, tls: ssl.SSLContext | None = None) -> None:
        """Serve `service`, over TLS with a context."""
        self._service = service
        self._tls = tls

    def __enter__(self) -> tuple[int, uvicorn.Server]:
        """Start the server; return its port and the server."""
        self._listener = bind("127.0.0.1", 0)
        port: int = self._listener.getsockname()[1]
        self._server = configure(Listener(self._listener, self._service, self._tls))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        wait_for(lambda: self._server.started, "the server to start")
        return port, self._server

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._server.serve(sockets=[self._listener]))

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
