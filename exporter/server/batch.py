"""Requests of one event-loop iteration that the fast path answers together.

Work that is the same for all of them is done once, and a client with several connections is woken once. A head is
parsed only the first time: the same bytes at the beginning of a request mean the same each time.

This module knows one fact of HTTP: a head ends at its first empty line.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from exporter.server.service import FastPath, Response

MAX_HEADS = 1000
"""Heads remembered at a time. A client that varies its head empties the memory instead of growing it."""

MAX_HEAD = 1 << 10
"""Bytes of the longest head that is remembered."""

_END = b"\r\n\r\n"


class Waiting(Protocol):
    """A connection with a request that waits for the end of the event-loop iteration."""

    @property
    def peer(self) -> str:
        """The address of the client."""

    def resolve(self, response: Response | None) -> None:
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
        self._of_all = b""
        self._begin = STATUS_LINE[200]

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
            if None in responses:
                responses = [
                    response or self.fast_path.answer(body, connection.peer)
                    for connection, body, response in zip(waiting, bodies, responses, strict=True)
                ]
        except Exception:
            for connection in waiting:
                connection.abort()
            raise
        for connection, response in zip(waiting, responses, strict=True):
            connection.resolve(response)

    def response(self, response: Response, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return a whole response: the status line, the headers of all responses, and the rest.

        `headers` are compared by identity, as uvicorn makes a new list each time it changes them.
        """
        if headers is not self._headers:
            self._headers = headers
            self._of_all = b"".join([b"%b: %b\r\n" % header for header in headers])
            self._begin = STATUS_LINE[200] + self._of_all
        status, rest, _ = response
        return (self._begin if status == 200 else STATUS_LINE[status] + self._of_all) + rest


def is_whole(data: bytes, length: int) -> bool:
    """Return whether `data` is one whole request whose body has `length` bytes; an unknown length is negative."""
    return len(data) == data.find(_END) + len(_END) + length and length >= 0
