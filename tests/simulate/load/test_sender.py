"""What the simulator sends, and what it makes of the answers: retries, refusals, ends."""

import asyncio
import time

import pytest
import uvloop

from exporter.simulate.client import Target
from exporter.simulate.load import sender
from exporter.simulate.load.sender import Sender, Stopped
from exporter.simulate.verify.oracle import Answered
from exporter.simulate.world.delivery import Delivery
from tests.support.running import free_port
from tests.support.scripted import Cut, Scripted, answer, scripted, served

PROBLEM = b'{"title": "x", "detail": "no", "errors": [{"index": 0, "field": "data", "message": "must be 0 or more"}]}'


class Sent:
    """A sender and what it was told."""

    def __init__(self, url: str, *, retry: bool = False, one_by_one: bool = False, connections: int = 1) -> None:
        """Send to a URL, each delivery at once."""
        self.answers: list[Answered] = []
        self.waits: list[str] = []
        self.sender = Sender(
            Target(url, {}),
            connections=connections,
            retry=retry,
            one_by_one=one_by_one,
            pace=lambda delivery: delivery.due / 1000,
            clock=time.time,
            answered=lambda _, answered: self.answers.append(answered),
            waiting=self.waits.append,
        )

    async def send(self, number: int = 1) -> None:
        """Send some deliveries."""
        await self.sender.send(Delivery(0, str(n).encode()) for n in range(number))

    async def fails(self, number: int = 1) -> str:
        """Send some deliveries; return why that was given up."""
        with pytest.raises(Stopped) as stopped:
            await self.send(number)
        return str(stopped.value)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "RETRIES", (0.01, 0.02, 0.03))


class TestAnswered:
    """Deliveries that get an answer."""

    def test_outcomes_are_counted(self) -> None:
        """As the exporter told them."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(3)
            tally = sent.sender.tally
            assert tally.outcomes == {"new": 1, "corrected": 2}
            assert (tally.deliveries, tally.accepted, tally.refused, tally.retries) == (3, 3, 0, 0)
            assert [answered.body for answered in sent.answers] == [b"0", b"1", b"2"]
            assert sent.answers[1].outcomes == {"corrected": 2}
            assert all(answered.sent <= answered.answered for answered in sent.answers)

        served(
            test,
            answer(),
            answer(200, b'{"outcomes": {"corrected": 2}}'),
            answer(200, b'{"outcomes": {"x": 0, "y": "z"}}'),
        )

    def test_one_by_one(self) -> None:
        """Deliveries of one zone wait for each other, and keep their order; those of others do not wait."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url, connections=3, one_by_one=True)
            server.open.clear()
            zones = [("0", "a"), ("1", "a"), ("2", "b"), ("3", "a")]
            sending = asyncio.create_task(sent.sender.send(Delivery(0, n.encode(), zone) for n, zone in zones))
            while len(server.requests) < 2:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.05)
            assert {text for _, _, text in server.requests} == {b"0", b"2"}
            server.open.set()
            await sending
            of_a = [text for _, _, text in server.requests if text != b"2"]
            assert of_a == [b"0", b"1", b"3"]

        served(test)

    def test_where_none_has_come_yet(self) -> None:
        """It looks again, until it is stopped."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            sending = asyncio.create_task(
                sent.sender.send(iter([Delivery(0, b"0"), None, Delivery(0, b"1"), *[None] * 9999]))
            )
            while len(sent.answers) < 2:
                await asyncio.sleep(0.01)
            sent.sender.stop()
            await asyncio.wait_for(sending, 2)

        served(test)

    def test_several_connections_stay(self) -> None:
        """They share the deliveries, each once."""

        async def test(server: Scripted) -> None:
            await Sent(server.url, connections=3).send(30)
            assert server.connections == 3
            assert sorted(int(text) for _, _, text in server.requests) == list(range(30))

        served(test)

    def test_a_connection_that_the_other_side_ended_is_no_failure(self) -> None:
        """The next delivery goes over a new one."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(3)
            assert sent.sender.tally.retries == 0
            assert server.connections == 2

        served(test, answer(), b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{"outcomes":{}}')

    def test_each_when_it_is_due(self) -> None:
        """Not before."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            due = time.time() + 0.2
            await sent.sender.send([Delivery(int(due * 1000), b"0")])
            assert sent.answers[0].sent >= due * 1000 - 10

        served(test)

    def test_what_is_to_be_lost_is_not_sent(self) -> None:
        """It is counted."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.sender.send([Delivery(0, b"0", lost=True), Delivery(0, b"1")])
            assert [text for _, _, text in server.requests] == [b"1"]
            assert sent.sender.tally.lost == 1

        served(test)


class TestRetries:
    """Deliveries that get no answer, or one that says to come again."""

    @pytest.mark.parametrize("failure", [*map(answer, (429, 500, 502, 503)), Cut(), Cut(b"220 not HTTP\r\n")])
    def test_the_same_again(self, failure: bytes) -> None:
        """What was not taken is tried up to three times more."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(3)
            assert [text for _, _, text in server.requests] == [b"0", b"1", b"1", b"1", b"1", b"2"]
            assert [answered.tries for answered in sent.answers] == [1, 4, 1]
            assert sent.sender.tally.retries == 3
            assert len(sent.waits) == 1

        served(test, answer(), failure, failure, failure)

    def test_then_it_is_given_up(self) -> None:
        """With the last reason."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            assert await sent.fails(9) == f"{server.url}: 503 Service Unavailable: no: later"
            assert len(server.requests) == 5

        problem = answer(503, b'{"detail": "no: later"}')
        served(test, answer(), problem, problem, problem, problem)

    def test_nobody_there_at_the_start(self) -> None:
        """Is a mistake in the command, and told at once."""
        url = f"http://127.0.0.1:{free_port()}/webhook"
        sent = Sent(url, connections=4)
        assert uvloop.run(sent.fails()) == f"{url}: Connection refused"
        assert sent.waits == []

    def test_with_retry_it_waits(self) -> None:
        """From the start on, until somebody is there; who then has been absent is known."""
        port = free_port()
        sent = Sent(f"http://127.0.0.1:{port}/webhook", retry=True)

        async def test() -> None:
            sending = asyncio.create_task(sent.send())
            while sent.sender.tally.retries < 6:
                await asyncio.sleep(0.01)
            async with scripted(port=port):
                await sending

        uvloop.run(test())
        assert [answered.tries for answered in sent.answers] == [sent.sender.tally.retries + 1]
        assert sent.waits == [f"http://127.0.0.1:{port}/webhook: Connection refused"]
        assert sent.answers[0].sent < sent.answers[0].connected < sent.answers[0].answered

    def test_when_a_connection_was_made(self) -> None:
        """Is known of each answer: what comes over one made later may be of another process."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(4)
            first, second, third, fourth = (answered.connected for answered in sent.answers)
            assert first == second < third < fourth
            assert all(answered.connected < answered.answered for answered in sent.answers)

        served(test, answer(), answer(), answer(502), answer(), Cut())

    def test_what_was_not_answered_when_it_was_stopped(self) -> None:
        """Is known to be in doubt."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url, retry=True)
            sending = asyncio.create_task(sent.send(9))
            while sent.sender.tally.retries < 2:
                await asyncio.sleep(0.01)
            sent.sender.stop()
            await sending
            assert sent.sender.unanswered == [b"0"]

        served(test, *[Cut()] * 1000)


class TestRefused:
    """Answers that say no."""

    def test_a_delivery_is_refused_and_the_next_is_sent(self) -> None:
        """The first reason is kept."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(30)
            assert sent.sender.tally.refused == 20
            assert sent.sender.tally.refusal == "422 Unprocessable Entity: data: must be 0 or more"
            assert len(sent.answers) == 30

        served(test, answer(), answer(422, PROBLEM), *[answer(400)] * 10, *[answer(413)] * 9)

    def test_if_none_is_taken_it_is_no_use(self) -> None:
        """After ten."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            reason = await sent.fails(30)
            assert reason == f"{server.url}: all is refused: 422 Unprocessable Entity: data: must be 0 or more"
            assert len(server.requests) == 10

        served(test, *[answer(422, PROBLEM)] * 30)

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            (answer(401, b'{"detail": "an API key is needed"}'), "401 Unauthorized: an API key is needed"),
            (answer(404, b"<html>"), "404 Not Found"),
            (answer(301, b""), "301 Moved Permanently"),
            (b'HTTP/1.1 299 Well\r\nContent-Length: 15\r\n\r\n{"outcomes":{}}', None),
            (answer(200, b"thanks"), "200 OK, but that is not how butlr-exporter answers"),
            (answer(200, b'["outcomes"]'), "200 OK, but that is not how butlr-exporter answers"),
            (b"HTTP/1.1 499 Hm\r\nContent-Length: 0\r\n\r\n", "499"),
        ],
    )
    def test_the_way_is_wrong(self, said: bytes, reason: str | None) -> None:
        """No other delivery would be taken: it ends at once. Any 2xx is a yes."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url, connections=2, retry=True)
            if reason is None:
                await sent.send(3)
            else:
                assert await sent.fails(3) == f"{server.url}: {reason}"

        served(test, answer(), said)


class TestStop:
    """When a person has seen enough."""

    def test_what_is_under_way_is_answered_and_nothing_more_is_sent(self) -> None:
        """Also while it waits for the next to be due."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url, connections=2)
            server.open.clear()
            later = int((time.time() + 60) * 1000)
            sending = asyncio.create_task(
                sent.sender.send([Delivery(0, b"0"), Delivery(later, b"1"), Delivery(0, b"2")])
            )
            while not server.requests:
                await asyncio.sleep(0.01)
            sent.sender.stop()
            server.open.set()
            await asyncio.wait_for(sending, 5)
            assert [answered.body for answered in sent.answers] == [b"0"]
            assert sent.sender.unanswered == []

        served(test)


def test_a_host_that_there_is_not() -> None:
    """Is told by name."""
    sent = Sent("http://no-such-host.invalid/webhook")
    assert uvloop.run(sent.fails()).startswith("http://no-such-host.invalid/webhook: Name or service not known")


def test_tls_to_what_speaks_none() -> None:
    """Has words."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 no TLS\r\n")
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        async with server:
            sent = Sent(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhook")
            assert (await sent.fails()).partition("/webhook: ")[2] == "TLS: wrong version number"

    uvloop.run(test())


@pytest.mark.parametrize("host", ["a..b", "a" * 64])
def test_what_is_no_host_name(host: str) -> None:
    """Is said so."""
    assert uvloop.run(Sent(f"http://{host}/webhook").fails()).endswith("/webhook: that is no host name")
