"""A connection with a fast path: some requests are answered without any object of their own.

A request that comes whole, with a head that the batch remembers, is not even parsed. The head of any other request is
parsed; then the fast path may answer its body. A request that is unusual in any way falls back to the app, as if
there were no fast path.
"""

import uvicorn

from exporter.server.batch import Batch, is_whole
from exporter.server.connection import Connection
from exporter.server.connections import ConnectionLimit
from exporter.server.service import Response, Service


class FastConnection(Connection):
    """A connection with a fast path."""

    def __init__(self, batch: Batch, service: Service, config: uvicorn.Config, limit: ConnectionLimit) -> None:
        """Serve `service`; `batch` answers requests of all connections of the port."""
        super().__init__(service, config, limit)
        self._batch = batch
        self._waiting = b""
        """The request that waits for the end of the event-loop iteration."""
        self._whole = b""
        """The bytes received last, if a request begins with them and its head is not yet parsed."""
        self._body: list[bytes] | None = None
        """The pieces received of a body that the fast path may answer."""
        self._size = 0
        """Bytes in `_body`."""
        self._answered = False
        """Whether the fast path answered a request in the bytes received last."""
        self._served = 0.0
        """The time (s, of the event loop) of the last response from the batch."""
        self._tried = False
        """Whether the fast path has left the request to the app already."""
        self._accepted = True
        """Whether the fast path accepts the headers of the request whose body is received."""

    def data_received(self, data: bytes) -> None:
        """Receive bytes; a whole request with a remembered head waits for the end of the event-loop iteration."""
        self._flush()
        self._answered = False
        at_rest = not (self._in_request or self._last or self._rest or self._is_answering() or self.flow.write_paused)
        body = self._batch.body_of(data) if at_rest else None
        if body is not None:
            self._waiting = data
            self._batch.add(self, body)
            return
        self._whole = data if at_rest else b""
        super().data_received(data)

    def resolve(self, response: Response | None) -> None:
        """Send the response to the request that waits, or leave the request to the app if it is None."""
        data, self._waiting = self._waiting, b""
        if self.transport.is_closing():
            return
        if response is None:
            self._tried = True
            super().data_received(data)
            self._tried = False
            return
        self._send(response)
        self._served = self.loop.time()
        if self.timeout_keep_alive_task is None:  # it was the first request
            self._request.cancel()
            self.on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; as responses from the batch set no timer, for speed, count from the last one."""
        rest = self._served + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self.timeout_keep_alive_task = self.loop.call_later(rest, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer the request that waits before the connection closes."""
        self._flush()
        return super().eof_received()

    def shutdown(self) -> None:
        """Finish the request under way."""
        self._flush()
        self._fall_back()
        super().shutdown()

    def _flush(self) -> None:
        if self._waiting:
            self._batch.flush()

    def _send(self, response: Response) -> None:
        self.transport.write(self._batch.response(response, self.server_state.default_headers))
        if response.admits:
            self._limit.admit(self)
        else:
            self._limit.touch(self)

    def _is_answered(self) -> bool:
        return self._answered or super()._is_answered()

    def _begin(self) -> None:
        whole, self._whole = self._whole, b""
        length = dict(self.headers).get(b"content-length")
        size = -1 if length is None else int(length)
        may_be_fast = self._may_be_fast()
        self._accepted = may_be_fast and self._batch.fast_path.accepts(self.headers)
        # Nobody waits for a body that is not accepted, so it must be there already.
        if not self._accepted and not (may_be_fast and is_whole(whole, size)):
            super()._begin()
            return
        self._body, self._size = [], 0
        if self._accepted and whole and size >= 0:
            self._batch.remember_head(whole, size)

    def _may_be_fast(self) -> bool:
        fast_path = self._batch.fast_path
        return (
            not self._tried
            and self.url == fast_path.path
            and self._method == b"POST"
            and not self._is_answering()
            and not self.expect_100_continue
            and self.parser.should_keep_alive()
            and not self.flow.write_paused
            and self._version == "1.1"
        )

    def on_body(self, body: bytes) -> None:
        """Receive a piece of the body."""
        if self._body is None:
            super().on_body(body)
            return
        self._unframed = 0
        self._body.append(body)
        self._size += len(body)
        if self._size > self._batch.fast_path.max_body:
            self._fall_back()

    def _complete(self) -> None:
        if self._body is not None:
            response = self._response(b"".join(self._body))
            if response is not None:
                self._body, self._answered = None, True
                self._send(response)
                self.on_response_complete()
                return
            self._fall_back()
        super()._complete()

    def _drop_request(self) -> bool:
        if self._body is None:
            return super()._drop_request()
        self._body, self._in_request = None, False
        return False

    def _response(self, body: bytes) -> Response | None:
        fast_path = self._batch.fast_path
        if not self._accepted:
            return fast_path.refuse(self.headers, self.peer)
        (response,) = fast_path.respond([body])
        return response or fast_path.answer(body, self.peer)

    def _fall_back(self) -> None:
        """Leave the request under way to the app, with the pieces of its body received so far."""
        if self._body is not None:
            pieces, self._body = self._body, None
            super()._begin()
            for piece in pieces:
                super().on_body(piece)
