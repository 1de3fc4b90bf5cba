"""The certificate and key of a listener: checked before it opens, and taken anew when they are renewed.

A leaf: it knows nothing of what listens.
"""

import logging
import os
import ssl

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
        self._told = ""
        self._load()

    def look(self) -> None:
        """Read the files again if they have changed; what cannot be taken is logged, and the old pair goes on."""
        try:
            seen = self._versions()
            if seen == self._seen:
                return
            self._seen = seen
            # Into a context of its own first: one that fails half-way would be left with half of each pair.
            Certificate(self._cert, self._key)
            self._load()
        except TlsError as error:
            if str(error) != self._told:
                log.error("certificate not renewed", {"reason": str(error)})
            self._told = str(error)
        else:
            log.info("certificate renewed", {"tls_cert": self._cert})
            self._told = ""

    def _versions(self) -> list[tuple[int, int]]:
        versions = []
        for name, path in (("tls_cert", self._cert), ("tls_key", self._key)):
            try:
                with open(path, "rb") as file:
                    status = os.fstat(file.fileno())
            except (OSError, ValueError) as error:
                reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "that is no path"
                raise TlsError(f"{name} cannot be read: {reason}, {path!r}") from None
            versions.append((status.st_ino, status.st_mtime_ns))
        return versions

    def _load(self) -> None:
        try:
            # Without a password of ours, OpenSSL would ask for one on the terminal.
            self.context.load_cert_chain(self._cert, self._key, password="")
        except ssl.SSLError as error:
            raise TlsError(self._why(error)) from None

    def _why(self, error: ssl.SSLError) -> str:
        """Return what is wrong with which file: OpenSSL's words name neither."""
        with open(self._cert, "rb") as cert, open(self._key, "rb") as key:
            cert_text, key_text = cert.read(), key.read()
        if b"-----BEGIN CERTIFICATE-----" not in cert_text:
            return f"tls_cert holds no PEM certificate, {self._cert!r}"
        if b"PRIVATE KEY-----" not in key_text:
            return f"tls_key holds no PEM private key, {self._key!r}"
        if b"ENCRYPTED" in key_text:
            return f"tls_key has a password; give one without, {self._key!r}"
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            return f"tls_key is not the key of tls_cert, {self._key!r} and {self._cert!r}"
        return f"tls_cert or tls_key is damaged, {self._cert!r} and {self._key!r}: {error.reason or error}"
