"""HTTP requests over one keep-alive connection, one at a time, cheap enough to be no brake on the other side.

httptools reads the answers and asyncio does the rest: measured here, a general HTTP client costs several times
what the exporter spends on the event it carries.
"""

import asyncio
import base64
import http
import json
import os
import ssl
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import httptools

ANSWER_TIMEOUT = 10.0
"""Seconds for an answer; Butlr waits for 1 to 15, as its webhook is set up."""

MAX_ANSWER = 1 << 20
"""Bytes of the longest answer to a delivery."""


class Unanswered(Exception):  # noqa: N818 - the name reads as what happened
    """No answer came; the text says why, for people."""


class Answer(NamedTuple):
    """An answer to a request."""

    status: int
    body: bytes

    def parsed(self) -> dict[str, Any]:
        """Return the JSON object that it is; an empty one if it is none."""
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def words(self) -> str:
        """Return what it says as an error, such as `422 Unprocessable Entity: data: must be 0 or more`."""
        problem = self.parsed()
        try:
            status = f"{self.status} {http.HTTPStatus(self.status).phrase}"
        except ValueError:
            status = str(self.status)
        errors = problem.get("errors")
        if isinstance(errors, list) and errors and isinstance(errors[0], dict):
            details = [errors[0].get("field"), errors[0].get("message")]
        else:
            details = [problem.get("detail")]
        return ": ".join([status, *(detail for detail in details if isinstance(detail, str) and detail)])[:500]


class Target:
    """Where to send requests of one method."""

    def __init__(self, url: str, headers: dict[str, str], method: str = "POST") -> None:
        """Take an `http://` or `https://` URL, which may hold `user:password@`. Raises ValueError."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a URL that begins with http:// or https:// and names a host")
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("must be a URL of ASCII characters without spaces, others percent-encoded")
        authority = parts.netloc.rpartition("@")[2]
        self.url = parts._replace(netloc=authority).geturl()
        self.host = parts.hostname
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.port = (443 if self.tls else 80) if port is None else port
        fields = {"Host": authority, "User-Agent": "butlr-exporter-simulate", **headers}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            fields["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        if any(character in line for line in lines for character in "\r\n\0"):
            raise ValueError("must not hold line breaks")
        self._head = "\r\n".join(lines).encode(errors="surrogateescape")

    def request(self, body: bytes) -> bytes:
        """Return a whole request."""
        return b"%s\r\nContent-Length: %d\r\n\r\n%s" % (self._head, len(body), body)


async def fetch(target: Target, timeout: float, max_answer: int) -> Answer:
    """Send one request without a body over a connection of its own. Raises Unanswered."""
    connection = await Connection.open(target, timeout, max_answer)
    try:
        return await connection.send(b"")
    finally:
        connection.close()


class Connection(asyncio.Protocol):
    """A connection to a target."""

    def __init__(self, target: Target, timeout: float, max_answer: int) -> None:
        self._target = target
        self._timeout = timeout
        self._max_answer = max_answer
        self._answer: asyncio.Future[Answer] | None = None
        self._reset()
        self.usable = False

    def _reset(self) -> None:
        """Be ready for the next answer."""
        self._body = bytearray()
        self._begun = False
        self._until_close = True

    @classmethod
    async def open(
        cls,
        target: Target,
        timeout: float = ANSWER_TIMEOUT,
        max_answer: int = MAX_ANSWER,
    ) -> "Connection":
        """Connect; `timeout` (seconds) is for this and for each answer. Raises Unanswered."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                _, connection = await loop.create_connection(
                    lambda: cls(target, timeout, max_answer), target.host, target.port, ssl=target.tls
                )
        except TimeoutError:
            raise Unanswered("no connection in time") from None
        except UnicodeError:
            raise Unanswered("that is no host name") from None
        except OSError as error:
            raise Unanswered(_reason(error)) from None
        return connection

    async def send(self, body: bytes) -> Answer:
        """Send one request and wait for the answer. Raises Unanswered."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(self._target.request(body))
        try:
            async with asyncio.timeout(self._timeout):
                return await self._answer
        except TimeoutError:
            self.close()
            raise Unanswered(f"no answer within {self._timeout:g} s") from None

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
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._give_up("the answer is not HTTP")

    def connection_lost(self, _error: Exception | None) -> None:
        """Take what came as the answer if its end is the connection's end; otherwise none came."""
        self.usable = False
        if self._begun and self._until_close:
            self._complete()
        self._end(Unanswered("the connection was cut"))

    def on_header(self, name: bytes, _value: bytes) -> None:
        """Note whether the answer tells its own length; called by the parser."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._until_close = False

    def on_headers_complete(self) -> None:
        """Note that an answer has begun, unless it is an interim one; called by the parser."""
        self._begun = self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        """Take a piece of the answer's body; called by the parser."""
        self._body += data
        if len(self._body) > self._max_answer:
            self._give_up("the answer is too long")

    def on_message_complete(self) -> None:
        """Hand over the answer, unless it was an interim one; called by the parser."""
        if not self._begun:
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._complete()

    def _complete(self) -> None:
        answer = Answer(self._parser.get_status_code(), bytes(self._body))
        self._reset()
        self._end(answer)

    def _give_up(self, reason: str) -> None:
        self._end(Unanswered(reason))
        self.close()

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
