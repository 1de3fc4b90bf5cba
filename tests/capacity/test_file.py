"""A capacity file that is read again while the exporter serves, and its capacities as others see them."""

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.app import build, create_app
from exporter.capacity import file as file_module
from exporter.capacity.file import CapacityFile
from exporter.capacity.parse import CapacityError, text_of
from exporter.capacity.rules import _KindRules
from exporter.cli.main import main
from exporter.events.measures import Measure
from exporter.events.model import AnyMetadata, Metadata
from exporter.settings.declared import Settings
from exporter.settings.load import load
from tests.support.deliveries import MINUTE, NOW, Clock, body, delivery
from tests.support.responses import problem, samples
from tests.support.scraped import DESK, Scraped

DOCUMENTED = """
capacity:
  - {zone_id: zone_2oUJLGKGlqPjwnUCwXNXpX3HB28, max: 4}
  - {floor_name: "1st Floor", zone_name: "Desk *", max: 1}
  - {max: 20}
"""


class TestExposition:
    """Capacities as Prometheus and people see them."""

    def test_family(self, tmp_path: Path) -> None:
        """A capacity has the labels of its zone's count, and is shown also while the zone is stale."""
        file = tmp_path / "capacity.yml"
        file.write_text("capacity: [{zone_name: Desk 01, max: 4}]")
        capacity = CapacityFile(str(file), Clock())
        scraped = Scraped(delivery(), delivery(zone="zone_b", name="Hall"), capacity=capacity)
        assert scraped.samples()["butlr_zone_capacity"] == [(DESK, 4)]
        scraped.clock.now += 20 * MINUTE
        assert "butlr_zone_occupancy" not in scraped.samples()
        assert scraped.samples()["butlr_zone_capacity"] == [(DESK, 4)]
        # The rule of the new name applies to a renamed zone.
        scraped.store.apply(delivery(NOW + MINUTE, name="Hall"), NOW + MINUTE)
        assert "butlr_zone_capacity" not in scraped.samples()

    def test_without_a_file(self) -> None:
        """Without a file there are no families of capacities or of its reading."""
        families = Scraped(delivery()).samples()
        assert not [name for name in families if "capacity" in name or "config" in name]

    def test_page_and_json(self, tmp_path: Path) -> None:
        """The page and the JSON have the capacity of each zone, or none."""
        file = tmp_path / "capacity.yml"
        file.write_text("capacity: [{zone_name: Desk 01, max: 4.5}]")
        client = create_app(Settings(capacity_file=str(file)), Clock()).test_client()
        client.post("/webhook", data=body(delivery(), delivery(zone="zone_b", name="Hall")))
        zones: list[dict[str, Any]] = client.get("/api/v1/spaces").get_json()["spaces"]
        assert [zone["capacity"] for zone in zones] == [4.5, None]
        assert '1<span class="of"> / 4.5</span>' in client.get("/").text


class TestReload:
    """The file is read again while the exporter serves."""

    def test_by_request(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """`POST /-/reload` reads a good file, and keeps the old rules for a bad one."""
        caplog.set_level(logging.INFO, "exporter.capacity")
        file = tmp_path / "capacity.yml"
        file.write_text("capacity: [{max: 4}]")
        clock = Clock()
        client = create_app(Settings(capacity_file=str(file)), clock).test_client()
        client.post("/webhook", data=body(delivery()))

        def exposed() -> tuple[str, ...]:
            families = ("butlr_zone_capacity", "butlr_exporter_config_last_reload_successful")
            stamp = "butlr_exporter_config_last_reload_success_timestamp_seconds"
            return tuple(samples(client, family)[0].rpartition(" ")[2] for family in (*families, stamp))

        assert exposed() == ("4.0", "1.0", "1.8e+09")
        clock.now += MINUTE
        file.write_text("capacity:\n  - {max: 0}\n")
        detail = problem(client.post("/-/reload"), 422)["detail"]
        assert detail == (
            "the capacity file was rejected, the previous one stays in use: "
            "line 2: max must be a number of people above 0, or null for none"
        )
        assert exposed() == ("4.0", "0.0", "1.8e+09")
        file.write_text("capacity: [{max: 7}]")
        assert client.post("/-/reload").status_code == 200
        assert exposed() == ("7.0", "1.0", "1.80000006e+09")
        file.unlink()
        problem(client.post("/-/reload"), 422)
        assert exposed() == ("7.0", "0.0", "1.80000006e+09")
        assert [record.getMessage() for record in caplog.records] == [
            "capacity file rejected",
            "capacity file read",
            "capacity file rejected",
        ]

    def test_a_scrape_during_a_reload(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """While a good file is read again, a scrape does not report a failed reload."""
        path = tmp_path / "capacity.yml"
        path.write_text("capacity: [{max: 5}]")
        file = CapacityFile(str(path), Clock())
        seen: list[bool] = []

        def slow(name: str, *, may_wait: bool) -> str:
            seen.append(file.last_read_succeeded)
            return text_of(name, may_wait=may_wait)

        monkeypatch.setattr(file_module, "text_of", slow)
        file.reload()
        assert seen == [True]

    def test_without_a_file(self) -> None:
        """Without a file there is nothing to read, and the request succeeds."""
        exporter = build(clock=Clock())
        assert exporter.app.test_client().post("/-/reload").text == "There is no capacity file.\n"
        assert exporter.capacity.last_read_succeeded

    def test_credentials_and_port(self) -> None:
        """`/-/reload` needs the credentials of readers and is on their port."""
        client = create_app(load({"metrics_username": "u", "metrics_password": "p"}, {}), Clock()).test_client()
        problem(client.post("/-/reload"), 401)
        problem(create_app(load({"metrics_listen": ":1"}, {}), Clock()).test_client().post("/-/reload"), 404)


@pytest.fixture
def matched(monkeypatch: pytest.MonkeyPatch) -> list[AnyMetadata]:
    """Return the list to which each zone is added that rules are searched for."""
    matched: list[AnyMetadata] = []
    match = _KindRules._match

    def noted(rules: _KindRules, metadata: AnyMetadata) -> Any:
        matched.append(metadata)
        return match(rules, metadata)

    monkeypatch.setattr(_KindRules, "_match", noted)
    return matched


class TestNobodyWaits:
    """No scrape and no page waits until rules are matched with the known zones."""

    def test_after_a_reload(self, tmp_path: Path, matched: list[AnyMetadata]) -> None:
        """A reload matches every known zone before the new rules come into force."""
        path = tmp_path / "capacity.yml"
        path.write_text("capacity: [{zone_name: Hall, max: 5}]")
        client = create_app(Settings(capacity_file=str(path)), Clock()).test_client()
        client.post("/webhook", data=body(delivery(), delivery(zone="zone_b", name="Hall")))
        assert samples(client, "butlr_zone_capacity")[0].endswith(" 5.0")
        path.write_text("capacity: [{zone_name: Hall, max: 7}]")
        matched.clear()
        client.post("/-/reload")
        assert len(matched) == 2
        assert samples(client, "butlr_zone_capacity")[0].endswith(" 7.0")
        assert {zone["capacity"] for zone in client.get("/api/v1/spaces").get_json()["spaces"]} == {None, 7}
        assert len(matched) == 2

    def test_after_a_start(self, tmp_path: Path, matched: list[AnyMetadata]) -> None:
        """The zones of a journal are matched before the port opens."""
        (tmp_path / "capacity.yml").write_text("capacity: [{zone_name: Desk 01, max: 5}]")
        settings = Settings(capacity_file=str(tmp_path / "capacity.yml"), journal=str(tmp_path / "j.db"))
        first = build(settings, Clock())
        first.app.test_client().post("/webhook", data=body(delivery(), delivery(zone="zone_b")))
        first.close()
        matched.clear()
        second = build(settings, Clock())
        try:
            assert len(matched) == 1  # both zones have the one name that the rules ask for
            assert len(samples(second.app.test_client(), "butlr_zone_capacity")) == 2
            assert len(matched) == 1
        finally:
            second.close()

    def test_a_renamed_zone(self, tmp_path: Path, matched: list[AnyMetadata]) -> None:
        """A zone that is renamed is matched once more, and no other zone is."""
        (tmp_path / "capacity.yml").write_text("capacity: [{zone_name: Desk 01, max: 5}]")
        scraped = Scraped(
            *(delivery(zone=f"zone_{n}", name=f"Desk {n:02}") for n in range(9)),
            capacity=CapacityFile(str(tmp_path / "capacity.yml"), Clock()),
        )
        assert len(scraped.samples()["butlr_zone_capacity"]) == 1
        matched.clear()
        scraped.store.apply(delivery(NOW + MINUTE, zone="zone_2", name="Desk 100"), NOW + MINUTE)
        assert len(scraped.samples()["butlr_zone_capacity"]) == 1
        assert [metadata._asdict()["zone_name"] for metadata in matched] == ["Desk 100"]

    @pytest.mark.parametrize("is_good", [True, False])
    def test_many_reloads_at_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_good: bool) -> None:
        """Ten reloads at once read the file twice: one reads it, and the others get the result of a later read."""
        path = tmp_path / "capacity.yml"
        path.write_text("capacity: [{max: 4}]")
        file = CapacityFile(str(path), Clock())
        reads = 0
        go_on = threading.Event()

        def slow(name: str, *, may_wait: bool) -> str:
            nonlocal reads
            reads += 1
            assert go_on.wait(60)
            return text_of(name, may_wait=may_wait)

        monkeypatch.setattr(file_module, "text_of", slow)
        rejected = []

        def reload() -> None:
            try:
                file.reload()
            except CapacityError as error:
                rejected.append(error.mistakes)

        threads = [threading.Thread(target=reload) for _ in range(10)]
        for thread in threads:
            thread.start()
        while file._asked < 10:
            time.sleep(0.001)
        path.write_text("capacity: [{max: 7}]" if is_good else "capacity: [{max: 0}]")
        go_on.set()
        for thread in threads:
            thread.join()
        assert reads <= 2
        assert (file.current.of(Metadata()), file.last_read_succeeded) == ((7, True) if is_good else (4, False))
        assert len(rejected) == (0 if is_good else 10)


class TestCheck:
    """`butlr-exporter check`."""

    def test_against(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """`--against` prints the matching rule of each zone under its newest names."""
        (tmp_path / "capacity.yml").write_text(DOCUMENTED.replace("  - {max: 20}", "  - {zone_name: Hall, max: null}"))
        lines = [
            body(delivery(NOW, name="Desk 1"), delivery(NOW - 1, name="Hall")),
            b"",
            body(delivery(zone="zone_b", name="Hall")),
            body(delivery(zone="zone_c", name="Lobby")),
            json.dumps({"id": "x", "type": "SENSOR_HEALTH", "timestamp": NOW}).encode(),
        ]
        (tmp_path / "events").write_bytes(b"\n".join(lines) + b"\n")
        flags = [f"--capacity-file={tmp_path / 'capacity.yml'}", "--webhook-username=x", "--webhook-password=y"]
        assert main(["check", *flags, f"--against={tmp_path / 'events'}"]) == 0
        assert capsys.readouterr().out.splitlines()[-3:] == [
            "1st Floor / Desk 1 / zone_a: 1 by line 4",
            "1st Floor / Hall / zone_b: no capacity by line 5",
            "1st Floor / Lobby / zone_c: no rule",
        ]

    def test_against_rooms_and_floors(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """`--against` prints the rules of zones, then of rooms, then of floors, of equal ids each."""
        (tmp_path / "capacity.yml").write_text("capacity:\n  - {kind: room, max: 8}\n  - {kind: floor, max: 120}\n")
        measures = (
            Measure.FLOOR_OCCUPANCY,
            Measure.ROOM_OCCUPANCY_1MIN,
            Measure.ROOM_OCCUPANCY,
            Measure.ZONE_OCCUPANCY,
        )
        (tmp_path / "events").write_bytes(body(*[delivery(name="Birch", measure=measure) for measure in measures]))
        flags = [f"--capacity-file={tmp_path / 'capacity.yml'}", "--webhook-username=x", "--webhook-password=y"]
        assert main(["check", *flags, f"--against={tmp_path / 'events'}"]) == 0
        assert capsys.readouterr().out.splitlines()[-3:] == [
            "1st Floor / Birch / zone_a: no rule",
            "1st Floor / Birch / zone_a: 8 by line 2",
            "Birch / zone_a: 120 by line 3",
        ]

    def test_invalid_lines(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Bad lines are reported, the other zones are printed, and the exit status is 1."""
        (tmp_path / "events").write_bytes(b"{\n{}\n" + body(delivery()))
        assert main(["check", "--against", str(tmp_path / "events")]) == 1
        out, err = capsys.readouterr()
        assert out.endswith("\n1st Floor / Desk 01 / zone_a: no rule\n")
        assert f"{tmp_path / 'events'} line 1: " in err
        assert f"{tmp_path / 'events'} line 2: " in err
        assert main(["check", "--against", str(tmp_path / "none")]) == 1
        assert "cannot be read: No such file or directory" in capsys.readouterr().err
