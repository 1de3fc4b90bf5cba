"""Requests of one event-loop iteration that the fast path answers together.

Work that is the same for all of them is done once, and a client with several connections is woken once. A head is
parsed only the first time: the same bytes at the beginning of a request mean the same each time.

This module knows one fact of HTTP: a head ends at its first empty line.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from exporter.server.service import FastPath

MAX_HEADS = 1000
"""Heads remembered at a time. A client that varies its head empties the memory instead of growing it."""

MAX_HEAD = 1 << 10
"""Bytes of the longest head that is remembered."""

MAX_RESPONSES = 100
"""Different responses remembered at a time, with the headers of all responses."""

_END = b"\r\n\r\n"


class Waiting(Protocol):
    """A connection with a request that waits for the end of the event-loop iteration."""

    def resolve(self, response: bytes | None) -> None:
        """Send the response, or leave the request to the app if it is None."""

    def abort(self) -> None:
        """End the connection at once."""


class Batch:
    """The requests of one port that wait for the end of the event-loop iteration, and the heads seen before."""

    def __init__(self, fast_path: FastPath) -> None:
        """Let `fast_path` answer."""
        self.fast_path = fast_path
        self._begins = b"POST %b HTTP/1.1\r\n" % fast_path.path
        self._heads: dict[bytes, int] = {}
        self._waiting: list[Waiting] = []
        self._bodies: list[bytes] = []
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self._responses: dict[bytes, bytes] = {}
        """Whole responses, by the response of the fast path."""

    def body_of(self, data: bytes) -> bytes | None:
        """Return the body of a request if `data` is exactly one request with a remembered head, else None."""
        end = data.find(_END) + len(_END)
        length = self._heads.get(data[:end])
        return data[end:] if length == len(data) - end else None

    def remember_head(self, data: bytes, length: int) -> None:
        """Remember the head with which `data` begins: the fast path accepts it, and its body has `length` bytes."""
        head = data[: data.find(_END) + len(_END)]
        # A bare line feed could have ended the head earlier.
        if head.startswith(self._begins) and len(head) <= MAX_HEAD and head.count(b"\n") == head.count(b"\r\n"):
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            self._heads[head] = length

    def add(self, connection: Waiting, body: bytes) -> None:
        """Let a request wait for the end of the event-loop iteration."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(connection)
        self._bodies.append(body)

    def flush(self) -> None:
        """Answer every request that waits."""
        waiting, self._waiting = self._waiting, []
        bodies, self._bodies = self._bodies, []
        if not waiting:
            return
        try:
            responses = self.fast_path.respond(bodies)
        except Exception:
            for connection in waiting:
                connection.abort()
            raise
        for connection, response in zip(waiting, responses, strict=True):
            connection.resolve(response)

    def response(self, response: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return a response of the fast path with the headers of all responses behind its status line.

        `headers` are compared by identity, as uvicorn makes a new list each time it changes them.
        """
        if headers is not self._headers or len(self._responses) > MAX_RESPONSES:
            self._headers = headers
            self._responses.clear()
        whole = self._responses.get(response)
        if whole is None:
            status_line, end, rest = response.partition(b"\r\n")
            lines = b"".join([b"%b: %b\r\n" % header for header in headers])
            whole = self._responses[response] = status_line + end + lines + rest
        return whole
