"""HTTP requests over one keep-alive connection, one at a time, cheap enough not to slow the exporter down.

httptools reads the answers and asyncio does the rest: a general HTTP client was measured to take several times the
processor time that the exporter spends on an event.
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

ANSWER_TIMEOUT_SECONDS = 10.0
"""Longest wait for an answer; Butlr's own is 1 to 15 seconds, as set in the webhook."""

MAX_ANSWER_BYTES = 1 << 20
"""Longest answer to a delivery that is read."""


class NoAnswer(Exception):  # noqa: N818 - the name reads as what happened
    """No answer came; the text gives people the reason."""


class Answer(NamedTuple):
    """The answer to a request."""

    status: int
    body: bytes

    def json_object(self) -> dict[str, Any]:
        """Return the body as a JSON object; an empty one if it is something else."""
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def error_text(self) -> str:
        """Return the status and the reason, such as `422 Unprocessable Entity: data: must be 0 or more`."""
        problem = self.json_object()
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
    """A URL, with the method and the headers of all requests to it."""

    def __init__(
        self, url: str, headers: dict[str, str], method: str = "POST", tls: ssl.SSLContext | None = None
    ) -> None:
        """Accept an `http://` or `https://` URL, which may hold `user:password@`. Raises ValueError.

        `tls` is the context of an `https://` URL; None trusts the authorities of this machine.
        """
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
        self.tls = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self.port = (443 if self.tls else 80) if port is None else port
        fields = {"Host": authority, "User-Agent": "butlr-exporter-simulate", **headers}
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            fields["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        if any(character in line for line in lines for character in "\r\n\0"):
            raise ValueError("must not contain line breaks")
        self._head = "\r\n".join(lines).encode(errors="surrogateescape")

    def request(self, body: bytes) -> bytes:
        """Return the bytes of a request with this body."""
        return b"%s\r\nContent-Length: %d\r\n\r\n%s" % (self._head, len(body), body)


def trusting(path: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates in a PEM file instead of those of this machine.

    Raises OSError, ValueError; an ssl.SSLError, which is an OSError, if the file has no certificate.
    """
    return ssl.create_default_context(cafile=path)


async def fetch(target: Target, timeout_seconds: float, max_answer_bytes: int) -> Answer:
    """Send one request without a body over a connection of its own. Raises NoAnswer."""
    connection = await Connection.open(target, timeout_seconds, max_answer_bytes)
    try:
        return await connection.send(b"")
    finally:
        connection.close()


class Connection(asyncio.Protocol):
    """A connection to a target, for one request at a time."""

    def __init__(self, target: Target, timeout_seconds: float, max_answer_bytes: int) -> None:
        self._target = target
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._answer: asyncio.Future[Answer] | None = None
        self._reset()
        self.usable = False
        """Whether another request can be sent."""

    def _reset(self) -> None:
        """Prepare for the next answer."""
        self._body = bytearray()
        self._has_begun = False
        self._ends_with_connection = True

    @classmethod
    async def open(
        cls,
        target: Target,
        timeout_seconds: float = ANSWER_TIMEOUT_SECONDS,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> "Connection":
        """Connect within `timeout_seconds`, which then limits the wait for each answer too. Raises NoAnswer."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_seconds):
                _, connection = await loop.create_connection(
                    lambda: cls(target, timeout_seconds, max_answer_bytes), target.host, target.port, ssl=target.tls
                )
        except TimeoutError:
            raise NoAnswer("no connection in time") from None
        except UnicodeError:
            raise NoAnswer("not a valid host name") from None
        except OSError as error:
            raise NoAnswer(_reason(error)) from None
        return connection

    async def send(self, body: bytes) -> Answer:
        """Send one request and wait for the answer. Raises NoAnswer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(self._target.request(body))
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._answer
        except TimeoutError:
            self.close()
            raise NoAnswer(f"no answer within {self._timeout_seconds:g} s") from None

    def close(self) -> None:
        """End the connection."""
        self.usable = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Become ready to send; called by asyncio."""
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Parse the next bytes of the answer; called by asyncio."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("the answer is not HTTP")

    def connection_lost(self, _error: Exception | None) -> None:
        """Complete the answer if only the connection's end can end it, else fail; called by asyncio."""
        self.usable = False
        if self._has_begun and self._ends_with_connection:
            self._complete()
        self._resolve(NoAnswer("the connection was closed before the answer was complete"))

    def on_header(self, name: bytes, _value: bytes) -> None:
        """Note whether a header tells where the answer ends; called by the parser."""
        if name.lower() in (b"content-length", b"transfer-encoding"):
            self._ends_with_connection = False

    def on_headers_complete(self) -> None:
        """Note that an answer has begun, unless it is an interim one; called by the parser."""
        self._has_begun = self._parser.get_status_code() >= 200

    def on_body(self, data: bytes) -> None:
        """Add a piece of the answer's body; called by the parser."""
        self._body += data
        if len(self._body) > self._max_answer_bytes:
            self._fail("the answer is too long")

    def on_message_complete(self) -> None:
        """Hand over the answer, unless it was an interim one; called by the parser."""
        if not self._has_begun:
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._complete()

    def _complete(self) -> None:
        """Hand over the answer that has been read."""
        answer = Answer(self._parser.get_status_code(), bytes(self._body))
        self._reset()
        self._resolve(answer)

    def _fail(self, reason: str) -> None:
        """Give up the request, and close the connection."""
        self._resolve(NoAnswer(reason))
        self.close()

    def _resolve(self, answer: Answer | NoAnswer) -> None:
        """Give the answer, or why there is none, to the request that waits for it."""
        waiting, self._answer = self._answer, None
        if waiting is None or waiting.done():
            return
        if isinstance(answer, Answer):
            waiting.set_result(answer)
        else:
            waiting.set_exception(answer)


def _reason(error: OSError) -> str:
    """Return why a connection could not be made, for people."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}; --cacert names the file of a certificate to trust"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or str(error)).replace('_', ' ').lower()}"
    # asyncio may add words of its own to `strerror`.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
