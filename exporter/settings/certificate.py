"""The certificate and key of a port: checked before the port opens, and loaded again when they are renewed."""

import logging
import os
import ssl
import stat
from _ssl import _test_decode_cert  # type: ignore[attr-defined]  # ssl shows only certificates of others

from exporter.files import reason, shown_path

log = logging.getLogger(__name__)


class TlsError(ValueError):
    """A certificate or key cannot be used; the text names the file and the reason."""


class Certificate:
    """A certificate with its key, two PEM files, and the TLS context (1.2 and later) that uses them."""

    def __init__(self, cert: str, key: str) -> None:
        """Load the files. Raises TlsError."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._cert, self._key = cert, key
        self._seen = self._versions()
        self._last_mistake = ""
        self.not_after_seconds = 0.0
        """When the certificate in use ends, Unix seconds."""
        self._load()

    def reload_if_changed(self) -> None:
        """Load the files again if they have changed; log a mistake in them, and go on with the previous pair."""
        try:
            if self._versions() == self._seen:
                return
            # A new context loads them first: a context that failed half-way would hold half of each pair.
            self._seen = Certificate(self._cert, self._key)._seen
            self._load()
        except TlsError as error:
            if str(error) != self._last_mistake:
                log.error("certificate not renewed", {"reason": str(error)})
            self._last_mistake = str(error)
        else:
            log.info("certificate renewed", {"tls_cert": self._cert})
            self._last_mistake = ""

    def _versions(self) -> list[tuple[int, int]]:
        return [_version("tls_cert", self._cert), _version("tls_key", self._key)]

    def _load(self) -> None:
        try:
            # Without a password here, OpenSSL would ask for one on the terminal.
            self.context.load_cert_chain(self._cert, self._key, password="")
            self.not_after_seconds = float(ssl.cert_time_to_seconds(_test_decode_cert(self._cert)["notAfter"]))
        except ssl.SSLError as error:
            raise TlsError(self._why(error)) from None
        except OSError as error:  # deleted since the check, or no file descriptor is free
            raise TlsError(f"tls_cert or tls_key cannot be read: {error.strerror}") from None

    def _why(self, error: ssl.SSLError) -> str:
        """Return the mistake and its file; the text of OpenSSL names neither."""
        with open(self._cert, "rb") as cert, open(self._key, "rb") as key:
            cert_text, key_text = cert.read(), key.read()
        if b"-----BEGIN CERTIFICATE-----" not in cert_text:
            return f"tls_cert has no PEM certificate, {shown_path(self._cert)}"
        if b"PRIVATE KEY-----" not in key_text:
            return f"tls_key has no PEM private key, {shown_path(self._key)}"
        if b"ENCRYPTED" in key_text:
            return f"tls_key has a password; remove it from the key, {shown_path(self._key)}"
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            return f"tls_key is not the key of tls_cert, {shown_path(self._key)} and {shown_path(self._cert)}"
        both = f"{shown_path(self._cert)} and {shown_path(self._key)}"
        return f"tls_cert or tls_key is damaged, {both}: {error.reason or error}"


def check_file(name: str, path: str) -> None:
    """Check that the file of a setting can be read. Raises TlsError."""
    _version(name, path)


def _version(name: str, path: str) -> tuple[int, int]:
    """Return inode and time (ns) of the last change of a file, without waiting. Raises TlsError if it is unreadable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise TlsError(f"{name} cannot be read: {reason(error)}, {shown_path(path)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise TlsError(f"{name} is not a file, {shown_path(path)}")
    return status.st_ino, status.st_mtime_ns
