"""A connection that goes the short way where it can: some requests are answered with nothing made for them.

One that comes whole, with a head that is known, is not even parsed; of another the head is, and then the body may be
for the lane. All that is odd in any way goes the long way, from the beginning, as if there were no other.
"""

import uvicorn

from exporter.server.batch import Batch
from exporter.server.connection import Connection
from exporter.server.connections import ConnectionLimit


class FastConnection(Connection):
    """A connection with a short way."""

    def __init__(self, batch: Batch, config: uvicorn.Config, limit: ConnectionLimit) -> None:
        """Take the short way of the port, what uvicorn is to do, and the others of the port."""
        super().__init__(config, limit, {})
        self._batch = batch
        self._waiting = b""
        """A request that waits for the end of the turn."""
        self._whole = b""
        """The bytes that came last, if a request began with them and its head is still to come."""
        self._body: list[bytes] | None = None
        """What has come of a body that may be for the lane."""
        self._size = 0
        """Of that, in bytes."""
        self._answered = False
        """Whether a request was answered at once, of the bytes that came last."""
        self._served = 0.0
        """When the last one that waited was answered, in the loop's time."""
        self._tried = False
        """Whether the lane has left the request to the long way already."""

    def data_received(self, data: bytes) -> None:
        """Take bytes: a whole request with a head that is known waits for the end of the turn."""
        self._flush()
        self._answered = False
        rests = not (self._in_request or self._held or self._is_answering() or self.flow.write_paused)
        body = self._batch.body_of(data) if rests else None
        if body is not None:
            self._waiting = data
            self._batch.add(self, body)
            return
        self._whole = data if rests else b""
        super().data_received(data)

    def resolve(self, answer: bytes | None) -> None:
        """Send the answer to a request that waited; None is for the long way."""
        data, self._waiting = self._waiting, b""
        if self.transport.is_closing():
            return
        if answer is None:
            self._tried = True
            super().data_received(data)
            self._tried = False
            return
        self._send(answer)
        self._limit.touch(self)
        self._served = self.loop.time()
        if self.timeout_keep_alive_task is None:  # it was the first
            self._request.cancel()
            self.on_response_complete()

    def timeout_keep_alive_handler(self) -> None:
        """End a connection that has rested; answers at the end of a turn set no timer, as that costs."""
        rest = self._served + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self.timeout_keep_alive_task = self.loop.call_later(rest, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def eof_received(self) -> None:
        """Answer what came whole before the other side ended."""
        self._flush()
        super().eof_received()

    def shutdown(self) -> None:
        """Finish the request under way."""
        self._flush()
        self._fall_back()
        super().shutdown()

    def _flush(self) -> None:
        if self._waiting:
            self._batch.flush()

    def _send(self, answer: bytes) -> None:
        self.transport.write(self._batch.response(answer, self.server_state.default_headers))

    def _is_answered(self) -> bool:
        return self._answered or super()._is_answered()

    def _begin(self) -> None:
        whole, self._whole = self._whole, b""
        if not self._may_be_fast():
            super()._begin()
            return
        self._body, self._size = [], 0
        length = dict(self.headers).get(b"content-length")
        if whole and length is not None:
            self._batch.remember_head(whole, int(length))

    def _may_be_fast(self) -> bool:
        path = self._batch.fast_path
        return (
            not self._tried
            and self.url == path.path
            and self.parser.get_method() == b"POST"
            and not self._is_answering()
            and not self.expect_100_continue
            and self.parser.should_keep_alive()
            and not self.flow.write_paused
            and self.parser.get_http_version() == "1.1"
            and path.accepts(self.headers)
        )

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
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
            (answer,) = self._batch.fast_path.respond([b"".join(self._body)])
            if answer is not None:
                self._body, self._answered = None, True
                self._send(answer)
                self.on_response_complete()
                return
            self._fall_back()
        super()._complete()

    def _fall_back(self) -> None:
        """Begin the request under way as without a lane, with what has come of its body."""
        if self._body is not None:
            come, self._body = self._body, None
            super()._begin()
            for piece in come:
                super().on_body(piece)
