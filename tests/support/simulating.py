"""The simulator as a process of its own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.running import CONSOLE_SCRIPT, PATIENCE, Running

FAST = ("--interval=1s", "--duration=40s", "--rate=max")
"""The last forty seconds of a building, sent without pauses."""


def sends_to(url: str, *flags: str) -> list[str]:
    """Return a command that sends to a webhook."""
    return [str(CONSOLE_SCRIPT), "simulate", f"--url={url}", *flags]


def verifies(target: Running, *flags: str) -> list[str]:
    """Return a command that sends to an exporter and verifies its counts and answers."""
    return sends_to(f"{target.url}/webhook", f"--verify={target.url}/metrics", *flags)


def ended(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


@contextmanager
def started(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Start a command, and kill it at the end of the block."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
