"""Disks that are slow, or that fail, for one process of a test."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.running import program

SOURCE = Path(__file__).with_name("disk.c")


class Disk:
    """The disk of a process that is started with `prefix`; it works well until a test says otherwise."""

    def __init__(self, folder: Path) -> None:
        """Compile the library that stands between the process and the disk; `folder` is where the disk may fail."""
        library = folder / "disk.so"
        compiler = program("cc", "gcc libc6-dev")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        self._slow, self.failing_switch = folder / "slow", folder / "failing"
        """While there is a file at `failing_switch`, every write fails with the `errno` in it."""
        self.folder = folder / "disk"
        """The folder in which the disk may fail."""
        self.folder.mkdir()
        self.environ = {
            "LD_PRELOAD": str(library),
            "SLOW_DISK": str(self._slow),
            "FAILING_DISK": str(self.failing_switch),
            "FAILING_FOLDER": str(self.folder),
        }
        self.prefix = ["env", *(f"{name}={value}" for name, value in self.environ.items())]

    @contextmanager
    def slow(self, milliseconds: int) -> Iterator[None]:
        """Let each sync take some milliseconds."""
        self._slow.write_text(f"{milliseconds}")
        try:
            yield
        finally:
            self._slow.unlink()

    @property
    def syncs(self) -> int:
        """The number of syncs that were begun since the disk became slow."""
        return self._slow.read_text().count("\n")
