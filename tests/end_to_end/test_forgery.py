"""Names from events forge nothing: neither a log line, nor a sample, nor a piece of the page."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.deliveries import event_id
from tests.support.paths import ROOT
from tests.support.running import Running, program, running

SCRIPT = "<script>document.title = 'forged'</script><img src=x onerror=\"document.title = 'forged'\">"

FORGERIES = [
    "a\nts=2026-01-01T00:00:00.000Z level=error msg=forged",
    "a\r\n\tts=2026-01-01T00:00:00.000Z level=error msg=forged",
    'a" level=error msg=forged b="',
    'a\\" level=error msg=forged',
    '"} 1\nbutlr_zone_occupancy{zone_id="forged"} 99\n# {zone_name="',
    "a\\",
    "\\n",
    "\x1b[2J\x1b]0;forged\x07",
    "\u2028level=error\u2029msg=forged\x85\x0b\x0c\x1c",
    "\u202emsg=forged",
    "# EOF\n",
    SCRIPT,
]


def event(number: int, text: str) -> bytes:
    """Return an event of now with this text for its id, its zone and every name of it."""
    names = ("site_name", "building_name", "floor_name", "room_name", "zone_name", "zone_custom_id")
    metadata = dict.fromkeys(names, text) | {"zone_id": f"{number}{text}"}
    now = time.time()
    fields = {"id": f"{text}{event_id(int(now))}", "type": "ZONE_OCCUPANCY", "timestamp": int(now * 1000)}
    return json.dumps(fields | {"metadata": metadata, "data": number}).encode()


def refused(text: str) -> bytes:
    """Return an event that is refused for each thing that can hold a text."""
    return json.dumps({"id": text, "type": text, "timestamp": text, "metadata": {"zone_id": text}, text: text}).encode()


class TestLog:
    """One line is one line, and says what it says."""

    @pytest.mark.parametrize("log_format", ["logfmt", "json"])
    def test_lines(self, tmp_path: Path, log_format: str) -> None:
        """Whatever the names, ids, paths and headers; read back, each is what was sent."""
        with running(tmp_path / "log", f"--log-format={log_format}", "--log-level=debug") as exporter:
            for number, text in enumerate(FORGERIES):
                exporter.post(event(number, text))
                with pytest.raises(OSError, match="422"):
                    exporter.post(refused(text))
                with exporter.connect() as connection:
                    path = text.encode().hex(" ").replace(" ", "%")
                    connection.sendall(f"POST /%{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
                    assert connection.recv(1000).startswith(b"HTTP/1.1 404 ")
            assert exporter.stop() == 0
            log = exporter.log()
        assert {character for character in log if not character.isprintable()} == {"\n"}
        lines = log.split("\n")[:-1]
        if log_format == "json":
            parsed = [json.loads(line) for line in lines]
            assert {line["zone_name"] for line in parsed if line["msg"] == "zone appeared"} == set(FORGERIES)
            assert {line["level"] for line in parsed} == {"debug", "info", "warning"}
        for line in lines:
            # Outside of quotes there is one level, and it is none of the forged.
            bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", line) if log_format == "logfmt" else ""
            assert len(re.findall(r"\blevel=", bare)) <= 1
            assert "level=error" not in bare
            assert "forged" not in bare


class TestSamples:
    """One zone is one series."""

    def test_samples(self, tmp_path: Path) -> None:
        """Read back, every name is what was sent, and there is none more."""
        with running(tmp_path / "log") as exporter:
            for number, text in enumerate(FORGERIES):
                exporter.post(event(number, text))
            exposition = exporter.get("/metrics?name[]=butlr_zone_occupancy").decode()
        (family,) = text_string_to_metric_families(exposition)
        told = {sample.labels["zone_id"]: (sample.labels["zone_name"], sample.value) for sample in family.samples}
        assert told == {f"{number}{text}": (text, float(number)) for number, text in enumerate(FORGERIES)}


class TestPage:
    """A real browser."""

    @staticmethod
    def shown(exporter: Running, folder: Path) -> str:
        """Return the page as it is once the browser has run what it runs."""
        for number, text in enumerate(FORGERIES):
            exporter.post(event(number, text))
        flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
        more = f"--disable-component-update --disable-sync --user-data-dir={folder / 'profile'} --dump-dom"
        ended = subprocess.run(
            [program("chromium", "chromium"), *flags.split(), *more.split(), f"{exporter.url}/"],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert "<title>" in ended.stdout
        return ended.stdout

    def test_names_are_text(self, tmp_path: Path) -> None:
        """A script in a name is read by people, not run."""
        with running(tmp_path / "log") as exporter:
            page = self.shown(exporter, tmp_path)
        assert "<title>Butlr exporter</title>" in page
        assert "&lt;script&gt;document.title = 'forged'&lt;/script&gt;" in page
        assert not re.search("<script(?! src=./assets/page.js)|<img", page)

    def test_if_they_were_not(self, tmp_path: Path) -> None:
        """Then the page's policy would still not let them run: this one does not escape."""
        shutil.copytree(ROOT / "exporter", tmp_path / "exporter")
        template = tmp_path / "exporter" / "web" / "pages" / "templates" / "spaces.html"
        escaped = "<bdi>{{ name }}</bdi></a>"
        assert escaped in template.read_text()
        template.write_text(template.read_text().replace(escaped, "{{ name | safe }}</a>"))
        with running(tmp_path / "log", package=tmp_path) as exporter:
            page = self.shown(exporter, tmp_path)
        assert "<script>document.title" in page
        assert "<title>Butlr exporter</title>" in page
