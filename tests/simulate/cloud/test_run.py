"""A whole run of the simulated cloud, over real connections."""

import asyncio
import json
import socket
import time

import pytest

from exporter.simulate.client import Connection, Target
from exporter.simulate.cloud.run import CloudRun
from exporter.simulate.cloud.service import TOKEN_PATH
from exporter.simulate.load.progress import Progress
from exporter.simulate.world.delivery import EventType, Plan
from exporter.simulate.world.stream import deliveries
from tests.support.clouds import CREDENTIALS
from tests.support.scripted import Scripted, served

PLAN = Plan(zones=3, types=(EventType.ZONE_OCCUPANCY,), interval_ms=1000, intervals=5)


def cloud(*, has_faults: bool = False) -> CloudRun:
    """Return a cloud of three zones."""
    return CloudRun(PLAN, time.time, Progress(), connections=2, tls=None, keeps=True, has_faults=has_faults)


def register(simulated: CloudRun, url: str) -> None:
    """Register a webhook of zones."""
    endpoint = {"url": url, "httpTimeout": 5}
    given = {"name": "exporter", "eventTypes": ["ZONE_OCCUPANCY"], "endpointConfig": endpoint}
    simulated.account.webhooks.resolvers()["createWebhooks"](None, input=[given])


def test_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A run delivers everything that is due to the webhook, and serves the API until it is stopped."""

    async def test(receiver: Scripted) -> None:
        simulated = cloud()
        register(simulated, receiver.url)
        listening = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        start_ms = int(time.time() * 1000) - 60_000
        await simulated.run(listening, deliveries(PLAN, start_ms, simulated.on_sensed))
        sent = [each.body for each in deliveries(PLAN, start_ms)]
        assert sorted(body for _, _, body in receiver.requests) == sorted(sent)
        assert sorted(exchange.body for exchange in simulated.exchanges) == sorted(sent)
        connection = await Connection.open(Target(url + TOKEN_PATH, {}))
        answer = await connection.send(json.dumps(CREDENTIALS).encode())
        assert answer.json_object()["token_type"] == "Bearer"  # noqa: S105
        connection.close()
        await simulated.stop()
        assert simulated.summary() == ""
        printed = capsys.readouterr().err.splitlines()
        assert printed == [
            f"webhook created: exporter, {receiver.url}, ZONE_OCCUPANCY",
            f"Butlr's API at {url}, client id simulated, client secret simulated",
        ]

    served(test)


def test_dropped_deliveries() -> None:
    """With faults some deliveries are dropped; the summary counts the requests that failed."""

    async def test(receiver: Scripted) -> None:
        simulated = cloud(has_faults=True)
        register(simulated, receiver.url)
        listening = socket.create_server(("127.0.0.1", 0))
        start_ms = int(time.time() * 1000) - 60_000
        all_of_them = list(deliveries(PLAN, start_ms))
        await simulated.run(listening, all_of_them * 20)
        await simulated.stop()
        lost = simulated.log.totals.lost
        assert 0 < lost < len(all_of_them)
        assert len(receiver.requests) == 20 * len(all_of_them) - lost
        assert simulated.summary() == "faults: none"

    served(test)


def test_an_exporter_that_polls_may_ask_once_more() -> None:
    """A run does not end before every space that was asked for was asked for twice more."""
    now = "2026-05-28T20:30:00Z"
    asked = {"measurements": ["zone_occupancy"], "start": "2026-05-28T20:29:00Z", "stop": now}
    request = json.dumps({"filter": asked, "window": {"every": "1m", "function": "median"}}).encode()

    async def rounds(number: int) -> bool:
        simulated = cloud()
        report = simulated.account.reporting.answer
        report(request)
        waiting = asyncio.create_task(simulated.account.polled.wait())
        await asyncio.sleep(0)
        for _ in range(number):
            report(request)
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        waiting.cancel()
        return bool(done)

    assert [asyncio.run(rounds(number)) for number in (1, 2)] == [False, True]
