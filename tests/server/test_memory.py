"""The memory of a scrape goes back to the system."""

import platform
import subprocess
import sys

import pytest

from tests.support.running import PATIENCE

CODE = """
import ctypes, threading
from pathlib import Path
from exporter.server import memory

assert memory.tune_malloc() if {tuned} else True
malloc = ctypes.CDLL(None).malloc
barrier = threading.Barrier(4)

def work():
    malloc(1000)
    barrier.wait()

threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
arenas = 0
for line in Path("/proc/self/maps").read_text().splitlines():
    begin, end = (int(at, 16) for at in line.split()[0].split("-"))
    arenas += line.split()[1] == "---p" and 32 << 20 < end - begin <= 64 << 20
print(arenas)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about glibc")
@pytest.mark.parametrize("tuned", [False, True])
def test_all_threads_share_one_arena(tuned: bool) -> None:
    """No thread reserves 64 MiB for a malloc arena of its own, as each would do untuned."""
    ended = subprocess.run(
        [sys.executable, "-c", CODE.format(tuned=tuned)], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert (int(ended.stdout) > 0) is not tuned
