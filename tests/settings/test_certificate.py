"""A certificate and its key as the process loads them; `tests/server/test_tls.py` has them in use."""

from pathlib import Path

import pytest

from exporter.settings.certificate import Certificate, TlsError
from tests.support.certificates import Pair


def test_a_file_that_is_deleted_while_it_is_loaded(
    pairs: tuple[Pair, Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was there for the check and is gone for OpenSSL is reported like any other mistake."""
    monkeypatch.setattr(Certificate, "_versions", lambda _: [])
    with pytest.raises(TlsError, match="tls_cert or tls_key cannot be read: No such file or directory"):
        Certificate(pairs[0].cert, str(tmp_path / "gone.key"))
