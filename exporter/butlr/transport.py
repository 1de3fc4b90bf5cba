"""One HTTP request to Butlr's cloud: its time limit, the largest answer, and connections that are used again.

It knows neither tokens nor GraphQL. No HTTP library limits the time of a whole answer: one that drips keeps each of
their time limits for ever. So the reader of every connection has the deadline of the request.
"""

import io
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from exporter import __version__
from exporter.butlr.errors import BadAnswer, CloudError, TimedOut, Unreachable

CONNECT_SECONDS = 10.0
"""Longest wait for a connection."""

_PIECE = 1 << 16
"""Bytes of an answer that are read at a time."""

_deadline: ContextVar[float] = ContextVar("_deadline")
"""The monotonic time at which the request of this thread must have ended."""


class Reply(NamedTuple):
    """The answer to a request."""

    status: int
    body: bytes
    retry_after: str = ""
    """The header `Retry-After`."""
    location: str = ""
    """The header `Location`."""


class Limits(NamedTuple):
    """The limits of one request."""

    seconds: float
    """Time for the whole request, from the connection to the last byte."""
    max_bytes: int
    """Size of the largest answer, after decompression."""


class Transport:
    """Sends requests to one address. Not for several threads at a time."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._host = urlsplit(url).hostname
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(pool_connections=2, pool_maxsize=2))
        self._session.headers.update({"User-Agent": f"butlr-exporter/{__version__}", "Accept": "application/json"})

    def post(self, path: str, body: bytes, bearer: str | None, limits: Limits) -> Reply:
        """Send a JSON body, with a token if there is one. Raises Unreachable, TimedOut, BadAnswer."""
        mark = _deadline.set(time.monotonic() + limits.seconds)
        try:
            # A redirect would turn the POST into a GET, and may lead the token elsewhere.
            with self._session.post(
                f"{self._url}{path}",
                data=body,
                headers={"Content-Type": "application/json"},
                auth=_Bearer(bearer),
                timeout=(min(CONNECT_SECONDS, limits.seconds), limits.seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = self._content(response, limits)
                headers = response.headers
                return Reply(response.status_code, content, headers.get("Retry-After", ""), headers.get("Location", ""))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._explained(error, limits) from None
        finally:
            _deadline.reset(mark)

    def _content(self, response: requests.Response, limits: Limits) -> bytes:
        content = bytearray()
        for piece in response.iter_content(_PIECE):
            content += piece
            if len(content) > limits.max_bytes:
                raise BadAnswer(f"{self._host} answered with more than {limits.max_bytes} bytes")
            if time.monotonic() > _deadline.get():
                raise TimeoutError
        return bytes(content)

    def _explained(self, error: BaseException, limits: Limits) -> CloudError:
        """Return the error that tells people why there is no answer."""
        causes = [*_causes(error)]
        unsent = urllib3.exceptions.NewConnectionError | ssl.SSLCertVerificationError
        was_sent = not any(isinstance(cause, unsent) for cause in causes)
        if isinstance(error, requests.exceptions.ContentDecodingError):
            return BadAnswer(f"{self._host} answered with bytes that cannot be decompressed")
        if any(isinstance(cause, requests.ConnectTimeout) for cause in causes):
            return TimedOut(f"no connection to {self._host} within {CONNECT_SECONDS:g} s", was_sent=False)
        for cause in causes:
            if isinstance(cause, TimeoutError | urllib3.exceptions.ReadTimeoutError):
                return TimedOut(f"no complete answer from {self._host} within {limits.seconds:g} s")
        reason = next(filter(None, map(_reason, causes)), "the connection was closed before the answer was complete")
        return Unreachable(f"{self._host} cannot be reached: {reason}", was_sent=was_sent)

    def close(self) -> None:
        """End all connections."""
        self._session.close()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Return an error and those inside it, the innermost first."""
    if error is None:
        return
    inner = [error.__cause__ or error.__context__, getattr(error, "reason", None), *error.args]
    for cause in inner:
        if isinstance(cause, BaseException):
            yield from _causes(cause)
    yield error


def _reason(error: BaseException) -> str:
    """Return why a connection failed; empty if this error does not tell."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: {error.verify_message}; REQUESTS_CA_BUNDLE names a file of certificates to trust"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {(error.reason or 'error').replace('_', ' ').lower()}"
    if isinstance(error, socket.gaierror):
        return "its name is not known; check butlr_api_url and the name server"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return ""


class _Bearer(AuthBase):
    """The token of a request, or none; without it requests would send the password of a `.netrc` for the host."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _DeadlineReader(io.RawIOBase):
    """Reads from a connection until the deadline of the request."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw = raw
        self._connection = connection

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read the bytes that have arrived. Raises TimeoutError."""
        left = _deadline.get() - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the reader; the connection stays open for the next request."""
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """An answer whose head and body end before the deadline of the request."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_DeadlineReader(self.fp.detach(), sock))


class _HttpConnection(HTTPConnection):
    response_class = _Response


class _HttpsConnection(HTTPSConnection):
    response_class = _Response


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _HttpConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsConnection


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(HTTPAdapter):
    """Connects directly or by the proxy that the environment names."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Prepare connections without a proxy."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """Prepare connections by a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
