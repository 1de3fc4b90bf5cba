"""The short way of a port: requests that need nothing of what a server does for one, answered together.

Those that come in one turn of the event loop are answered at its end, so that what is the same for all is done once,
and a client with several connections is woken once. And a head that is known is not parsed again: the same bytes at
the beginning of a request mean the same each time.

It knows HTTP by two things only: where a head ends, and that nothing else could end it.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Protocol

MAX_HEADS = 1000
"""Heads that are known at a time; who sends ever new ones makes all be forgotten."""

MAX_HEAD = 1 << 10
"""Bytes of the longest of these."""

_END = b"\r\n\r\n"
_OK = b"HTTP/1.1 200 OK\r\n"


class FastPath(Protocol):
    """Answers some requests without the app."""

    path: bytes
    max_body: int
    """Bytes of the longest body that it looks at."""

    def accepts(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Tell by the headers of a POST to the path, names in lower case, whether it looks at the body."""

    def respond(self, bodies: Sequence[bytes]) -> list[bytes | None]:
        """Return a whole 200 answer but for its first line to each; None, and nothing was done, if the app must."""


class Waiting(Protocol):
    """A connection that waits for the end of a turn."""

    def resolve(self, answer: bytes | None) -> None:
        """Take the answer, or None if it is for the app."""

    def abort(self) -> None:
        """End it at once."""


class Batch:
    """The short way of one port."""

    def __init__(self, fast_path: FastPath) -> None:
        """Take what answers."""
        self.fast_path = fast_path
        self._begins = b"POST %b HTTP/1.1\r\n" % fast_path.path
        self._heads: dict[bytes, int] = {}
        self._waiting: list[Waiting] = []
        self._bodies: list[bytes] = []
        self._headers: Iterable[tuple[bytes, bytes]] = ()
        self._begin = _OK

    def body_of(self, data: bytes) -> bytes | None:
        """Return the body of a request, if these bytes are a whole one with a head that is known."""
        end = data.find(_END) + len(_END)
        length = self._heads.get(data[:end])
        return data[end:] if length == len(data) - end else None

    def remember_head(self, data: bytes, length: int) -> None:
        """Know from now on that the head with which these bytes begin has this content length, and is taken."""
        head = data[: data.find(_END) + len(_END)]
        # An empty line of bare line feeds might have ended it before.
        if head.startswith(self._begins) and len(head) <= MAX_HEAD and head.count(b"\n") == head.count(b"\r\n"):
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            self._heads[head] = length

    def add(self, each: Waiting, body: bytes) -> None:
        """Let a request wait for the end of the turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self._waiting.append(each)
        self._bodies.append(body)

    def flush(self) -> None:
        """Answer all that wait."""
        waiting, self._waiting = self._waiting, []
        bodies, self._bodies = self._bodies, []
        if not waiting:
            return
        try:
            answers = self.fast_path.respond(bodies)
        except Exception:
            for each in waiting:
                each.abort()
            raise
        for each, answer in zip(waiting, answers, strict=True):
            each.resolve(answer)

    def response(self, answer: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """Return an answer with its first line and the headers of all, which are one object as long as they are so."""
        if headers is not self._headers:
            self._headers = headers
            self._begin = _OK + b"".join([b"%b: %b\r\n" % header for header in headers])
        return self._begin + answer
