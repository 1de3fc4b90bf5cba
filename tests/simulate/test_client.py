"""The simulator's HTTP client: requests, answers, and the reasons why there is none."""

from pathlib import Path

import pytest
import trustme

from exporter.simulate.client import Answer, Connection, NoAnswer, Target, trusting
from tests.support.scripted import Cut, Scripted, answer, served


class TestClient:
    """POSTs over one connection."""

    @pytest.mark.parametrize(
        ("response", "expected"),
        [
            (answer(200, b"yes"), Answer(200, b"yes")),
            (answer(422, b"no"), Answer(422, b"no")),
            (answer(200, b""), Answer(200, b"")),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nye\r\n1\r\ns\r\n0\r\n\r\n",
                Answer(200, b"yes"),
            ),
            (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(200, b"yes"), Answer(200, b"yes")),
            (Cut(b"HTTP/1.0 401 No\r\n\r\nuntil the end"), Answer(401, b"until the end")),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nand close", Answer(200, b"and close")),
            (b"220 smtp.example.org ready\r\n", "the answer is not HTTP"),
            (
                Cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun"),
                "the connection was closed before the answer was complete",
            ),
            (Cut(b"HTTP/1.1 204 No Content\r\n\r\n"), Answer(204, b"")),
            (Cut(b"HTTP/1.1 200 OK\r\n\r\n"), Answer(200, b"")),
            (b"HTTP/1.1 101 Other\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "the answer is not HTTP"),
            (Cut(), "the connection was closed before the answer was complete"),
            (
                Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
                "the connection was closed before the answer was complete",
            ),
        ],
    )
    def test_answers(self, response: bytes, expected: Answer | str) -> None:
        """Every end of a body that HTTP allows gives an answer; anything else gives a reason."""

        async def test(server: Scripted) -> None:
            connection = await Connection.open(Target(server.url, {}))
            try:
                actual: Answer | str = await connection.send(b"body")
            except NoAnswer as error:
                actual = str(error)
            assert actual == expected
            connection.close()

        served(test, response)

    def test_no_answer_in_time(self) -> None:
        """A timeout ends the connection, so that a late answer does not count as the next one's."""

        async def test(server: Scripted) -> None:
            server.open.clear()
            connection = await Connection.open(Target(server.url, {}), timeout_seconds=0.05)
            with pytest.raises(NoAnswer, match=r"no answer within 0\.05 s"):
                await connection.send(b"body")
            assert not connection.usable
            server.open.set()

        served(test)

    def test_a_long_answer(self) -> None:
        """An answer longer than the limit is not read to its end."""

        async def test(server: Scripted) -> None:
            connection = await Connection.open(Target(server.url, {}), max_answer_bytes=1000)
            assert len((await connection.send(b"body")).body) == 1000
            with pytest.raises(NoAnswer, match="the answer is too long"):
                await connection.send(b"body")
            assert not connection.usable

        served(test, answer(200, b"x" * 1000), answer(200, b"x" * 1001))

    def test_one_request_after_the_other(self) -> None:
        """One connection carries several requests, with the given headers and each body's length."""

        async def test(server: Scripted) -> None:
            url = server.url.replace("//", "//us%40er:pass@")
            connection = await Connection.open(Target(f"{url}?a=b", {"X-API-Key": "secret"}))
            assert await connection.send(b"first") == Answer(200, b"one")
            assert await connection.send(b"second one") == Answer(200, b"two")
            connection.close()
            assert server.connections == 1
            assert [sent for _, _, sent in server.requests] == [b"first", b"second one"]
            line, headers, _ = server.requests[1]
            assert line == "POST /webhook?a=b HTTP/1.1"
            assert headers["Host"] == f"127.0.0.1:{server.port}"
            assert headers["X-API-Key"] == "secret"
            assert headers["Authorization"] == "Basic dXNAZXI6cGFzcw=="

        served(test, answer(200, b"one"), answer(200, b"two"))

    def test_the_other_side_wants_no_more(self) -> None:
        """A connection is not used again after `Connection: close`."""

        async def test(server: Scripted) -> None:
            connection = await Connection.open(Target(server.url, {}))
            await connection.send(b"body")
            assert not connection.usable

        served(test, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    @pytest.mark.parametrize(
        "url",
        [
            *("", "webhook", "ftp://host/", "http://", "http://host:port/", "http://h:99999/", "http://[::1"),
            *("http://h/a b", "http://h/\u00fc", "http://h/a\r\nb: c"),
        ],
    )
    def test_urls_that_are_none(self, url: str) -> None:
        """A URL that no request can be sent to is refused."""
        with pytest.raises(ValueError, match=r".+"):
            Target(url, {})

    def test_another_authority(self, tmp_path: Path) -> None:
        """A file of certificates replaces the authorities of the machine, for https alone."""
        authority = trustme.CA()
        authority.cert_pem.write_to_path(tmp_path / "ca.crt")
        context = trusting(str(tmp_path / "ca.crt"))
        assert len(context.get_ca_certs()) == 1
        assert Target("https://host/", {}, tls=context).tls is context
        assert Target("http://host/", {}, tls=context).tls is None

    def test_headers_cannot_be_forged(self) -> None:
        """A key with a line break is refused."""
        with pytest.raises(ValueError, match="line breaks"):
            Target("http://host/", {"X-API-Key": "a\r\nX-Other: b"})

    def test_credentials_are_not_told(self) -> None:
        """The password of a URL appears neither in errors nor in the `Host` header."""
        target = Target("http://user:secret@host:81/webhook", {})
        assert target.url == "http://host:81/webhook"
        assert b"secret" not in target.request(b"")
        assert (target.host, target.port) == ("host", 81)


class TestWords:
    """Error answers as text for people."""

    @pytest.mark.parametrize(
        ("response", "text"),
        [
            (Answer(422, b'{"errors": [{"field": "data", "message": "no"}]}'), "422 Unprocessable Entity: data: no"),
            (Answer(422, b'{"errors": [{"field": "", "message": "no"}]}'), "422 Unprocessable Entity: no"),
            (Answer(503, b'{"detail": "later", "errors": []}'), "503 Service Unavailable: later"),
            (Answer(503, b'{"detail": 7, "errors": [7]}'), "503 Service Unavailable"),
            (Answer(404, b"<html>"), "404 Not Found"),
            (Answer(499, b"[" * 100_000), "499"),
        ],
    )
    def test_words(self, response: Answer, text: str) -> None:
        """The text has the status and the reason that the problem document gives."""
        assert response.error_text() == text
