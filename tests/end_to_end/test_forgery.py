"""Names from events forge nothing: neither a log line, nor a sample, nor a piece of the page."""

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.browsing import CHROMIUM, FLAGS
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
    """Return an event of now with this text in its id, its zone id and each of its names."""
    names = ("site_name", "building_name", "floor_name", "room_name", "zone_name", "zone_custom_id")
    metadata = dict.fromkeys(names, text) | {"zone_id": f"{number}{text}"}
    now = time.time()
    fields = {"id": f"{text}{event_id(int(now))}", "type": "ZONE_OCCUPANCY", "timestamp": int(now * 1000)}
    return json.dumps(fields | {"metadata": metadata, "data": number}).encode()


def refused(text: str) -> bytes:
    """Return an event that is refused, with this text in each field that can hold a text."""
    return json.dumps({"id": text, "type": text, "timestamp": text, "metadata": {"zone_id": text}, text: text}).encode()


class TestLog:
    """The log with forged texts."""

    @pytest.mark.parametrize("log_format", ["logfmt", "json"])
    def test_lines(self, tmp_path: Path, log_format: str) -> None:
        """A text from a request neither begins a line of the log nor adds a field to one."""
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
    """The exposition with forged texts."""

    def test_samples(self, tmp_path: Path) -> None:
        """Every name is read back as it was sent, and no text forges a sample."""
        with running(tmp_path / "log") as exporter:
            for number, text in enumerate(FORGERIES):
                exporter.post(event(number, text))
            exposition = exporter.get("/metrics?name[]=butlr_zone_occupancy").decode()
        (family,) = text_string_to_metric_families(exposition)
        found = {sample.labels["zone_id"]: (sample.labels["zone_name"], sample.value) for sample in family.samples}
        assert found == {f"{number}{text}": (text, float(number)) for number, text in enumerate(FORGERIES)}


class TestPage:
    """A page with forged texts in a real browser."""

    @staticmethod
    def shown(exporter: Running, folder: Path) -> str:
        """Return the page after the browser has run its scripts."""
        for number, text in enumerate(FORGERIES):
            exporter.post(event(number, text))
        flags = [*FLAGS.split(), f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
        ended = subprocess.run(
            [program(CHROMIUM, CHROMIUM), *flags, f"{exporter.url}/"],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert "<title>" in ended.stdout
        return ended.stdout

    def test_names_are_text(self, tmp_path: Path) -> None:
        """A script in a name is shown as text and does not run."""
        with running(tmp_path / "log") as exporter:
            page = self.shown(exporter, tmp_path)
        assert "<title>Butlr exporter</title>" in page
        assert "&lt;script&gt;document.title = 'forged'&lt;/script&gt;" in page
        assert not re.search('<script(?! src="./assets/page[.]js)|<img', page)

    def test_unescaped_names(self, tmp_path: Path) -> None:
        """The page's policy stops a script in a name, even if a template does not escape the name."""
        shutil.copytree(ROOT / "exporter", tmp_path / "exporter")
        template = tmp_path / "exporter" / "web" / "pages" / "templates" / "parts.html"
        escaped = "<bdi>{{ space.name }}</bdi></a>"
        assert escaped in template.read_text()
        template.write_text(template.read_text().replace(escaped, "{{ space.name | safe }}</a>"))
        with running(tmp_path / "log", package=tmp_path) as exporter:
            page = self.shown(exporter, tmp_path)
        assert "<script>document.title" in page
        assert "<title>Butlr exporter</title>" in page
