"""A certificate and its key, checked with the settings and loaded again; `tests/server/test_tls.py` has them in use."""

import os
import subprocess
from pathlib import Path

import pytest

from exporter.settings.certificate import Certificate, TlsError
from exporter.settings.declared import SettingsError
from exporter.settings.load import load
from tests.support.certificates import Pair
from tests.support.running import program


def test_a_file_that_is_deleted_while_it_is_loaded(
    pairs: tuple[Pair, Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was there for the check and is gone for OpenSSL is reported like any other mistake."""
    monkeypatch.setattr(Certificate, "_versions", lambda _: [])
    with pytest.raises(TlsError, match="tls_cert or tls_key cannot be read: No such file or directory"):
        Certificate(pairs[0].cert, str(tmp_path / "gone.key"))


def test_a_new_pair(pairs: tuple[Pair, Pair], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A renewed certificate is loaded once its key has come too; until then each mistake is logged once."""
    caplog.set_level("INFO", "exporter.settings.certificate")
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    cert.write_bytes(Path(pairs[0].cert).read_bytes())
    key.write_bytes(Path(pairs[0].key).read_bytes())
    certificate = Certificate(str(cert), str(key))
    certificate.reload_if_changed()
    cert.write_bytes(Path(pairs[1].cert).read_bytes())
    certificate.reload_if_changed()
    certificate.reload_if_changed()
    key.unlink()
    os.mkfifo(key)  # no process writes to it
    certificate.reload_if_changed()
    certificate.reload_if_changed()
    key.unlink()
    key.write_bytes(Path(pairs[1].key).read_bytes())
    certificate.reload_if_changed()
    assert [record.getMessage() for record in caplog.records] == [
        "certificate not renewed",
        "certificate not renewed",
        "certificate renewed",
    ]


class TestSettings:
    """Certificates and keys in settings, checked before the port opens."""

    def test_a_certificate_with_its_key(self, pairs: tuple[Pair, Pair]) -> None:
        """Flags and environment variables name the files."""
        flags = {"tls_cert": pairs[0].cert, "tls_key": pairs[0].key}
        environ = {f"BUTLR_EXPORTER_{name.upper()}": text for name, text in flags.items()}
        for settings in (load(flags, {}), load({}, environ)):
            assert (settings.tls_cert, settings.tls_key) == (pairs[0].cert, pairs[0].key)
            assert settings.show()["tls_cert"] == pairs[0].cert

    def test_mistakes(self, pairs: tuple[Pair, Pair], tmp_path: Path) -> None:
        """A mistake names the file and the reason; no password is asked for."""
        encrypted = tmp_path / "encrypted.key"
        encrypted.write_bytes(
            subprocess.run(
                [program("openssl", "openssl"), "pkey", "-aes256", "-passout", "pass:x", "-in", pairs[0].key],
                capture_output=True,
                check=True,
            ).stdout
        )
        (tmp_path / "damaged").write_bytes(Path(pairs[0].key).read_bytes().replace(b"\nM", b"\n!"))
        for cert, key, mistake in [
            ("/nowhere", pairs[0].key, "tls_cert cannot be read: No such file or directory, '/nowhere'"),
            (pairs[0].cert, str(tmp_path), f"tls_key is not a file, {str(tmp_path)!r}"),
            ("a\0b", pairs[0].key, "tls_cert cannot be read: not a valid path, <path not shown>"),
            (
                pairs[0].cert,
                pairs[1].key,
                f"tls_key is not the key of tls_cert, '{pairs[1].key}' and '{pairs[0].cert}'",
            ),
            (pairs[0].key, pairs[0].key, f"tls_cert has no PEM certificate, '{pairs[0].key}'"),
            (pairs[0].cert, pairs[0].cert, f"tls_key has no PEM private key, '{pairs[0].cert}'"),
            (pairs[0].cert, str(encrypted), f"tls_key has a password; remove it from the key, '{encrypted}'"),
            (pairs[0].cert, str(tmp_path / "damaged"), "tls_cert or tls_key is damaged, "),
        ]:
            with pytest.raises(SettingsError) as caught:
                load({"tls_cert": cert, "tls_key": key, "window": "5"}, {})
            assert len(caught.value.mistakes) == 2
            assert caught.value.mistakes[1].startswith(mistake)
