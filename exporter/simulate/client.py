"""POSTs over one keep-alive connection, one at a time, cheap enough to be no brake on the other side.

httptools reads the answers and asyncio does the rest: measured here, a general HTTP client costs several times
what the exporter spends on the event it carries.
"""

import asyncio
import base64
import os
import ssl
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import httptools

ANSWER_TIMEOUT = 10.0
"""Seconds for an answer; Butlr waits for 1 to 15, as its webhook is set up."""


class Unanswered(Exception):  # noqa: N818 - the name reads as what happened
    """No answer came; the text says why, for people."""


class Answer(NamedTuple):
    """An answer to a POST."""

    status: int
    body: bytes


class Target:
    """Where to POST."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        """Take an `http://` or `https://` URL, which may hold `user:password@`. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a URL such as http://localhost:9728/webhook")
        self.url = without_credentials(url)
        self.host = parts.hostname
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.port = parts.port or (443 if self.tls else 80)
        fields = {
            "Host": parts.netloc.rpartition("@")[2],
            "User-Agent": "butlr-exporter-simulate",
            "Content-Type": "application/json",
            **authorization(url),
            **headers,
        }
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        if any(character in line for line in lines for character in "\r\n\0") or " " in path:
            raise ValueError("must not hold spaces or line breaks")
        self.head = "\r\n".join([*lines, "Content-Length: "]).encode()


def without_credentials(url: str) -> str:
    """Return a URL without its `user:password@`."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def authorization(url: str) -> dict[str, str]:
    """Return the header that carries the `user:password@` of a URL, if it has them."""
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


class Connection(asyncio.Protocol):
    """A connection to a target."""

    def __init__(self, target: Target) -> None:
        self._head = target.head
        self._answer: asyncio.Future[Answer] | None = None
        self._body = bytearray()
        self._until_close = True
        self.usable = False

    @classmethod
    async def open(cls, target: Target) -> "Connection":
        """Connect. Raises Unanswered."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                _, connection = await loop.create_connection(
                    lambda: cls(target), target.host, target.port, ssl=target.tls
                )
        except TimeoutError:
            raise Unanswered("no connection in time") from None
        except OSError as error:
            raise Unanswered(_reason(error)) from None
        return connection

    async def post(self, body: bytes) -> Answer:
        """Send one body and wait for the answer. Raises Unanswered."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(b"%s%d\r\n\r\n%s" % (self._head, len(body), body))
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                return await self._answer
        except TimeoutError:
            self.close()
            raise Unanswered(f"no answer within {ANSWER_TIMEOUT:g} s") from None

    def close(self) -> None:
        """End the connection."""
        self.usable = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Be ready to send."""
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Read on in the answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._end(Unanswered("the answer is not HTTP"))
            self.close()

    def connection_lost(self, _error: Exception | None) -> None:
        """Take what came as the answer if its end is the connection's end; otherwise none came."""
        self.usable = False
        if self._body and self._until_close:
            self._complete()
        self._end(Unanswered("the connection was cut"))

    def on_header(self, name: bytes, _value: bytes) -> None:
        """Note whether the answer tells its own length; called by the parser."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._until_close = False

    def on_body(self, data: bytes) -> None:
        """Take a piece of the answer's body; called by the parser."""
        self._body += data

    def on_message_complete(self) -> None:
        """Hand over the answer, unless it is an interim one; called by the parser."""
        if self._parser.get_status_code() < 200:
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._complete()

    def _complete(self) -> None:
        answer = Answer(self._parser.get_status_code(), bytes(self._body))
        self._body.clear()
        self._until_close = True
        self._end(answer)

    def _end(self, answer: Answer | Unanswered) -> None:
        waiting, self._answer = self._answer, None
        if waiting is None or waiting.done():
            return
        if isinstance(answer, Answer):
            waiting.set_result(answer)
        else:
            waiting.set_exception(answer)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    # The error's own text of a number holds Python's words as well.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
