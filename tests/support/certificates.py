"""Certificates of an authority that only the tests trust."""

import ssl
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import trustme


class Pair(NamedTuple):
    """A certificate, its key, and the context of a client that trusts its authority."""

    cert: str
    key: str
    client: ssl.SSLContext

    def flags(self) -> list[str]:
        """Return the flags that make the exporter serve with this certificate."""
        return [f"--tls-cert={self.cert}", f"--tls-key={self.key}"]


def issued(authority: trustme.CA, folder: Path, name: str, not_after: datetime | None = None) -> Pair:
    """Issue a certificate for 127.0.0.1, which ends at `not_after` or late, and write it to a folder."""
    certificate = authority.issue_cert("127.0.0.1", common_name=name, not_after=not_after)
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    cert.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Pair(str(cert), str(key), client)
