"""The certificate and key of a listener: checked before it opens, and taken anew when they are renewed.

A leaf: it knows nothing of what listens.
"""

import logging
import os
import ssl
import stat

from exporter.files import reason, shown_path

log = logging.getLogger(__name__)


class TlsError(ValueError):
    """A certificate or key that cannot be taken; the text says which and why."""


class Certificate:
    """A pair of PEM files and the context that serves them, TLS 1.2 and later."""

    def __init__(self, cert: str, key: str) -> None:
        """Read them. Raises TlsError."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._cert, self._key = cert, key
        self._seen = self._versions()
        self._last_mistake = ""
        self._load()

    def reload_if_changed(self) -> None:
        """Read the files again if they have changed; what cannot be taken is logged, and the old pair goes on."""
        try:
            if self._versions() == self._seen:
                return
            # Into a context of its own first: one that fails half-way would be left with half of each pair.
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
            # Without a password of ours, OpenSSL would ask for one on the terminal.
            self.context.load_cert_chain(self._cert, self._key, password="")
        except ssl.SSLError as error:
            raise TlsError(self._why(error)) from None
        except OSError as error:  # gone since they were looked at, or no descriptor left
            raise TlsError(f"tls_cert or tls_key cannot be read: {error.strerror}") from None

    def _why(self, error: ssl.SSLError) -> str:
        """Return what is wrong with which file: OpenSSL's words name neither."""
        with open(self._cert, "rb") as cert, open(self._key, "rb") as key:
            cert_text, key_text = cert.read(), key.read()
        if b"-----BEGIN CERTIFICATE-----" not in cert_text:
            return f"tls_cert holds no PEM certificate, {shown_path(self._cert)}"
        if b"PRIVATE KEY-----" not in key_text:
            return f"tls_key holds no PEM private key, {shown_path(self._key)}"
        if b"ENCRYPTED" in key_text:
            return f"tls_key has a password; give one without, {shown_path(self._key)}"
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            return f"tls_key is not the key of tls_cert, {shown_path(self._key)} and {shown_path(self._cert)}"
        both = f"{shown_path(self._cert)} and {shown_path(self._key)}"
        return f"tls_cert or tls_key is damaged, {both}: {error.reason or error}"


def _version(name: str, path: str) -> tuple[int, int]:
    """Return what changes when a file does. Raises TlsError if it cannot be read, without waiting for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise TlsError(f"{name} cannot be read: {reason(error)}, {shown_path(path)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise TlsError(f"{name} is no file, {shown_path(path)}")
    return status.st_ino, status.st_mtime_ns
