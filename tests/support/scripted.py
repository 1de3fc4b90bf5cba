"""A server that sends scripted responses, for tests of clients."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import uvloop


def answer(status: int = 200, body: bytes = b'{"received": 1, "outcomes": {"new": 1}}') -> bytes:
    """Return an HTTP answer."""
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Cut(bytes):
    """A response after which the server closes the connection."""


class Scripted:
    """The responses of a script, one for each request, then 200."""

    def __init__(self, script: Iterable[bytes]) -> None:
        """Keep the script."""
        self.script = list(script)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        """Request line, headers and body of each request."""
        self.connections = 0
        self.open = asyncio.Event()
        """Responses wait until it is set."""
        self.open.set()
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def url(self) -> str:
        """The URL of the webhook."""
        return f"http://127.0.0.1:{self.port}/webhook"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self._writers.append(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                headers = dict(text.split(": ", 1) for text in lines if text)
                self.requests.append((line, headers, await reader.readexactly(int(headers["Content-Length"]))))
                await self.open.wait()
                response = self.script.pop(0) if self.script else answer()
                writer.write(response)
                if isinstance(response, Cut):
                    break
        writer.close()

    async def close(self) -> None:
        """End every connection."""
        for writer in self._writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


@asynccontextmanager
async def scripted(*script: bytes, port: int = 0) -> AsyncIterator[Scripted]:
    """Serve a script until the end of the block."""
    served = Scripted(script)
    server = await asyncio.start_server(served.handle, "127.0.0.1", port)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        await served.close()


def served(test: Callable[[Scripted], Awaitable[None]], *script: bytes) -> None:
    """Run a test against a server with a script."""

    async def run() -> None:
        async with scripted(*script) as server:
            await test(server)

    uvloop.run(run())
