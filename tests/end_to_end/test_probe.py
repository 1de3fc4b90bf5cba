"""The probe of a container."""

import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from exporter import probe
from tests.support.certificates import Pair
from tests.support.running import free_port, running


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("BUTLR_EXPORTER_"):
            monkeypatch.delenv(name)


def test_health(
    tmp_path: Path,
    pairs: tuple[Pair, Pair],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The probe exits with 0 while the exporter serves, over TLS too and on either port, else with 1."""
    monkeypatch.setenv("BUTLR_EXPORTER_METRICS_USERNAME", "prometheus")
    monkeypatch.setenv("BUTLR_EXPORTER_METRICS_PASSWORD", "hush")
    inner = free_port()
    secured = ["--metrics-username=prometheus", "--metrics-password=hush"]
    with running(tmp_path / "log", *secured) as exporter:
        monkeypatch.setenv("BUTLR_EXPORTER_LISTEN", f"0.0.0.0:{exporter.port}")
        assert probe.main() == 0
    assert probe.main() == 1
    assert "refused" in capsys.readouterr().err
    with running(tmp_path / "log", *secured, *pairs[0].flags(), tls=pairs[0].client) as exporter:
        monkeypatch.setenv("BUTLR_EXPORTER_LISTEN", f":{exporter.port}")
        assert probe.main() == 1
        monkeypatch.setenv("BUTLR_EXPORTER_TLS_CERT", pairs[0].cert)
        monkeypatch.setenv("BUTLR_EXPORTER_TLS_KEY", pairs[0].key)
        assert probe.main() == 0
        monkeypatch.setenv("BUTLR_EXPORTER_METRICS_LISTEN", f"127.0.0.1:{inner}")
        assert probe.main() == 1
    with running(
        tmp_path / "log", *secured, *pairs[0].flags(), f"--metrics-listen=127.0.0.1:{inner}", tls=pairs[0].client
    ):
        assert probe.main() == 0
    assert probe.main() == 1


BAD_SETTINGS = {
    "capacity_file": "{tmp}/capacity.yml",
    "tls_cert": "/nowhere",
    "journal": "/nowhere/at/all.db",
    "webhook_api_keys_file": "/nowhere",
    "metrics_username": "alone",
    "window": "soon",
    "log_level": "shout",
    "weebhook_api_keys": "misspelt",
}


@pytest.mark.parametrize("name", BAD_SETTINGS)
def test_other_settings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad capacity file, a missing file or a bad value of another setting does not make a service unhealthy."""
    (tmp_path / "capacity.yml").write_text("capacity: [")
    inner = free_port()
    with running(tmp_path / "log", f"--metrics-listen=127.0.0.1:{inner}"):
        monkeypatch.setenv("BUTLR_EXPORTER_METRICS_LISTEN", f"127.0.0.1:{inner}")
        monkeypatch.setenv(f"BUTLR_EXPORTER_{name.upper()}", BAD_SETTINGS[name].format(tmp=tmp_path))
        assert probe.main() == 0


def test_tls_files_that_are_renewed(tmp_path: Path, pairs: tuple[Pair, Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    """A service whose certificate is missing while it is renewed goes on, and the probe asks it over TLS."""
    with running(tmp_path / "log", *pairs[0].flags(), tls=pairs[0].client) as exporter:
        monkeypatch.setenv("BUTLR_EXPORTER_LISTEN", f":{exporter.port}")
        monkeypatch.setenv("BUTLR_EXPORTER_TLS_CERT", "/nowhere/tls.crt")
        assert probe.main() == 0


def test_a_bad_address(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An address that no service can have is reported with its variable."""
    monkeypatch.setenv("BUTLR_EXPORTER_LISTEN", "here")
    assert probe.main() == 1
    assert capsys.readouterr().err.startswith("butlr-exporter: BUTLR_EXPORTER_LISTEN must be ")


def test_another_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer other than 200 makes the probe fail, and the probe prints its status."""

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setenv("BUTLR_EXPORTER_LISTEN", f"127.0.0.1:{server.server_port}")
        assert probe.main() == 1
        thread.join(5)
    assert capsys.readouterr().err == "butlr-exporter: /-/healthy answered 503\n"
