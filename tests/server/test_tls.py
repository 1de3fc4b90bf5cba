"""TLS on the port of `listen`, and plain HTTP on that of `metrics_listen`."""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from exporter.server import tls
from exporter.server.connection import Connection
from exporter.server.connections import ConnectionLimit
from exporter.server.process import bind
from exporter.server.service import Service
from exporter.server.tls import failure, missing_bytes
from exporter.settings.certificate import Certificate
from exporter.settings.types import SECRET
from tests.support.certificates import Pair
from tests.support.running import PATIENCE, Threaded, free_port, running, wait_for
from tests.support.sockets import answers, drained, fresh, silent_reader


class TestServing:
    """A running exporter with a certificate."""

    def test_two_ports(self, pairs: tuple[Pair, Pair], tmp_path: Path) -> None:
        """`listen` serves TLS, `metrics_listen` does not; each has its credentials; both stop together."""
        inner = free_port()
        (tmp_path / "key").write_text("a-key-from-a-file\n")
        with running(
            tmp_path / "log",
            *pairs[0].flags(),
            f"--metrics-listen=127.0.0.1:{inner}",
            f"--webhook-api-keys-file={tmp_path / 'key'}",
            "--metrics-username=prometheus",
            "--metrics-password=hush",
            tls=pairs[0].client,
        ) as exporter:
            request = urllib.request.Request(  # noqa: S310 - to this machine
                f"{exporter.url}/webhook", data=fresh(v=5), headers={"x-api-key": "a-key-from-a-file"}
            )
            with urllib.request.urlopen(request, timeout=PATIENCE, context=exporter.tls) as response:  # noqa: S310
                assert json.load(response)["outcomes"] == {"new": 1}
            passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            passwords.add_password(None, f"http://127.0.0.1:{inner}/", "prometheus", "hush")
            opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
            with opener.open(f"http://127.0.0.1:{inner}/metrics", timeout=PATIENCE) as response:
                assert b"} 5.0" in response.read()
            with pytest.raises(OSError, match="401"):
                exporter.post(fresh())
            with pytest.raises(OSError, match="404"):
                exporter.get("/metrics")
            # A client that sends plain HTTP to the TLS port gets no answer, harms nobody, and is logged.
            with exporter.connect() as plain:
                plain.sendall(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
                drained(plain)
            assert exporter.get("/-/ready")
            assert exporter.stop() == 0
            log = exporter.log()
            assert f"metrics_listen=127.0.0.1:{inner}" in log
            assert SECRET.show(None) in log
            assert "hush" not in log
            assert "a-key-from-a-file" not in log
            assert "level=error" not in log
            assert log.count('msg="TLS handshake failed" reason=HTTP_REQUEST client=127.0.0.1 listener=listen') == 1
            assert log.count("level=warning") == 3  # this, the refused event, and urllib's first try without a password

    def test_no_progress(self, pairs: tuple[Pair, Pair], monkeypatch: pytest.MonkeyPatch) -> None:
        """Half a handshake, none at all, or a response that is not read ends the connection in time."""
        monkeypatch.setattr(tls, "HANDSHAKE_TIMEOUT", 0.5)
        monkeypatch.setattr("exporter.server.connection.REQUEST_TIMEOUT", 0.5)
        monkeypatch.setattr("exporter.server.connection.WRITE_TIMEOUT", 0.5)

        def large(_: object, start_response: object) -> list[bytes]:
            assert callable(start_response)
            start_response("200 OK", [("Content-Length", str(8 << 20))])
            return [b"x" * (8 << 20)]

        context = Certificate(pairs[0].cert, pairs[0].key).context
        with Threaded(Service(large, 1000), context) as (port, running_server):
            hello = ssl.MemoryBIO()
            outgoing = pairs[0].client.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
            with contextlib.suppress(ssl.SSLWantReadError):
                outgoing.do_handshake()
            sent = hello.read()
            for start in (b"", sent[:5], sent[:-1], b"\x16\x03\x01\xff\xff"):
                with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                    began = time.monotonic()
                    client.sendall(start)
                    assert drained(client)[20:] == b""  # at most an alert
                    assert time.monotonic() - began < 10
            # A handshake without a request, then a request whose response is not read.
            plain = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            with pairs[0].client.wrap_socket(plain, server_hostname="127.0.0.1") as client:
                assert client.recv(1) == b""
            with silent_reader(port, "/", pairs[0].client):
                wait_for(lambda: running_server.server_state.connections, "the reader to connect")
                wait_for(lambda: not running_server.server_state.connections, "the reader to be aborted", 20)


def _alert(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] (_ssl.c:1006)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "reason", "hint"),
    [
        (TimeoutError(), "timed out", ""),
        (ConnectionResetError(), "the client closed the connection", "perhaps the client does not trust tls_cert"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer", "perhaps the client does"),
        (_alert("TLSV1_ALERT_UNKNOWN_CA"), "TLSV1_ALERT_UNKNOWN_CA", "the client does not trust tls_cert"),
        (_alert("HTTP_REQUEST"), "HTTP_REQUEST", "give it a URL that begins with https://"),
        (_alert("NO_SHARED_CIPHER"), "NO_SHARED_CIPHER", ""),
        (OSError(), "OSError", ""),
    ],
)
def test_reason_of_a_failed_handshake(error: OSError, reason: str, hint: str) -> None:
    """Only a handshake that took too long "timed out", and a client's distrust names the certificate."""
    found, remedy = failure(error)
    assert found == reason
    assert hint in remedy
    assert bool(hint) == bool(remedy)


class TestLimit:
    """More handshakes than the limit allows."""

    def test_stalled_handshakes_make_room(self, pairs: tuple[Pair, Pair], tmp_path: Path) -> None:
        """With files for few connections, a client that finishes its handshake is served at once, and stays."""
        limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh"]
        with running(tmp_path / "log", *pairs[0].flags(), tls=pairs[0].client, prefix=limited) as exporter:
            one = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
            with contextlib.ExitStack() as stack:
                good = pairs[0].client.wrap_socket(exporter.connect(), server_hostname="127.0.0.1")
                stack.enter_context(good)
                stalled: list[socket.socket] = []
                for _ in range(12):
                    assert answers(good, one)[0][0] == 200
                    stalled += [stack.enter_context(exporter.connect()) for _ in range(20)]
                    assert exporter.get("/-/healthy")  # so the server has accepted the others
                assert answers(good, one)[0][0] == 200
                assert [drained(first) for first in stalled[:100]] == [b""] * 100
            assert 'msg="too many connections" limit=32 aborted=127.0.0.1 listener=listen' in exporter.log()
            assert exporter.stop() == 0


def no_connection() -> Connection:
    """Fail, as no handshake ends."""
    raise AssertionError("called")


def hello(client: ssl.SSLContext) -> bytes:
    """Return the first message of a client."""
    outgoing = ssl.MemoryBIO()
    begun = client.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="127.0.0.1")
    with contextlib.suppress(ssl.SSLWantReadError):
        begun.do_handshake()
    return outgoing.read()


class TestHandshakes:
    """Handshakes, of which one begins in an event-loop iteration."""

    def test_many_in_the_same_moment(self, pairs: tuple[Pair, Pair], monkeypatch: pytest.MonkeyPatch) -> None:
        """Handshakes that clients begin in the same moment begin in an iteration each."""
        begun: list[int] = []
        iteration = 0

        async def handshake(*arguments: Any, **_: object) -> None:
            begun.append(iteration)
            arguments[-1].close()

        async def serve() -> None:
            def tick() -> None:
                nonlocal iteration
                iteration += 1
                loop.call_soon(tick)

            loop = asyncio.get_running_loop()
            acceptor = tls.TlsAcceptor(listener, context, no_connection, ConnectionLimit(100))
            tick()
            while len(begun) < len(clients):
                await asyncio.sleep(0)
            acceptor.close()
            await acceptor.wait_closed()

        monkeypatch.setattr(asyncio.SelectorEventLoop, "connect_accepted_socket", handshake)
        context = Certificate(pairs[0].cert, pairs[0].key).context
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(bind("127.0.0.1", 0))
            clients = [stack.enter_context(socket.create_connection(listener.getsockname())) for _ in range(30)]
            for client in clients:
                client.sendall(hello(pairs[0].client))
            asyncio.run(asyncio.wait_for(serve(), PATIENCE))
        assert len(set(begun)) == len(clients)

    def test_a_first_message_in_pieces(self, pairs: tuple[Pair, Pair]) -> None:
        """A handshake begins once the first message is whole, however many records it has, or cannot be one."""
        whole = hello(pairs[0].client)
        assert missing_bytes(whole) == 0
        for end in range(len(whole)):
            assert 0 < missing_bytes(whole[:end]) <= len(whole) - end
        message = whole[5:]
        records = b"".join([b"\x16\x03\x01%b%b" % (len(part).to_bytes(2), part) for part in (message[:3], message[3:])])
        assert missing_bytes(records) == 0
        assert all(missing_bytes(records[:end]) > 0 for end in range(len(records)))
        for other in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0\0" * 10_000, b"\x80", whole + whole):
            assert missing_bytes(other) == 0

    def test_a_client_that_sends_slowly(self, pairs: tuple[Pair, Pair], tmp_path: Path) -> None:
        """A client is served though its first message comes in pieces."""
        with (
            running(tmp_path / "log", *pairs[0].flags(), tls=pairs[0].client) as exporter,
            exporter.connect() as client,
        ):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            slow = pairs[0].client.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
            while True:
                try:
                    slow.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    sent = outgoing.read()
                    for part in (sent[:1], sent[1:5], sent[5:100], sent[100:-1], sent[-1:]):
                        client.sendall(part)
                        time.sleep(0.01)
                    incoming.write(client.recv(1 << 16))
            assert slow.version() == "TLSv1.3"


class TestRenewal:
    """Renewed certificates, as the process lives longer than they do."""

    def test_a_new_pair(self, pairs: tuple[Pair, Pair], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A renewed certificate is used once its key has come too; until then the previous one is."""
        caplog.set_level("INFO", "exporter.settings.certificate")
        cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
        cert.write_bytes(Path(pairs[0].cert).read_bytes())
        key.write_bytes(Path(pairs[0].key).read_bytes())
        certificate = Certificate(str(cert), str(key))

        def ok(_: object, start_response: object) -> list[bytes]:
            assert callable(start_response)
            start_response("200 OK", [("Content-Length", "0")])
            return []

        def logged() -> list[str]:
            return [record.getMessage() for record in caplog.records if record.name == "exporter.settings.certificate"]

        with Threaded(Service(ok, 1000), certificate.context) as (port, _):

            def shown() -> str:
                raw = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
                with pairs[0].client.wrap_socket(raw, server_hostname="127.0.0.1") as client:
                    subject: tuple[tuple[tuple[str, str]]] = client.getpeercert()["subject"]  # type: ignore[index,assignment]
                    return dict(part for parts in subject for part in parts)["commonName"]

            certificate.reload_if_changed()
            assert shown() == "one"
            assert logged() == []
            cert.write_bytes(Path(pairs[1].cert).read_bytes())
            for _ in range(3):
                certificate.reload_if_changed()
                assert shown() == "one"
            assert logged() == ["certificate not renewed"]
            key.unlink()
            os.mkfifo(key)  # no process writes to it
            certificate.reload_if_changed()
            key.unlink()
            for _ in range(3):
                certificate.reload_if_changed()
            key.write_bytes(Path(pairs[1].key).read_bytes())
            certificate.reload_if_changed()
            assert shown() == "two"
            assert logged() == ["certificate not renewed"] * 3 + ["certificate renewed"]
