"""What a scrape took goes back to the system."""

import platform
import subprocess
import sys

import pytest

CODE = """
import ctypes, threading
from pathlib import Path
from exporter.server import memory

assert memory.tune_malloc() if {call} else True
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
heaps = 0
for line in Path("/proc/self/maps").read_text().splitlines():
    begin, end = (int(at, 16) for at in line.split()[0].split("-"))
    heaps += line.split()[1] == "---p" and 32 << 20 < end - begin <= 64 << 20
print(heaps)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is about glibc")
@pytest.mark.parametrize("call", [False, True])
def test_one_heap_for_all_threads(call: bool) -> None:
    """Where each would reserve 64 MiB for its own."""
    ended = subprocess.run(
        [sys.executable, "-c", CODE.format(call=call)], capture_output=True, text=True, check=True, timeout=30
    )
    assert (int(ended.stdout) > 0) is not call
