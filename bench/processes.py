"""Programs that are measured: starts and ends them, and reads their processor time and memory."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

HOST = "127.0.0.1"
START_SECONDS = 60
"""Time within which a program must answer."""

STOP_SECONDS = 10
"""Time within which a program must end."""

_ROOT = Path(__file__).parent.parent


def free_port() -> int:
    """Return a free port."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Raise SIGTERM and SIGINT only after the block: in the middle of a start, nobody would know the new process."""
    received: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.signal(number, lambda signum, _: received.append(signum)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, handler)
        for signum in received:
            signal.raise_signal(signum)


class Program:
    """A running program, in a session of its own by which its children are found."""

    def __init__(self, command: Sequence[str], port: int, path: str) -> None:
        """Start the program, and wait until a GET of `path` has an answer of any status. Raises RuntimeError."""
        self.port = port
        environ = os.environ | {"PYTHONPATH": str(_ROOT)}
        quiet = subprocess.DEVNULL
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            with signals_held_back():
                self._process = subprocess.Popen(  # noqa: S603
                    command, stdout=quiet, stderr=quiet, env=environ, start_new_session=True
                )
                stack.callback(self.end)
            while not self._answers(path):
                if self._process.poll() is not None or time.monotonic() > began + START_SECONDS:
                    raise RuntimeError(f"{command[0]} did not start")
                time.sleep(0.01)
            stack.pop_all()
        self.starting_seconds = time.monotonic() - began

    def _answers(self, path: str) -> bool:
        try:
            urllib.request.urlopen(f"http://{HOST}:{self.port}{path}", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def processor_seconds(self) -> float:
        """Return the processor time, user and system, of all its threads."""
        nanoseconds = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # Field 6 in proc(5), counted from behind the name, which may contain spaces.
                if int(path.read_text().rpartition(")")[2].split()[3]) == self._process.pid:
                    for thread in path.parent.glob("task/*/schedstat"):
                        nanoseconds += int(thread.read_text().split()[0])
        return nanoseconds / 1e9

    def memory(self) -> int:
        """Return its resident memory in bytes."""
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def end(self) -> None:
        """End the program and its children."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def program(command: str, path: str = "/") -> Iterator[Program]:
    """Run a command until the end of the block; `{port}` becomes a free port, and `-m` runs this Python."""
    port = free_port()
    words = [word.format(port=port) for word in command.split()]
    if words[0] == "-m":
        words.insert(0, sys.executable)
    running = Program(words, port, path)
    try:
        yield running
    finally:
        running.end()


def exporter(*flags: str) -> contextlib.AbstractContextManager[Program]:
    """Run an exporter with these flags until the end of the block."""
    command = ["-m exporter serve --log-level error --listen 127.0.0.1:{port} --max-spaces 1000000", *flags]
    return program(" ".join(command), "/-/ready")
