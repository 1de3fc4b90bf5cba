"""The HTTP server of the simulated cloud, and the way of each request to its answer."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from exporter.simulate.cloud.answers import Answer, Refused, json_object
from exporter.simulate.cloud.faults import (
    FOR_GRAPHQL,
    FOR_REPORTS,
    FOR_TOKENS,
    HOLD_SECONDS,
    NOT_EXECUTED,
    Fault,
    Faults,
    spoiled,
)
from exporter.simulate.cloud.names import page_info
from exporter.simulate.cloud.tokens import Tokens

TOKEN_PATH = "/api/v2/clients/login"  # noqa: S105 - the path of Butlr's API
GRAPHQL_PATH = "/api/v3/graphql"
REPORTING_PATH = "/api/v3/reporting"

MAX_BODY_BYTES = 1 << 20
"""Longest body of a request."""

_PIECE_BYTES = 1 << 16

_DRIPS = 40
"""Pieces of an answer that drips."""

GRACE_SECONDS = 1
"""Time that requests under way have to end when the server stops."""

_Receive = Callable[[], Awaitable[dict[str, Any]]]
_Send = Callable[[dict[str, Any]], Awaitable[None]]

_FAULTS = {TOKEN_PATH: FOR_TOKENS, GRAPHQL_PATH: FOR_GRAPHQL, REPORTING_PATH: FOR_REPORTS}
"""The faults of each path."""

_NO_DATA = {"data": {}, "page_info": page_info(None, 1, 0)}

Handler = Callable[[bytes], Answer]
"""Returns the answer to a body. Raises Refused."""


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the run."""
        yield


class Service:
    """The ASGI application."""

    def __init__(self, tokens: Tokens, handlers: Mapping[str, Handler], faults: Faults | None = None) -> None:
        """Take the tokens, the handlers by path, which need a valid token, and the faults, if there are to be any."""
        self._faults = faults
        self._tokens = tokens
        self._handlers = handlers

    async def __call__(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        """Answer one request; called by uvicorn."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            answer = await self._answer(scope["method"], scope["path"], headers, await _body(receive))
        except Refused as refused:
            answer = refused.answer
        await _send_answer(send, answer)

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if path != TOKEN_PATH and path not in self._handlers:
            raise Refused(Answer(404, {"error": "not found"}))
        if method != "POST":
            raise Refused(Answer(405, {"error": "only POST is allowed"}, {"Allow": "POST"}))
        fault = self._faults.draw(_FAULTS[path]) if self._faults else None
        if fault is not None and (failure := await self._failure(path, fault)):
            return failure
        if path == TOKEN_PATH:
            issued = self._tokens.issue(json_object(body))
            return spoiled(issued, fault) if fault is not None else issued
        self._tokens.check(headers.get("authorization", ""))
        if path == REPORTING_PATH and fault is not None and fault in NOT_EXECUTED:
            # The request is not executed, or the oracle would expect points that the exporter never got.
            nothing = Answer(200, _NO_DATA)
            return nothing if fault is Fault.EMPTY else spoiled(nothing, fault)
        answer = self._handlers[path](body)
        return spoiled(answer, fault) if fault is not None else answer

    async def _failure(self, path: str, fault: Fault) -> Answer | None:
        """Return the answer to a request that fails before it is executed; None if it fails later."""
        assert self._faults is not None  # noqa: S101 - it gave the fault
        if fault is Fault.HELD:
            await asyncio.sleep(HOLD_SECONDS)
        if fault is Fault.EXPIRED:
            self._tokens.expire_all()
            if path == GRAPHQL_PATH and (refusal := self._faults.unauthenticated()):
                return refusal
        return self._faults.failure(fault)


@asynccontextmanager
async def serving(service: Service, listening: socket.socket) -> AsyncIterator[None]:
    """Serve within the block."""
    server = _Server(
        uvicorn.Config(
            service,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            log_level="critical",  # a request that is held when the server stops is no error
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    task = asyncio.create_task(server.serve([listening]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def _body(receive: _Receive) -> bytes:
    """Return the body of a request. Raises Refused."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise Refused(Answer(413, {"error": "the body is too long"}))
    return bytes(body)


async def _send_answer(send: _Send, answer: Answer) -> None:
    body = answer.body()
    length = len(body) + answer.padding_bytes
    headers = {"content-type": answer.content_type, "content-length": str(length)} if not answer.drips else {}
    headers |= {name.lower(): value for name, value in answer.headers.items()}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    async for piece in _dripping(body, HOLD_SECONDS) if answer.drips else _padded(body, length):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _padded(body: bytes, length: int) -> AsyncIterator[bytes]:
    """Return a body, and blanks until there are `length` bytes."""
    yield body
    for left in range(length - len(body), 0, -_PIECE_BYTES):
        yield b" " * min(left, _PIECE_BYTES)


async def _dripping(body: bytes, seconds: float) -> AsyncIterator[bytes]:
    """Return half of a body, in pieces that take this long together at most."""
    half = body[: len(body) // 2]
    size = -(-len(half) // _DRIPS)
    for first in range(0, len(half), size):
        yield half[first : first + size]
        await asyncio.sleep(seconds / _DRIPS)
