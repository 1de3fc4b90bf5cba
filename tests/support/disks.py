"""Disks that hang, or that fail, for one process of a test."""

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
        self._hanging_switch, self.failing_switch = folder / "hanging", folder / "failing"
        """While there is a file at `failing_switch`, every write fails with the `errno` in it."""
        self.folder = folder / "disk"
        """The folder in which the disk may fail."""
        self.folder.mkdir()
        self.environ = {
            "LD_PRELOAD": str(library),
            "HANGING_DISK": str(self._hanging_switch),
            "FAILING_DISK": str(self.failing_switch),
            "FAILING_FOLDER": str(self.folder),
        }
        self.prefix = ["env", *(f"{name}={value}" for name, value in self.environ.items())]

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Let each sync wait until it is released, or until the end of the block."""
        self._hanging_switch.touch()
        try:
            yield
        finally:
            self._hanging_switch.unlink()

    def waits(self) -> bool:
        """Tell whether a sync waits."""
        return "." in self._hanging_switch.read_text()

    def release(self) -> None:
        """Let the syncs that wait go on."""
        with self._hanging_switch.open("r+") as switch:
            switch.write("!" * len(self._hanging_switch.read_text()))
