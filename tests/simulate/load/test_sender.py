"""The sender: deliveries, retries, refusals, and the end of a run."""

import asyncio
import time

import pytest
import uvloop

from exporter.simulate.client import Target
from exporter.simulate.load import sender
from exporter.simulate.load.sender import Sender, SendingFailed
from exporter.simulate.verify.arrivals import Exchange
from exporter.simulate.world.delivery import Delivery
from tests.support.running import PATIENCE, free_port
from tests.support.scripted import Cut, Scripted, answer, scripted, served

PROBLEM = b'{"title": "x", "detail": "no", "errors": [{"index": 0, "field": "data", "message": "must be 0 or more"}]}'


class Sent:
    """A sender, with the exchanges and waits that it reported."""

    def __init__(self, url: str, *, retry: bool = False, one_per_space: bool = False, connections: int = 1) -> None:
        """Send to a URL, each delivery at once."""
        self.exchanges: list[Exchange] = []
        self.waits: list[str] = []
        self.sender = Sender(
            Target(url, {}),
            connections=connections,
            retry=retry,
            one_per_space=one_per_space,
            send_time=lambda delivery: delivery.due_ms / 1000,
            clock=time.time,
            on_answer=lambda _, exchange: self.exchanges.append(exchange),
            on_wait=self.waits.append,
        )

    async def send(self, number: int = 1) -> None:
        """Send some deliveries."""
        await self.sender.send(Delivery(0, str(n).encode()) for n in range(number))

    async def fails(self, number: int = 1) -> str:
        """Send some deliveries; return the reason why sending failed."""
        with pytest.raises(SendingFailed) as stopped:
            await self.send(number)
        return str(stopped.value)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "RETRY_DELAYS_SECONDS", (0.01, 0.02, 0.03))


class TestAnswered:
    """Deliveries that get an answer."""

    def test_outcomes_are_counted(self) -> None:
        """Outcomes are counted as the exporter answered them."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(3)
            totals = sent.sender.totals
            assert totals.outcomes == {"new": 1, "corrected": 2}
            assert (totals.answered, totals.accepted, totals.refused, totals.retries) == (3, 3, 0, 0)
            assert [exchange.body for exchange in sent.exchanges] == [b"0", b"1", b"2"]
            assert sent.exchanges[1].outcomes == {"corrected": 2}
            assert all(exchange.sent_ms <= exchange.answered_ms for exchange in sent.exchanges)

        served(
            test,
            answer(),
            answer(200, b'{"outcomes": {"corrected": 2}}'),
            answer(200, b'{"outcomes": {"x": 0, "y": "z"}}'),
        )

    def test_one_per_space(self) -> None:
        """Deliveries of one zone wait for each other and keep their order; those of others do not wait."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url, connections=3, one_per_space=True)
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
        """The sender asks again for a delivery where there was none yet, until it is stopped."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            sending = asyncio.create_task(
                sent.sender.send(iter([Delivery(0, b"0"), None, Delivery(0, b"1"), *[None] * 9999]))
            )
            while len(sent.exchanges) < 2:
                await asyncio.sleep(0.01)
            sent.sender.stop()
            await asyncio.wait_for(sending, PATIENCE)

        served(test)

    def test_several_connections_stay(self) -> None:
        """Several connections share the deliveries, and each delivery is sent once."""

        async def test(server: Scripted) -> None:
            await Sent(server.url, connections=3).send(30)
            assert server.connections == 3
            assert sorted(int(text) for _, _, text in server.requests) == list(range(30))

        served(test)

    def test_a_connection_that_the_other_side_ended_is_no_failure(self) -> None:
        """After the server closed a connection, the next delivery goes over a new one."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(3)
            assert sent.sender.totals.retries == 0
            assert server.connections == 2

        served(test, answer(), b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\nConnection: close\r\n\r\n{"outcomes":{}}')

    def test_each_when_it_is_due(self) -> None:
        """No delivery is sent before it is due."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            due = time.time() + 0.2
            await sent.sender.send([Delivery(int(due * 1000), b"0")])
            assert sent.exchanges[0].sent_ms >= due * 1000 - 10

        served(test)

    def test_what_is_to_be_lost_is_not_sent(self) -> None:
        """A lost delivery is counted and not sent."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.sender.send([Delivery(0, b"0", lost=True), Delivery(0, b"1")])
            assert [text for _, _, text in server.requests] == [b"1"]
            assert sent.sender.totals.lost == 1

        served(test)


class TestRetries:
    """Deliveries that get no answer, or one that asks for a retry."""

    @pytest.mark.parametrize("failure", [*map(answer, (429, 500, 502, 503)), Cut(), Cut(b"220 not HTTP\r\n")])
    def test_the_same_again(self, failure: bytes) -> None:
        """A delivery that was not accepted is tried up to three times more."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(3)
            assert [text for _, _, text in server.requests] == [b"0", b"1", b"1", b"1", b"1", b"2"]
            assert [exchange.tries for exchange in sent.exchanges] == [1, 4, 1]
            assert sent.sender.totals.retries == 3
            assert len(sent.waits) == 1

        served(test, answer(), failure, failure, failure)

    def test_then_it_is_given_up(self) -> None:
        """After the last retry the run fails with the last reason."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            assert await sent.fails(9) == f"{server.url}: 503 Service Unavailable: no: later"
            assert len(server.requests) == 5

        problem = answer(503, b'{"detail": "no: later"}')
        served(test, answer(), problem, problem, problem, problem)

    def test_nobody_there_at_the_start(self) -> None:
        """A failure before the first answer is reported at once, as a mistake in the command."""
        url = f"http://127.0.0.1:{free_port()}/webhook"
        sent = Sent(url, connections=4)
        assert uvloop.run(sent.fails()) == f"{url}: Connection refused"
        assert sent.waits == []

    def test_with_retry_it_waits(self) -> None:
        """With `retry` the sender waits from the start until the server is there, and records when it connected."""
        port = free_port()
        sent = Sent(f"http://127.0.0.1:{port}/webhook", retry=True)

        async def test() -> None:
            sending = asyncio.create_task(sent.send())
            while sent.sender.totals.retries < 6:
                await asyncio.sleep(0.01)
            async with scripted(port=port):
                await sending

        uvloop.run(test())
        assert [exchange.tries for exchange in sent.exchanges] == [sent.sender.totals.retries + 1]
        assert sent.waits == [f"http://127.0.0.1:{port}/webhook: Connection refused"]
        assert sent.exchanges[0].sent_ms < sent.exchanges[0].connected_ms < sent.exchanges[0].answered_ms

    def test_when_a_connection_was_made(self) -> None:
        """Each exchange has the time of its connection, by which answers of another process are recognized."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(4)
            first, second, third, fourth = (exchange.connected_ms for exchange in sent.exchanges)
            assert first == second < third < fourth
            assert all(exchange.connected_ms < exchange.answered_ms for exchange in sent.exchanges)

        served(test, answer(), answer(), answer(502), answer(), Cut())

    def test_what_was_not_answered_when_it_was_stopped(self) -> None:
        """A delivery without an answer when the run is stopped is kept as unanswered."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url, retry=True)
            sending = asyncio.create_task(sent.send(9))
            while sent.sender.totals.retries < 2:
                await asyncio.sleep(0.01)
            sent.sender.stop()
            await sending
            assert sent.sender.unanswered == [b"0"]

        served(test, *[Cut()] * 1000)


class TestRefused:
    """Answers that refuse a delivery."""

    def test_a_delivery_is_refused_and_the_next_is_sent(self) -> None:
        """A refusal does not end the run, and the first reason is kept."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            await sent.send(30)
            assert sent.sender.totals.refused == 20
            assert sent.sender.totals.refusal == "422 Unprocessable Entity: data: must be 0 or more"
            assert len(sent.exchanges) == 30

        served(test, answer(), answer(422, PROBLEM), *[answer(400)] * 10, *[answer(413)] * 9)

    def test_if_none_is_taken_it_is_no_use(self) -> None:
        """Ten refusals end a run in which nothing was accepted."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url)
            reason = await sent.fails(30)
            assert (
                reason == f"{server.url}: every delivery is refused: 422 Unprocessable Entity: data: must be 0 or more"
            )
            assert len(server.requests) == 10

        served(test, *[answer(422, PROBLEM)] * 30)

    @pytest.mark.parametrize(
        ("response", "reason"),
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
    def test_the_way_is_wrong(self, response: bytes, reason: str | None) -> None:
        """A status that concerns all deliveries ends the run at once, while any 2xx counts as accepted."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url, connections=2, retry=True)
            if reason is None:
                await sent.send(3)
            else:
                assert await sent.fails(3) == f"{server.url}: {reason}"

        served(test, answer(), response)


class TestStop:
    """A run that a person stops."""

    def test_what_is_under_way_is_answered_and_nothing_more_is_sent(self) -> None:
        """A stopped sender waits for answers under way, but not for deliveries that are due later."""

        async def test(server: Scripted) -> None:
            sent = Sent(server.url, connections=2)
            server.open.clear()
            later = int((time.time() + 3600) * 1000)
            sending = asyncio.create_task(
                sent.sender.send([Delivery(0, b"0"), Delivery(later, b"1"), Delivery(0, b"2")])
            )
            while not server.requests:
                await asyncio.sleep(0.01)
            sent.sender.stop()
            server.open.set()
            await asyncio.wait_for(sending, PATIENCE)
            assert [exchange.body for exchange in sent.exchanges] == [b"0"]
            assert sent.sender.unanswered == []

        served(test)


def test_a_host_that_there_is_not() -> None:
    """An unknown host is reported with the URL."""
    sent = Sent("http://no-such-host.invalid/webhook")
    assert uvloop.run(sent.fails()).startswith("http://no-such-host.invalid/webhook: Name or service not known")


def test_tls_to_what_speaks_none() -> None:
    """A server without TLS gives a readable reason."""

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
    """An invalid host name is reported as such."""
    assert uvloop.run(Sent(f"http://{host}/webhook").fails()).endswith("/webhook: not a valid host name")
