"""Capacity: the rule for each zone, mistakes in a file, and reading it again."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from exporter import capacity as capacity_module
from exporter.app import build, create_app
from exporter.capacity import CapacityError, CapacityFile, parse, read
from exporter.cli.main import main
from exporter.events.model import Metadata
from exporter.settings.declared import Settings, SettingsError
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


class TestRules:
    """The first matching rule of a file."""

    @pytest.mark.parametrize(
        ("zone", "line"),
        [
            ({"zone_id": "zone_2oUJLGKGlqPjwnUCwXNXpX3HB28", "floor_name": "1st Floor", "zone_name": "Desk 1"}, 3),
            ({"floor_name": "1st Floor", "zone_name": "Desk 01"}, 4),
            ({"floor_name": "1st Floor", "zone_name": "Desk "}, 4),
            ({"floor_name": "1st Floor", "zone_name": "Desk \n1 "}, 4),
            ({"floor_name": "1st Floor", "zone_name": "desk 01"}, 5),
            ({"floor_name": "1st floor", "zone_name": "Desk 01"}, 5),
            ({"floor_name": "1st Floor", "zone_name": "A Desk 01"}, 5),
            ({"zone_name": "Desk 01"}, 5),
            ({}, 5),
        ],
    )
    def test_the_documented_file(self, zone: dict[str, str], line: int) -> None:
        """A pattern matches a whole name, and upper and lower case differ."""
        capacity = parse(DOCUMENTED)
        for _ in range(2):  # the second time it is remembered
            rule = capacity.rule(Metadata(**zone))
            assert rule is not None
            assert (rule.line, capacity.of(Metadata(**zone))) == (line, {3: 4, 4: 1, 5: 20}[line])

    def test_old_names(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Renamed zones do not fill the memory."""
        monkeypatch.setattr(capacity_module, "_MAX_CACHED_CHARACTERS", 1000)
        rules = {"capacity: [{max: 5}]": 5, "capacity: []": None}
        for text, people in rules.items():
            capacity = parse(text)
            for n in range(100):
                assert capacity.of(Metadata(zone_name=f"{n}".rjust(100))) == people
            assert len(capacity._cache) <= 10

    @pytest.mark.parametrize(
        ("pattern", "name", "matches"),
        [
            ("Desk ?", "Desk 1", True),
            ("Desk ?", "Desk 10", False),
            ("Desk [12]", "Desk 2", True),
            ("Desk [!12]", "Desk 2", False),
            ("Desk [[]1]", "Desk [1]", True),
            ("01", "01", True),
            ("1e3", "1000.0", False),
            ("''", "", True),
            ("'*'", "", True),
            ("a.c", "abc", False),
            ("'null'", "null", True),
        ],
    )
    def test_wildcards(self, pattern: str, name: str, matches: bool) -> None:
        """Wildcards work as in a shell, and a text that looks like a number stays a text."""
        capacity = parse(f"capacity:\n  - zone_name: {pattern}\n    max: 1")
        assert (capacity.of(Metadata(zone_name=name)) == 1) is matches

    def test_no_capacity(self) -> None:
        """`max: null` gives no capacity and stops the search, and so does the end of the rules."""
        capacity = parse("capacity:\n  - {zone_name: Hall, max: null}\n  - {zone_name: '*a*', max: 2.5}")
        assert capacity.of(Metadata(zone_name="Hall")) is None
        assert capacity.of(Metadata(zone_name="Bar")) == 2.5
        assert capacity.of(Metadata(zone_name="Desk")) is None
        assert parse("capacity: []").of(Metadata()) is None


MISTAKES: list[tuple[str, list[str]]] = [
    ("", ["line 1: must be a mapping with the one key capacity"]),
    ("- {max: 1}", ["line 1: must be a mapping with the one key capacity"]),
    ("# why\ncapacity:\n", ["line 2: must be a mapping with the one key capacity"]),
    ("capacity: {max: 1}", ["line 1: must be a mapping with the one key capacity"]),
    ("capacity: []\nrules: []", ["line 1: must be a mapping with the one key capacity"]),
    ("!!python/object/apply:os.abort []", ["line 1: must be a mapping with the one key capacity"]),
    ("capacity:\n  - {max: 1", ["line 2: expected ',' or '}'"]),
    ("capacity:\n\t- {max: 1}", ["line 2: found character '\\t'"]),
    ("capacity: []\n---\ncapacity: []", ["line 2: but found another document"]),
    ("capacity: [*x]", ["line 1: found undefined alias"]),
    ("capacity: []\0", ["line 1: unacceptable character #x0000"]),
    ("capacity: " + "[" * 5000, ["the file is nested too deeply"]),
    ("capacity: [{zone_name: null, max: 1}]", ["line 1: zone_name must be a text"]),
    (
        "capacity:\n  - 4\n  - {max: 4}\n  - {zone_nmae: x, max: 4}\n  - zone_name: x\n    room_name: y\n",
        [
            'line 2: a rule is a mapping such as {zone_name: "Desk *", max: 1}',
            "line 4: zone_nmae is neither max nor one of org_id, ",
            "line 5: a rule needs max, the number of people",
        ],
    ),
    (
        "capacity:\n  - zone_name: [x]\n    max: 0\n  - {max: 1, max: 2}\n  - {? [x] : 1, max: 1}\n",
        [
            "line 2: zone_name must be a text",
            "line 3: max must be a number of people above 0, or null for none",
            "line 4: max is there twice",
            "line 5: the key is neither max nor",
        ],
    ),
    *(
        (f"capacity: [{{max: {number}}}]", ["line 1: max must be a number of people above 0"])
        for number in (
            "-1",
            "0",
            "0.0",
            ".nan",
            ".inf",
            "1e999",
            "1.0e+999",
            "yes",
            "'4'",
            "[4]",
            "four",
            "2025-01-01",
            "!!int x",
        )
    ),
]


class TestMistakes:
    """Mistakes in a capacity file."""

    @pytest.mark.parametrize(("text", "mistakes"), MISTAKES, ids=[text[:60] for text, _ in MISTAKES])
    def test_lines(self, text: str, mistakes: list[str]) -> None:
        """All mistakes are reported at once, each with its line."""
        with pytest.raises(CapacityError) as caught:
            parse(text)
        assert len(caught.value.mistakes) == len(mistakes)
        for mistake, expected in zip(caught.value.mistakes, mistakes, strict=True):
            assert mistake.startswith(expected)
            assert "\n" not in mistake

    def test_files(self, tmp_path: Path) -> None:
        """A file that cannot be read is reported with the reason."""
        (tmp_path / "latin").write_bytes(b"capacity: [] # \xe4")
        (tmp_path / "large").write_bytes(b"#" * ((1 << 20) + 1))
        for path, reason in [
            (tmp_path / "latin", f"'{tmp_path / 'latin'}' is not UTF-8 text"),
            (tmp_path / "large", f"'{tmp_path / 'large'}' is larger than 1048576 characters"),
            (tmp_path, f"'{tmp_path}' cannot be read: Is a directory"),
            (tmp_path / "none", f"'{tmp_path / 'none'}' cannot be read: No such file or directory"),
            ("a\0b", "<path not shown> cannot be read: not a valid path"),
        ]:
            with pytest.raises(CapacityError) as caught:
                read(str(path))
            assert caught.value.mistakes == [reason]

    def test_before_the_port_opens(self, tmp_path: Path) -> None:
        """Mistakes in the file are reported with those in the settings."""
        file = tmp_path / "capacity.yml"
        file.write_text("capacity:\n  - {max: 0}\n  - {zone_name: x}\n")
        with pytest.raises(SettingsError) as caught:
            load({"capacity_file": str(file), "window": "0"}, {})
        assert caught.value.mistakes == [
            "--window must be longer than 0, not '0'",
            "capacity_file: line 2: max must be a number of people above 0, or null for none",
            "capacity_file: line 3: a rule needs max, the number of people",
        ]


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

    def test_a_scrape_during_a_reload(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """While a good file is read again, a scrape does not report a failed reload."""
        path = tmp_path / "capacity.yml"
        path.write_text("capacity: [{max: 5}]")
        file = CapacityFile(str(path), Clock())
        seen: list[bool] = []

        def slow(name: str) -> capacity_module.Capacity:
            seen.append(file.last_read_succeeded)
            return read(name)

        monkeypatch.setattr(capacity_module, "read", slow)
        file.reload()
        assert seen == [True]

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

        def slow(name: str) -> capacity_module.Capacity:
            seen.append(file.last_read_succeeded)
            return read(name)

        monkeypatch.setattr(capacity_module, "read", slow)
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
            json.dumps({"id": "x", "type": "TRAFFIC", "timestamp": NOW}).encode(),
        ]
        (tmp_path / "events").write_bytes(b"\n".join(lines) + b"\n")
        flags = [f"--capacity-file={tmp_path / 'capacity.yml'}", "--webhook-username=x", "--webhook-password=y"]
        assert main(["check", *flags, f"--against={tmp_path / 'events'}"]) == 0
        assert capsys.readouterr().out.splitlines()[-3:] == [
            "1st Floor / Desk 1 / zone_a: 1 by line 4",
            "1st Floor / Hall / zone_b: no capacity by line 5",
            "1st Floor / Lobby / zone_c: no rule",
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
