"""Talking HTTP by hand, well and badly."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.client import parse_headers

from tests.support.deliveries import body, delivery, payload


def fresh(zone: str = "zone_a", v: float = 1.0) -> bytes:
    """Return an event of now."""
    return body(delivery(int(time.time() * 1000), v, zone=zone, id=f"event_{time.time_ns()}"))


def many_zones(first: int, last: int) -> Iterator[bytes]:
    """Return an event for each of many zones with long names."""
    names = dict.fromkeys(("site_name", "building_name", "floor_name", "room_name", "zone_name"), "n" * 1000)
    for n in range(first, last):
        event = payload(delivery(int(time.time() * 1000), n))
        yield json.dumps(event | {"metadata": names | {"zone_id": f"zone_{n}"}}).encode()


def answers(connection: socket.socket, text: bytes, number: int = 1) -> list[tuple[int, str | None, bytes]]:
    """Send bytes; return status, content type and body of that many answers."""
    connection.sendall(text)
    told = []
    with connection.makefile("rb") as reader:
        for _ in range(number):
            status = int(reader.readline().split()[1])
            headers = parse_headers(reader)
            told.append((status, headers["Content-Type"], reader.read(int(headers["Content-Length"]))))
    return told


def drained(connection: socket.socket) -> bytes:
    """Return everything that comes until the other side ends the connection, one way or the other."""
    answer = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            answer += piece
    return bytes(answer)


def silent_reader(port: int, path: str, tls: ssl.SSLContext | None = None) -> socket.socket:
    """Ask for something and do not read the answer."""
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", port))
    if tls:
        reader = tls.wrap_socket(reader, server_hostname="127.0.0.1")
    reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return reader


class Cable:
    """Carries connections to a port, until they are cut."""

    def __init__(self, port: int) -> None:
        """Listen on a port of its own."""
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        """How many there have been."""
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
        """Cut every connection there is; return how many."""
        cut, self._pairs = self._pairs, []
        for end in cut:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return len(cut) // 2

    def close(self) -> None:
        """Carry nothing any more."""
        self._listener.close()
        self.cut()
