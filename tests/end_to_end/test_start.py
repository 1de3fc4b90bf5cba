"""Journals that keep the exporter from starting, or make it warn, before its port opens."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from exporter.journal.repair import TRUNCATED
from tests.support.deliveries import of_now
from tests.support.running import CONSOLE_SCRIPT, PATIENCE, outcomes, running


class TestStart:
    """The start with a journal that is in use, foreign, damaged or not writable."""

    @staticmethod
    def refusal(journal: Path, status: int = 1) -> str:
        """Return the last line of the log of an exporter that must not start, but end with this status."""
        command = [str(CONSOLE_SCRIPT), "serve", "--listen=127.0.0.1:0", f"--journal={journal}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert ended.returncode == status
        assert "started" not in ended.stderr
        assert "Traceback" not in ended.stderr
        return ended.stderr.splitlines()[-1]

    def test_a_second_process(self, tmp_path: Path) -> None:
        """A second process on a journal ends with the reason, and the first goes on."""
        journal = tmp_path / "journal.db"
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            reason = f"{journal} is in use by another process; end that one, or choose another path"
            assert f'msg="cannot start" reason="{reason}"' in self.refusal(journal)
            assert outcomes(exporter.post(of_now(1)[0])) == {"new": 1}

    def test_foreign_and_corrupt(self, tmp_path: Path) -> None:
        """A foreign or corrupt journal is reported with a remedy; the foreign file stays as it was."""
        journal = tmp_path / "journal.db"
        journal.write_text("my diary")
        assert "is not a journal of butlr-exporter; choose another path" in self.refusal(journal, status=2)
        assert journal.read_text() == "my diary"
        journal.unlink()
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            for event in of_now(100):
                exporter.post(event)
            assert exporter.stop() == 0
        content = bytearray(journal.read_bytes())
        content[4096:] = os.urandom(len(content) - 4096)
        journal.write_bytes(content)
        assert "is corrupt" in self.refusal(journal)
        assert "move it away to start with no spaces" in self.refusal(journal)

    def test_truncated(self, tmp_path: Path) -> None:
        """A truncated journal is restored up to the damage, with a warning."""
        journal = tmp_path / "journal.db"
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            for event in of_now(100):
                exporter.post(event)
            assert exporter.stop() == 0
        with journal.open("r+b") as file:
            file.truncate(journal.stat().st_size - 1)
        with running(tmp_path / "log", f"--journal={journal}") as exporter:
            said = rf'level=warning msg="journal was truncated" rows=\d+ set_aside={journal}{TRUNCATED}'
            assert re.search(said, exporter.log())
            assert outcomes(exporter.post(of_now(1, zone="zone_b")[0])) == {"new": 1}

    def test_a_folder_that_may_not_be_written(self) -> None:
        """A folder without write permission is reported, after root has dropped its privileges."""
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o555)  # noqa: S103
            code = (
                "import os, sys; from exporter.journal.repair import open_file\n"
                "if os.getuid() == 0: os.setuid(65534)\n"
                "try: open_file(sys.argv[1])\n"
                "except Exception as error: print(type(error).__name__, error)"
            )
            ended = subprocess.run(
                [sys.executable, "-c", code, f"{folder}/journal.db"], capture_output=True, text=True, check=True
            )
        assert ended.stdout.startswith(f"JournalError {folder}/journal.db cannot be opened: user ")
        assert ended.stdout.endswith(" has no permission; let that user write to the file and to its folder\n")
