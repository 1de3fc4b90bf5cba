"""`check` refuses everything for which `serve` would not start, all of it at once, and changes nothing."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from exporter.cli.main import main
from tests.support.deliveries import delivery
from tests.support.journals import killed, recorded
from tests.support.running import CONSOLE_SCRIPT, PATIENCE, free_port

HOLD = """
import sys
from exporter.journal.repair import open_file
journal = open_file(sys.argv[1])
print(flush=True)
input()
"""


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("BUTLR_EXPORTER_"):
            monkeypatch.delenv(name)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Have another process open the journal at a path."""
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            yield
        finally:
            other.communicate(b"\n")


@pytest.fixture
def free() -> str:
    """Return the flag for an address that is free."""
    return f"--listen=127.0.0.1:{free_port()}"


@pytest.fixture
def checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> "Checked":
    """Return the command."""
    return Checked(capsys, tmp_path)


class Checked:
    """`check`, which must leave the folder of the test as it was."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        """Watch a folder."""
        self._capsys = capsys
        self._folder = folder

    def _files(self) -> dict[Path, tuple[int, int, int]]:
        return {
            file: (status.st_ino, status.st_size, status.st_mtime_ns)
            for file in sorted(self._folder.rglob("*"))
            for status in [file.lstat()]
        }

    def __call__(self, *arguments: str) -> tuple[int, list[str]]:
        """Run it; return its exit status, and the lines of standard error but for the warning about credentials."""
        before = self._files()
        status = main(["check", *arguments])
        assert self._files() == before
        lines = [line.removeprefix("butlr-exporter: ") for line in self._capsys.readouterr().err.splitlines()]
        return status, [line for line in lines if "everyone may" not in line]


class TestJournal:
    """The path of the journal."""

    def test_good_paths(self, checked: Checked, tmp_path: Path, free: str) -> None:
        """A new path is good, and so is the journal of an exporter that has ended or was killed."""
        new, ended, killed_one = (str(tmp_path / name) for name in ("new.db", "ended.db", "killed.db"))
        recorded(ended, delivery())
        killed(killed_one, "zone_a")
        for path in (new, ended, killed_one):
            assert checked(free, f"--journal={path}") == (0, [])

    def test_no_folder(self, checked: Checked, tmp_path: Path, free: str) -> None:
        """A folder that is missing is a mistake, and so is a file in its place."""
        folder = tmp_path / "no"
        assert checked(free, f"--journal={folder}/j.db") == (
            2,
            [f"journal: {folder}/j.db: there is no folder {folder}; create it, or choose another path"],
        )
        folder.touch()
        status, (line,) = checked(free, f"--journal={folder}/j.db")
        assert (status, "a part of its path is a file and no folder" in line) == (2, True)

    @pytest.mark.parametrize("content", [b"my diary", b"SQLite format 3\0" * 9])
    def test_another_file(self, checked: Checked, tmp_path: Path, free: str, content: bytes) -> None:
        """A file that is no journal is a mistake, and stays as it is."""
        path = tmp_path / "diary"
        path.write_bytes(content)
        assert checked(free, f"--journal={path}") == (
            2,
            [f"journal: {path} is not a journal of butlr-exporter; choose another path"],
        )

    @pytest.mark.parametrize("kind", ["folder", "pipe"])
    def test_no_file(self, checked: Checked, tmp_path: Path, free: str, kind: str) -> None:
        """A folder or a pipe in the place of the file is a mistake, and nothing waits for it."""
        path = tmp_path / kind
        path.mkdir() if kind == "folder" else os.mkfifo(path)
        assert checked(free, f"--journal={path}") == (2, [f"journal: {path} is not a file; choose another path"])

    def test_its_log_alone(self, checked: Checked, tmp_path: Path, free: str) -> None:
        """A log without its journal is a mistake."""
        killed(str(tmp_path / "j.db"), "zone_a")
        (tmp_path / "j.db").unlink()
        status, (line,) = checked(free, f"--journal={tmp_path / 'j.db'}")
        assert (status, "is missing, although its log" in line) == (2, True)

    def test_another_process(self, checked: Checked, tmp_path: Path, free: str) -> None:
        """A journal that another process has open is a mistake, and that process keeps it."""
        path = tmp_path / "j.db"
        with held(path):
            for _ in range(2):
                assert checked(free, f"--journal={path}") == (2, [f"journal: {path} is in use by another process"])

    @pytest.mark.parametrize("mode", [0o555, 0o000])
    def test_a_folder_that_may_not_be_used(self, mode: int) -> None:
        """A folder without permission is a mistake, after root has dropped its privileges."""
        code = (
            # The other user may read none of these modules.
            "import encodings.idna, os, sys; from exporter.cli import service; from exporter.cli.main import main\n"
            "if os.getuid() == 0: os.setuid(65534)\n"
            "sys.exit(main(['check', '--listen=127.0.0.1:0', f'--journal={sys.argv[1]}']))"
        )
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, mode)
            ended = subprocess.run(
                [sys.executable, "-c", code, f"{folder}/j.db"], capture_output=True, text=True, check=False
            )
            os.chmod(folder, 0o700)
        assert ended.returncode == 2
        assert f"journal: {folder}/j.db cannot be opened: user " in ended.stderr
        assert ended.stderr.endswith(" has no permission; let that user write to the file and to its folder\n")


class TestPorts:
    """The addresses of the ports."""

    @pytest.mark.parametrize(
        ("address", "reason"),
        [
            ("192.0.2.1:9728", "Cannot assign requested address"),
            ("no-such-host.invalid:9728", "Name or service not known"),
            ("a..b:9728", "not a valid host name"),
            ("192.0.2.1:0", "Cannot assign requested address"),
            ("no-such-host.invalid:0", "Name or service not known"),
        ],
    )
    @pytest.mark.parametrize("name", ["listen", "metrics_listen"])
    def test_an_address_of_another_machine(self, checked: Checked, name: str, address: str, reason: str) -> None:
        """An address that this machine does not have is a mistake."""
        others = ["--listen=127.0.0.1:0"] if name == "metrics_listen" else []
        status, (line,) = checked(f"--{name}={address}", *others)
        assert status == 2
        assert line.startswith(f"{name}: {address} cannot be opened: ")
        assert line.endswith((reason, "Temporary failure in name resolution"))

    def test_the_exporter_is_running(self, checked: Checked, tmp_path: Path) -> None:
        """`check` beside the running exporter warns that its port and its journal are in use, and refuses nothing."""
        path = tmp_path / "j.db"
        with socket.create_server(("127.0.0.1", 0)) as listener, held(path):
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            right = "is in use by another process; that is right if it is this exporter"
            assert checked(f"--listen={address}") == (0, [f"warning: listen: {address} {right}"])
            assert checked(f"--listen={address}", f"--journal={path}") == (
                0,
                [f"warning: journal: {path} {right}", f"warning: listen: {address} {right}"],
            )

    def test_another_program_has_the_port(self, checked: Checked, tmp_path: Path) -> None:
        """A port in use is a mistake where the journal or the other port is free: the exporter is not running."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            mistake = (2, [f"listen: {address} is in use by another process"])
            assert checked(f"--listen={address}", f"--journal={tmp_path / 'j.db'}") == mistake
            assert checked(f"--listen={address}", f"--metrics-listen=127.0.0.1:{free_port()}") == mistake

    @pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
    def test_another_program_has_the_port_by_ipv6(self, checked: Checked, tmp_path: Path) -> None:
        """A port that is in use only by IPv6 is a mistake for an address without a host, which serves IPv6 as well."""
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
            address = f":{listener.getsockname()[1]}"
            mistake = (2, [f"listen: {address} is in use by another process"])
            assert checked(f"--listen={address}", f"--journal={tmp_path / 'j.db'}") == mistake

    @pytest.mark.parametrize(
        ("listen", "metrics_listen", "part"),
        [
            ("0.0.0.0:", "127.0.0.1:", "metrics_listen"),
            ("127.0.0.1:", "0.0.0.0:", "listen"),
            (":", "localhost:", "metrics_listen"),
            ("0.0.0.0:", ":", "listen"),
            ("[::]:", "0.0.0.0:", None),
            ("127.0.0.1:", "127.0.0.2:", None),
        ],
    )
    def test_one_address_is_a_part_of_the_other(
        self, checked: Checked, listen: str, metrics_listen: str, part: str | None
    ) -> None:
        """Two addresses with one port are a mistake if one of them stands for the other one too."""
        port = free_port()
        status, lines = checked(f"--listen={listen}{port}", f"--metrics-listen={metrics_listen}{port}")
        assert (status, [line.partition(":")[0] for line in lines]) == ((2, [part]) if part else (0, []))
        assert all(line.endswith("; choose another port") for line in lines)


class TestTogether:
    """Several mistakes."""

    def test_everything_at_once(self, checked: Checked, tmp_path: Path) -> None:
        """Every mistake has its line, whether a text, a file, the journal or a port shows it."""
        capacity, journal, key = tmp_path / "capacity.yml", tmp_path / "no" / "j.db", tmp_path / "no.key"
        capacity.write_text("capacity: [{max: none}]")
        status, lines = checked(
            "--window=0",
            f"--journal={journal}",
            f"--tls-key={key}",
            f"--capacity-file={capacity}",
            "--listen=192.0.2.1:9728",
            "--metrics-listen=no-such-host.invalid:9729",
        )
        assert status == 2
        assert [line.partition(" ")[0] for line in lines] == [
            "--window",
            "tls_key",
            "tls_key",
            "capacity_file:",
            "journal:",
            "listen:",
            "metrics_listen:",
        ]
        assert "tls_key is set and tls_cert is not; they go together" in lines
        assert f"tls_key cannot be read: No such file or directory, '{key}'" in lines

    def test_both_files_of_a_certificate(self, checked: Checked, tmp_path: Path, free: str) -> None:
        """A certificate and a key that cannot be read are two mistakes; a key of another certificate is one."""
        status, lines = checked(free, f"--tls-cert={tmp_path / 'no.crt'}", f"--tls-key={tmp_path}")
        assert (status, [line.partition(" ")[0] for line in lines]) == (2, ["tls_cert", "tls_key"])

    def test_serve(self, tmp_path: Path) -> None:
        """`serve` reports a mistake in the journal with the other ones, before it opens its port."""
        ended = subprocess.run(
            [str(CONSOLE_SCRIPT), "serve", "--listen=127.0.0.1:0", "--window=0", f"--journal={tmp_path}/no/j.db"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == 2
        assert ended.stderr.splitlines() == [
            "butlr-exporter: --window must be longer than 0, not '0'",
            f"butlr-exporter: journal: {tmp_path}/no/j.db: there is no folder {tmp_path}/no; create it, "
            "or choose another path",
        ]
