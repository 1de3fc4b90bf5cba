"""HTTP over plain sockets, valid and invalid."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.message import Message
from http.client import parse_headers
from io import BytesIO
from typing import NamedTuple

from tests.support.deliveries import body, delivery, payload


def fresh(zone: str = "zone_a", v: float = 1.0) -> bytes:
    """Return the body of an event that was sensed now."""
    return body(delivery(int(time.time() * 1000), v, zone=zone, id=f"event_{time.time_ns()}"))


def many_zones(first: int, last: int) -> Iterator[bytes]:
    """Return the body of one event for each zone from `first` to `last`, all with long names."""
    names = dict.fromkeys(("site_name", "building_name", "floor_name", "room_name", "zone_name"), "n" * 1000)
    for n in range(first, last):
        event = payload(delivery(int(time.time() * 1000), n))
        yield json.dumps(event | {"metadata": names | {"zone_id": f"zone_{n}"}}).encode()


def answers(connection: socket.socket, text: bytes, number: int = 1) -> list[tuple[int, str | None, bytes]]:
    """Send bytes; return status, content type and body of the next `number` responses."""
    connection.sendall(text)
    responses = []
    with connection.makefile("rb") as reader:
        for _ in range(number):
            status = int(reader.readline().split()[1])
            headers = parse_headers(reader)
            responses.append((status, headers["Content-Type"], reader.read(int(headers["Content-Length"]))))
    return responses


def drained(connection: socket.socket) -> bytes:
    """Return all bytes that come until the server closes or resets the connection."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            received += piece
    return bytes(received)


class Response(NamedTuple):
    """One response, as received."""

    status: int
    headers: Message
    body: bytes


def responses(received: bytes) -> list[Response]:
    """Return the responses in bytes that were received until the end of a connection."""
    found = []
    with BytesIO(received) as reader:
        while line := reader.readline():
            assert line.startswith(b"HTTP/1.1 "), line
            headers = parse_headers(reader)
            body = reader.read(int(headers.get("Content-Length", 0)))
            found.append(Response(int(line.split()[1]), headers, body))
    return found


def silent_reader(port: int, path: str, tls: ssl.SSLContext | None = None) -> socket.socket:
    """Return a connection that sent a GET and does not read the response."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", port))
    if tls:
        reader = tls.wrap_socket(reader, server_hostname="127.0.0.1")
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return reader


class Cable:
    """Forwards connections to a port, until they are cut."""

    def __init__(self, port: int) -> None:
        """Listen on a port of its own, and forward to `port`."""
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        """Connections forwarded so far."""
        self._pairs: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._pairs += [near, far]
                self.connections += 1
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                sink.sendall(piece)

    def cut(self) -> int:
        """Cut every open connection; return their number."""
        cut, self._pairs = self._pairs, []
        for end in cut:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return len(cut) // 2

    def close(self) -> None:
        """Stop forwarding."""
        self._listener.close()
        self.cut()
