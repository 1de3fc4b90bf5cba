"""The Makefile installs the packages of each target once; a stub takes the place of Python and pip."""

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.running import PATIENCE, program

STUB = f"""#!/bin/sh
case "$*" in
"-m venv --clear .venv")
    rm -rf .venv && mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo venv >> calls
    printf '#!/bin/sh\\necho "$1 with journal $BUTLR_EXPORTER_JOURNAL"\\n' > .venv/bin/butlr-exporter
    chmod +x .venv/bin/butlr-exporter ;;
"-m pip "*)
    echo "$*" >> calls
    [ "$PIP_USER" = 0 ] || exit 1
    case "$*" in *"$FAILS"*) exit 1 ;; esac ;;
-c*)
    exec '{sys.executable}' "$@" ;;
*)
    echo "$@" ;;
esac
"""
"""A Python that notes the environments that it makes and the packages that it installs."""

MAX_MIB = 150
"""Size of the packages that `make run` installs."""


class Clone:
    """The Makefile and the locks in a folder with a space in its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a clone"
        shutil.copytree(ROOT / "locks", self.folder / "locks")
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, self.folder)
        self.python = folder / "python3"
        self.python.write_text(STUB)
        self.python.chmod(0o755)

    def make(self, *arguments: str, fails: str = "nothing", journal: str = "") -> subprocess.CompletedProcess[str]:
        """Run make with the stub as `python3`."""
        path = f"{self.python.parent}:{os.environ['PATH']}"
        of_make = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "PYTHON")
        inherited = {name: value for name, value in os.environ.items() if name not in of_make}
        return subprocess.run(
            [program("make", "make"), *arguments],
            cwd=self.folder,
            env=inherited | {"PATH": path, "FAILS": fails, "PIP_USER": "1", "BUTLR_EXPORTER_JOURNAL": journal},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def installed(self, *arguments: str, fails: str = "nothing") -> list[str]:
        """Run make; return the environments made meanwhile, as `venv`, and the names of the installed locks."""
        calls = self.folder / "calls"
        calls.write_text("")
        made = self.make(*arguments, fails=fails)
        assert (made.returncode == 0) is (fails == "nothing"), made.stderr
        return re.findall(r"^venv|(?<=locks/)\w+", calls.read_text(), re.MULTILINE)

    def touch(self, name: str) -> None:
        """Make a file newer than the environment."""
        newest = max(stamp.stat().st_mtime_ns for stamp in self.folder.glob(".venv/.r*"))
        os.utime(self.folder / name, ns=(newest + 1_000_000, newest + 1_000_000))


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """Return a clone without an environment."""
    return Clone(tmp_path)


RUNS = ["venv", "pip", "image", "build"]


def test_run_and_demo_install_only_the_exporter(clone: Clone) -> None:
    """`make run` and `make demo` install the exporter with its needs, and the other targets add their tools."""
    assert clone.installed("run") == RUNS
    assert clone.installed("demo") == []
    assert clone.make("demo").stdout == "scripts/demo.py\n"
    chosen = clone.make("demo", "PORT=1234", "PROMETHEUS_PORT=5678")
    assert chosen.stdout == "scripts/demo.py --port=1234 --prometheus-port=5678\n"
    assert clone.installed("install") == ["ci"]
    assert clone.installed("install", "run", "demo") == []


def test_a_fresh_clone_is_installed_by_one_command(clone: Clone) -> None:
    """One command installs everything in a fresh clone, also with several jobs at once."""
    assert clone.installed("--jobs=4", "install", "run", "demo") == [*RUNS, "ci"]


def test_run_needs_less_than_150_mib() -> None:
    """The packages that `make run` installs are smaller than 150 MiB together."""
    size = 0
    for lock in ("image", "build", "pip"):
        text = (ROOT / "locks" / f"{lock}.txt").read_text()
        for name in re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==[^ ]+ (?!; sys_platform == 'win32')", text, re.MULTILINE):
            size += sum(file.size or 0 for file in metadata.files(name) or ())
    assert 10 << 20 < size < MAX_MIB << 20


@pytest.mark.parametrize("changed", ["pyproject.toml", "locks/image.txt", "locks/build.txt", "locks/pip.txt"])
def test_a_change_of_the_needs_makes_a_new_environment(clone: Clone, changed: str) -> None:
    """After a change of the packages or the package itself, the environment is made anew."""
    clone.installed("install")
    clone.touch(changed)
    assert clone.installed("run") == RUNS
    assert clone.installed("install") == ["ci"]


def test_a_change_of_the_tools_does_not_concern_run(clone: Clone) -> None:
    """After a change of the tools alone, `make run` installs nothing, and their targets begin anew."""
    clone.installed("install")
    clone.touch("locks/ci.txt")
    assert clone.installed("run") == []
    assert clone.installed("install") == [*RUNS, "ci"]
    assert clone.installed("install") == []


@pytest.mark.parametrize("target", ["run", "install"])
@pytest.mark.parametrize("fails", ["locks/pip.txt", "locks/image.txt", "--editable", "locks/ci.txt"])
def test_an_installation_that_did_not_end_begins_anew(clone: Clone, target: str, fails: str) -> None:
    """After an installation that did not end, the next command begins with an empty environment."""
    clone.installed("install", fails=fails)
    assert clone.installed(target) == [*RUNS, "ci"][: 5 if target == "install" else 4]


def test_a_moved_clone_gets_a_new_environment(clone: Clone, tmp_path: Path) -> None:
    """The programs in .venv have the path of the clone, so a moved or copied clone gets a new environment."""
    clone.installed("run")
    clone.folder = clone.folder.rename(tmp_path / "another clone")
    assert clone.installed("run") == RUNS
    assert clone.installed("run") == []


def test_a_python_that_is_gone(clone: Clone) -> None:
    """After the removal of its Python, the environment is made anew."""
    clone.installed("install")
    python = clone.folder / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3.11")
    assert clone.installed("install") == [*RUNS, "ci"]


def test_another_python_is_asked_for(clone: Clone) -> None:
    """`PYTHON=...` makes the environment anew if its version is another one; a new `python3` alone does not."""
    clone.installed("run")
    assert clone.installed("run", f"PYTHON={clone.python}") == []
    newer = clone.python.with_name("python3.99")
    newer.write_text(STUB.replace("-c*)", "*version_info[[]*) echo 3 99 ;;\n-c*)"))
    newer.chmod(0o755)
    assert clone.installed("run", "PYTHON=python3.99") == RUNS
    assert clone.installed("run", "PYTHON=python3.99") == []
    assert clone.installed("run") == []


def test_run_keeps_a_journal_in_the_clone(clone: Clone) -> None:
    """`make run` keeps a journal in a folder that git ignores, unless the user has set one."""
    assert clone.make("run").stdout.splitlines()[-1] == "serve with journal journal/journal.db"
    assert (clone.folder / "journal").is_dir()
    assert "/journal/" in (ROOT / ".gitignore").read_text().splitlines()
    assert clone.make("run", journal="none").stdout == "serve with journal none\n"


@pytest.mark.xdist_group("itself")
def test_a_group_of_tests_has_one_process(request: pytest.FixtureRequest) -> None:
    """Under `make test` pytest-xdist marks the names of grouped tests, or each process would start their programs."""
    is_spread = request.config.getoption("loadgroup", False)
    assert request.node.nodeid.endswith("@itself") == is_spread
