"""The exporter with a client id, against the simulated cloud in memory."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from exporter.app import Exporter, build
from exporter.butlr.transport import Limits, Reply
from exporter.cloud import connection, service
from exporter.cloud.worker import Stopped, Worker
from exporter.events.measures import Kind
from exporter.rule.space import Forgotten
from exporter.settings.declared import Settings
from exporter.simulate.world.building import floors_of, zones_of
from tests.support.butlr import InMemory
from tests.support.clouds import SimulatedCloud
from tests.support.deliveries import HOUR, NOW, Clock, body, delivery
from tests.support.inventories import asset, inventory
from tests.support.responses import samples
from tests.support.running import wait_for

CREDENTIALS: dict[str, Any] = {"butlr_client_id": "simulated", "butlr_client_secret": SecretStr("simulated")}

LATER = NOW + 72 * HOUR


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> SimulatedCloud:
    """Return the cloud that every exporter of the test asks."""
    cloud = SimulatedCloud()
    monkeypatch.setattr(connection, "Transport", lambda _: InMemory(cloud))
    return cloud


@contextmanager
def exporter_with(clock: Clock, journal: str | None = None) -> Iterator[Exporter]:
    """Return an exporter that has not begun to ask Butlr's cloud."""
    exporter = build(Settings(**CREDENTIALS, journal=journal), clock)
    try:
        yield exporter
    finally:
        exporter.close()


def read_by(exporter: Exporter) -> None:
    """Start an exporter, and wait until it has read the assets."""
    exporter.start()
    wait_for(lambda: exporter.metrics.cloud.last_assets_seconds, "the assets", pause=0.005)


def value(exporter: Exporter, name: str, *labels: str) -> float:
    """Return the value of the only sample of a family with these labels."""
    lines = [
        line for line in samples(exporter.app.test_client(), name) if all(f'"{label}"' in line for label in labels)
    ]
    (line,) = lines
    return float(line.rpartition(" ")[2])


def test_the_simulated_building(cloud: SimulatedCloud) -> None:
    """The exporter shows what Butlr lists: missing spaces, tags, sensors by the ids of their events, capacities."""
    plan = cloud.plan
    with exporter_with(Clock()) as exporter:
        read_by(exporter)
        zones = cloud.account.assets.zones
        zone = zones[0]
        assert value(exporter, "butlr_exporter_spaces", "zone", "missing") == len(zones)
        exporter.app.test_client().post("/webhook", data=body(delivery(zone=zone["id"])))
        assert value(exporter, "butlr_exporter_spaces", "zone", "missing") == len(zones) - 1
        assert value(exporter, "butlr_zone_capacity", zone["id"]) == zone["capacity"]["max"]
        assert value(exporter, "butlr_zone_tag_info", zone["id"], zone["tags"][0]["name"]) == 1
        for floor in floors_of(zones_of(plan.zones, plan.seed), plan.seed):
            for device in (*floor.doors, *(room.sensor for room in floor.rooms)):
                assert value(exporter, "butlr_sensor_online", device.id) == 1
        sensors = cloud.account.assets.sensors
        assert len(samples(exporter.app.test_client(), "butlr_sensor_online")) == len(sensors) - 2  # virtual ones
        assert value(exporter, "butlr_exporter_cloud_requests_total", "graphql", "ok") == 3


def test_known_assets_are_not_forgotten(cloud: SimulatedCloud) -> None:
    """A zone that Butlr lists stays for as long as it is listed; one that somebody deletes is missing."""
    clock = Clock()
    listed = cloud.account.assets.zones[0]["id"]
    with exporter_with(clock) as exporter:
        client = exporter.app.test_client()
        client.post("/webhook", data=body(delivery(zone=listed), delivery(zone="zone_x")))
        read_by(exporter)
        clock.now = LATER
        assert [space.id for space in exporter.store.snapshot(LATER).spaces] == [listed]
        missing = value(exporter, "butlr_exporter_spaces", "zone", "missing")
        assert client.delete(f"/api/v1/spaces/zone/{listed}").status_code == 204
        assert value(exporter, "butlr_exporter_spaces", "zone", "missing") == missing + 1
        assert exporter.store.snapshot(LATER).spaces == []


class TestAfterARestart:
    """Spaces of a journal that were silent for longer than `forget_after` stay until it is known which are listed."""

    @staticmethod
    def known(exporter: Exporter, now: int = LATER) -> list[str]:
        """Return the ids of the spaces that are known."""
        return [space.id for space in exporter.store.snapshot(now).spaces]

    @pytest.fixture
    def journal(self, tmp_path: Path) -> str:
        """Return a journal with two zones, both silent for three days."""
        path = str(tmp_path / "journal.db")
        exporter = build(Settings(journal=path), Clock())
        exporter.app.test_client().post("/webhook", data=body(delivery(zone="zone_a"), delivery(zone="zone_b")))
        exporter.close()
        return path

    def test_without_a_client_id(self, journal: str) -> None:
        """Without a client id they are forgotten."""
        exporter = build(Settings(journal=journal), Clock(LATER))
        assert self.known(exporter) == []
        exporter.close()

    @pytest.mark.usefixtures("cloud")
    def test_with_a_client_id(self, journal: str) -> None:
        """The spaces that turn out to be listed stay, others go."""
        with exporter_with(Clock(LATER), journal=journal) as exporter:
            assert self.known(exporter) == ["zone_a", "zone_b"]
            assert exporter.store.knows(Forgotten(Kind.ZONE, "zone_b"), LATER)
            exporter.assets.replace(inventory(asset(Kind.ZONE, "zone_a", capacity=4)))
            assert self.known(exporter) == ["zone_a"]
            assert value(exporter, "butlr_zone_capacity") == 4

    @pytest.mark.usefixtures("cloud")
    def test_where_butlr_does_not_answer(self, journal: str) -> None:
        """Where the assets cannot be read they go after `forget_after` from the start."""
        with exporter_with(Clock(LATER), journal=journal) as exporter:
            assert self.known(exporter, LATER + 24 * HOUR) == ["zone_a", "zone_b"]
            assert self.known(exporter, LATER + 24 * HOUR + 1) == []


def test_a_stop_while_a_request_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter ends although a request to Butlr's cloud does not; until then it serves."""
    asked, answered = threading.Event(), threading.Event()

    class Hanging:
        def post(self, _path: str, _body: bytes, _bearer: str | None, _limits: Limits) -> Reply:
            asked.set()
            answered.wait(60)
            return Reply(500, b"")

        def close(self) -> None:
            pass

    monkeypatch.setattr(connection, "Transport", lambda _: Hanging())
    assert service._PATIENCE_SECONDS <= 2
    monkeypatch.setattr(service, "_PATIENCE_SECONDS", 0.01)
    with exporter_with(Clock()) as exporter:
        exporter.start()
        assert asked.wait(60)
        assert exporter.app.test_client().post("/webhook", data=body(delivery())).status_code == 200
        assert value(exporter, "butlr_zone_occupancy") == 1
        exporter.close()
        assert not answered.is_set()
        answered.set()


def test_the_longest_pause() -> None:
    """A pause of more years than the clock has ends with the service."""
    worker = Worker("test")
    threading.Timer(0.01, worker.stop).start()
    with pytest.raises(Stopped):
        worker.pause(timedelta.max.total_seconds())
