"""The journal of an exporter that has ended, as the next exporter reads it, in the process of the test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.app import Exporter, build
from exporter.settings.declared import Settings


class Reopened:
    """The exporter that reads a journal back, asked as a running one is."""

    def __init__(self, exporter: Exporter) -> None:
        """Ask this exporter."""
        self._client = exporter.app.test_client()

    def get(self, path: str) -> bytes:
        """Return the body of the answer to a GET."""
        return bytes(self._client.get(path).data)

    def post(self, body: bytes) -> bytes:
        """Post events and return the body of the answer."""
        return bytes(self._client.post("/webhook", data=body).data)


@contextmanager
def reopened(journal: Path) -> Iterator[Reopened]:
    """Return an exporter that has read a journal, until the end of the block."""
    exporter = build(Settings(journal=str(journal)))
    try:
        yield Reopened(exporter)
    finally:
        exporter.close()
