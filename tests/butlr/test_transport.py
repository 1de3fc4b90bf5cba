"""One request over a real connection: answers that drip, end early or are too large, and the way of the token."""

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from exporter.butlr.errors import BadAnswer, CloudError, TimedOut, Unreachable
from exporter.butlr.transport import Limits, Transport

ROOMY = Limits(seconds=30, max_bytes=1 << 20)
HASTY = Limits(seconds=0.3, max_bytes=1 << 20)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request on a port of its own with the next list of pieces, a pause between two of them."""

    def __init__(self, *answers: list[bytes]) -> None:
        self._answers = [*answers]
        self.heads: list[str] = []
        self.connections = 0
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                with connection, suppress(OSError):
                    self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as reader:
            while self._answers and (line := reader.readline()):
                lines = [line, *iter(reader.readline, b"\r\n")]
                head = b"".join(lines).decode()
                self.heads.append(head)
                reader.read(int(head.lower().partition("content-length:")[2].split()[0]))
                pieces = self._answers.pop(0)
                for number, piece in enumerate(pieces):
                    if number and self._ended.wait(0.05):
                        return
                    connection.sendall(piece)
                if pieces[-1] == b"":  # the server closes the connection
                    return

    def close(self) -> None:
        """Stop."""
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@contextmanager
def serving(*answers: list[bytes]) -> Iterator[tuple[Server, Transport]]:
    """Run a server, with a transport to it."""
    server = Server(*answers)
    transport = Transport(server.url)
    try:
        yield server, transport
    finally:
        transport.close()
        server.close()


def error_of(limits: Limits, *answer: bytes) -> CloudError:
    """Return the error that an answer causes."""
    with serving([*answer]) as (_, transport), pytest.raises(CloudError) as caught:
        transport.post("/graphql", b"{}", "t1", limits)
    assert caught.value.__cause__ is None
    return caught.value


def test_connections_are_used_again() -> None:
    """Two requests go over one connection, each with its own token and as JSON."""
    with serving([OK], [OK]) as (server, transport):
        assert transport.post("/graphql", b"{}", "t1", ROOMY) == (200, b"ok", "", "")
        transport.post("/login", b"{}", None, ROOMY)
        assert server.connections == 1
    first, second = server.heads
    assert first.startswith("POST /graphql HTTP/1.1\r\n")
    assert "Authorization: Bearer t1\r\n" in first
    assert "Content-Type: application/json\r\n" in first
    assert "Authorization" not in second


def test_a_netrc_file_changes_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a token nor its absence is replaced by the password that a `.netrc` file has for the host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving([OK], [OK]) as (server, transport):
        transport.post("/", b"{}", "t1", ROOMY)
        transport.post("/", b"{}", None, ROOMY)
    assert "Authorization: Bearer t1\r\n" in server.heads[0]
    assert not any("Basic" in head for head in server.heads)


def test_a_redirect_is_not_followed() -> None:
    """A redirect is an answer: the token goes nowhere else."""
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with serving([redirect]) as (_, transport):
        assert transport.post("/", b"{}", "t1", ROOMY) == (302, b"", "", "http://127.0.0.1:1/")


DRIPS = [b"x"] * 1000


@pytest.mark.parametrize(
    "answer",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *DRIPS],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\nx\r\n"] * 1000],
        [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n", gzip.compress(b"")[:10], *DRIPS],
        [b"HTTP/1.1 200 OK\r\nX-Long: ", *DRIPS],
        [b"", b""] * 500,
    ],
    ids=["body", "chunks", "gzip", "head", "silence"],
)
def test_an_answer_that_drips(answer: list[bytes]) -> None:
    """The limit is one for the whole answer, however often a byte of it arrives."""
    begin = time.monotonic()
    error = error_of(HASTY, *answer)
    assert isinstance(error, TimedOut)
    assert str(error) == "no complete answer from 127.0.0.1 within 0.3 s"
    assert time.monotonic() - begin < 20  # it would be 50


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1e8480\r\n" + b"x" * 2_000_000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5000\r\n\r\n"
        + gzip.compress(bytes(5 << 20))[:5000],
    ],
    ids=["length", "chunks", "gzip"],
)
def test_an_answer_that_is_too_large(answer: bytes) -> None:
    """An answer of more than the limit is not read to its end, compressed or not."""
    assert str(error_of(ROOMY, answer)) == "127.0.0.1 answered with more than 1048576 bytes"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b""], Unreachable, "closed before"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", b""], Unreachable, "closed before"),
        ([b"SSH-2.0-OpenSSH\r\n", b""], Unreachable, "cannot be reached"),
        ([b"", b""], Unreachable, "closed before the answer was complete"),
        (
            [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone"],
            BadAnswer,
            "cannot be decompressed",
        ),
    ],
)
def test_an_answer_that_is_broken(answer: list[bytes], kind: type[CloudError], words: str) -> None:
    """Half an answer, and one that is not HTTP, are errors that say so; Butlr may have received the request."""
    error = error_of(ROOMY, *answer)
    assert isinstance(error, kind)
    assert words in str(error)
    assert error.was_sent


def test_nobody_listens() -> None:
    """A refused connection is named in the system's words, and the request was not sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        Transport(f"http://127.0.0.1:{port}").post("/", b"{}", "t1", ROOMY)
    assert str(caught.value) == "127.0.0.1 cannot be reached: Connection refused"
    assert not caught.value.was_sent


def test_a_name_that_nobody_knows() -> None:
    """An unknown host name is named as such."""
    with pytest.raises(Unreachable, match=r"butlr\.invalid cannot be reached: its name is not known") as caught:
        Transport("http://butlr.invalid").post("/", b"{}", "t1", ROOMY)
    assert not caught.value.was_sent


def test_a_certificate_that_nobody_trusts() -> None:
    """A certificate without a known issuer is rejected before the token is sent, and the remedy is named."""
    listener = socket.create_server(("127.0.0.1", 0))
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def handshake() -> None:
        connection, _ = listener.accept()
        with suppress(OSError):
            context.wrap_socket(connection, server_side=True)

    thread = threading.Thread(target=handshake)
    thread.start()
    with listener, pytest.raises(Unreachable, match="REQUESTS_CA_BUNDLE names a file") as caught:
        Transport(f"https://127.0.0.1:{listener.getsockname()[1]}").post("/", b"{}", "t1", ROOMY)
    thread.join()
    assert not caught.value.was_sent
