"""A WSGI app behind an ASGI server, called with whole bodies.

A body is awaited in the event loop before the app is called, so a sender that stops in the middle holds up
nobody; one that the app refuses by its head is not awaited. A quick POST is then answered in the loop itself,
everything else in a thread, so that a long scrape does not hold up events. Answers are sent by the loop, so a
reader that stops holds up nobody either.

It knows WSGI and ASGI and nothing of the exporter.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from wsgiref.types import WSGIApplication

log = logging.getLogger(__name__)

PIECE = 1 << 18
"""Bytes of an answer given to a connection at a time."""

SMALL = 1 << 12
"""Bytes of an answer that is not counted among those that wait for their readers."""

MAX_WAITING = 1 << 28
"""Bytes of bodies that wait for their rest and of answers that wait for their readers."""

THREADS = 2
"""Requests answered at a time outside the event loop."""


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class WsgiAdapter:
    """An ASGI app that calls a WSGI app with whole bodies.

    The server tells by `scope["state"]["gone"]`, a function, whether the client has left; `["abort"]` cuts it off.
    """

    def __init__(
        self,
        wsgi: WSGIApplication,
        max_body: int,
        quick: Container[str] = (),
        wants_body: Callable[[Mapping[str, Any]], bool] = lambda _: True,
        is_quick: Callable[[bytes], bool] = lambda _: True,
        malformed: Callable[[], None] = lambda: None,
    ) -> None:
        """Take the app, the size in bytes beyond which it refuses a body, and the paths it answers in no time.

        `wants_body` tells by a POST's head whether the app reads the body; if not, it is called without one.
        `is_quick` tells whether it answers a body in no time. The connection calls `malformed` for each request
        that it refuses because it is not HTTP.
        """
        self._is_quick = is_quick
        self.malformed = malformed
        self._wsgi = wsgi
        self._max_body = max_body
        self._quick_paths = quick
        self._wants_body = wants_body
        self._threads = ThreadPoolExecutor(THREADS, "request")
        self._slots = asyncio.Semaphore(THREADS)
        self._waiting = _Waiting()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        environ = _environ(scope)
        quick = scope["path"] in self._quick_paths
        if scope["method"] == "POST":
            quick = True
            if int(environ["CONTENT_LENGTH"] or 0) <= self._max_body and self._wants_body(environ):
                body = await self._read(receive, scope["state"]["abort"])
                if body is None:
                    return
                environ["wsgi.input"] = BytesIO(body)
                environ["CONTENT_LENGTH"] = str(len(body))
                quick = self._is_quick(body)
        if quick:
            status, headers, answer = self._call(environ)
        else:
            async with self._slots:
                # Who left while waiting must not keep those who are still there.
                if scope["state"]["gone"]():
                    return
                loop = asyncio.get_running_loop()
                status, headers, answer = await loop.run_in_executor(self._threads, self._call, environ)
        start_message = {"type": "http.response.start", "status": status, "headers": headers}
        size = sum(map(len, answer))
        if size <= SMALL:
            await send(start_message)
            await send({"type": "http.response.body", "body": b"".join(answer)})
            return
        with self._waiting.held(scope["state"]["abort"]) as held:
            held.add(size)
            await send(start_message)
            for part in answer:
                for start in range(0, len(part), PIECE):
                    await send({"type": "http.response.body", "body": part[start : start + PIECE], "more_body": True})
            # Each piece is sent when the one before was taken, so this one tells that all were.
            await send({"type": "http.response.body", "body": b""})

    async def _read(self, receive: Receive, abort: Callable[[], None]) -> bytes | None:
        """Return the body, at most a piece longer than the app takes; None if the sender is gone."""
        message = await receive()
        if message["type"] != "http.disconnect" and not message["more_body"]:
            body: bytes = message["body"]
            return body
        pieces, size = [], 0
        with self._waiting.held(abort) as held:
            while message["type"] != "http.disconnect":
                pieces.append(message["body"])
                size += len(message["body"])
                if size > self._max_body or not message["more_body"]:
                    return b"".join(pieces)
                held.add(len(message["body"]))
                message = await receive()
        return None

    def _call(self, environ: dict[str, Any]) -> tuple[int, list[tuple[bytes, bytes]], list[bytes]]:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., object]:
            del exc_info
            started.append((status, headers))
            return lambda _: None

        answer = self._wsgi(environ, start_response)
        try:
            body = list(answer)
        finally:
            if close := getattr(answer, "close", None):
                close()
        status, headers = started[-1]
        return int(status[:3]), [(n.encode("latin-1"), v.encode("latin-1")) for n, v in headers], body


class _Waiting:
    """What clients keep waiting. Beyond MAX_WAITING bytes the one that has waited longest makes room."""

    def __init__(self) -> None:
        self._held: dict[_Held, None] = {}
        self.size = 0

    @contextlib.contextmanager
    def held(self, abort: Callable[[], None]) -> Iterator["_Held"]:
        """Hold what is added until the end of the block; `abort` ends its connection."""
        held = _Held(self, abort)
        self._held[held] = None
        try:
            yield held
        finally:
            self.drop(held)

    def drop(self, held: "_Held") -> None:
        self._held.pop(held, None)
        self.size -= held.size
        held.size = 0

    def make_room(self) -> None:
        while self.size > MAX_WAITING and len(self._held) > 1:
            oldest = next(iter(self._held))
            self.drop(oldest)
            oldest.abort()


class _Held:
    """The bytes that one connection keeps waiting."""

    def __init__(self, waiting: _Waiting, abort: Callable[[], None]) -> None:
        self._waiting = waiting
        self.abort = abort
        self.size = 0

    def add(self, size: int) -> None:
        self.size += size
        self._waiting.size += size
        self._waiting.make_room()


def _environ(scope: Scope) -> dict[str, Any]:
    """Return the WSGI environment of a request without its body (PEP 3333)."""
    server, client = scope["server"] or ("", 0), scope["client"] or ("", 0)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1") or "/",
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": str(client[0]),
        "CONTENT_LENGTH": "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": BytesIO(),
        "wsgi.errors": _Errors(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name:  # in CGI's spelling it would pass for the name with a dash
            continue
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1").strip(" \t")
        if name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environ[name] = value
        elif name != "TRANSFER_ENCODING":  # the body is whole when the app sees it
            name = f"HTTP_{name}"
            environ[name] = f"{environ[name]},{value}" if name in environ else value
    return environ


class _Errors:
    """`wsgi.errors`: what an app writes there is logged."""

    def write(self, text: str) -> None:
        log.error("wsgi error", {"text": text.rstrip()})

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        pass
