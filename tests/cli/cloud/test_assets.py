"""`butlr-exporter assets`: with the simulated cloud, and with accounts that are odd."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from exporter.butlr.calls import Caller
from exporter.butlr.transport import Reply
from exporter.capacity.parse import read
from exporter.cli.cloud import connection
from exporter.cli.main import main
from exporter.events.measures import Kind
from exporter.events.model import Metadata
from tests.support.butlr import ScriptedCloud, data, refused, sample

TOKEN = ("--butlr-client-id=simulated", "--butlr-client-secret=simulated")
Reach = Callable[..., ScriptedCloud]
NOTHING = [data({"sensors": {"data": []}}), data({"hives": {"data": []}})]


@pytest.mark.usefixtures("simulated")
def test_the_places_of_the_simulated_account(capsys: pytest.CaptureFixture[str]) -> None:
    """The table has every place with its capacity, then come the numbers, then the sensors that are offline."""
    assert main(["assets", *TOKEN]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines()[0].split() == ["kind", "name", "capacity", "tags", "id"]
    assert "      Phone Booth" in out
    assert "have a capacity\n" in out
    assert (
        "sensors, 2 of them offline\n  Sensor 10 (00-17-0d-00-01-00-00-09), Ground Floor, Main Building, Berlin" in out
    )
    assert "mi-rr-or" not in out
    assert "simulated" not in out


@pytest.mark.usefixtures("simulated")
def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON has every place with the fields that events of it have, and the devices."""
    assert main(["assets", *TOKEN, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {place["kind"] for place in found["places"]} == {"site", "building", "floor", "room", "zone"}
    zone = next(place for place in found["places"] if place["kind"] == "zone")
    assert zone["id"] == zone["zone_id"]
    assert zone["site_name"] == found["places"][0]["name"]
    assert {sensor["is_online"] for sensor in found["sensors"]} == {True, False}
    assert found["hives"]


@pytest.mark.usefixtures("simulated")
def test_a_capacity_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The capacity file gives each floor, room and zone the capacity that Butlr has for it."""
    file = tmp_path / "capacity.yml"
    assert main(["assets", *TOKEN, "--json"]) == 0
    places = json.loads(capsys.readouterr().out)["places"]
    for _ in range(2):  # its own file is written anew
        assert main(["assets", *TOKEN, f"--capacity={file}"]) == 0
        assert capsys.readouterr().out == ""
    capacity = read(str(file))
    spaces = [place for place in places if place["kind"] in ("floor", "room", "zone")]
    assert spaces
    for place in spaces:
        metadata = Metadata(**{f"{place['kind']}_id": place["id"]})
        assert capacity.of(metadata, Kind(place["kind"])) == place["capacity"]


@pytest.mark.usefixtures("simulated")
def test_a_capacity_file_of_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A capacity file that somebody wrote is not overwritten."""
    file = tmp_path / "capacity.yml"
    file.write_text("capacity: [{max: 4}]\n")
    assert main(["assets", *TOKEN, f"--capacity={file}"]) == 1
    assert file.read_text() == "capacity: [{max: 4}]\n"
    assert "was not written by this command; choose another name, or move it away" in capsys.readouterr().err


def site(name: str, *zones: dict[str, Any]) -> Reply:
    """Return an account with these zones."""
    floor = {"id": "space_1", "zones": [*zones]}
    building = {"id": "building_1", "floors": [floor]}
    return data({"sites": {"data": [{"id": "site_1", "name": name, "buildings": [building]}]}})


def test_ids_and_names_of_any_text(scripted: Reach, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An id with wildcards stands for itself in the capacity file; no name breaks a line or moves the cursor."""
    ids = ["zone_*", "a: [b]", "null", "?", "\N{GRINNING FACE}", 'q"\\', "# no"]
    zones = [{"id": each, "name": "x\n- {max: 9}\x1b[2J", "capacity": {"max": n + 1.5}} for n, each in enumerate(ids)]
    file = tmp_path / "capacity.yml"
    scripted(site("HQ", *zones))
    assert main(["assets", *TOKEN, f"--capacity={file}"]) == 0
    capacity = read(str(file))
    assert [capacity.of(Metadata(zone_id=each)) for each in ids] == [n + 1.5 for n in range(len(ids))]
    assert capacity.of(Metadata(zone_id="zone_7")) is None
    scripted(site("HQ", *zones), *NOTHING)
    capsys.readouterr()
    assert main(["assets", *TOKEN]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 1 + 3 + len(ids) + 1 + 4


def test_more_capacities_than_a_file_holds(scripted: Reach, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A capacity file that would be too large has no names, or is not written."""
    for number, status in ((700, 0), (1100, 1)):
        zones = [{"id": f"zone_{n:01000}", "name": "n" * 1000, "capacity": {"max": 1}} for n in range(number)]
        scripted(site("HQ", *zones))
        file = tmp_path / f"{number}.yml"
        assert main(["assets", *TOKEN, f"--capacity={file}"]) == status
        assert file.exists() is (status == 0)
    assert "1,100 floors, rooms and zones have a capacity, more than" in capsys.readouterr().err
    assert len(read(str(tmp_path / "700.yml")).rules) == 700


def test_no_sites(scripted: Reach, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An account without sites is said to be one, and its capacity file is a valid one without rules."""
    empty = data({"sites": {"data": []}})
    scripted(empty, *NOTHING)
    assert main(["assets", *TOKEN]) == 0
    assert capsys.readouterr().out.startswith("The account has no sites that this API token may read.\n0 sensors")
    scripted(empty)
    assert main(["assets", *TOKEN, f"--capacity={tmp_path / 'none.yml'}"]) == 0
    assert read(str(tmp_path / "none.yml")).rules == []


def test_sensors_that_may_not_be_read(scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
    """Places are shown although the sensors cannot be read, and the exit status tells that something is missing."""
    no_right = refused("no permission")
    scripted(sample("sites"), no_right, no_right, sample("hives"))
    assert main(["assets", *TOKEN]) == 1
    out, err = capsys.readouterr()
    assert "Desk 01" in out
    assert "1 hive, 0 of them offline" in out
    assert "the API token has no right to read the sensors" in err


@pytest.mark.usefixtures("simulated")
def test_wrong_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong credentials end the command with the remedy, and without the secret."""
    assert main(["assets", "--butlr-client-id=simulated", "--butlr-client-secret=hush"]) == 1
    err = capsys.readouterr().err
    assert "Butlr rejected butlr_client_id or butlr_client_secret; compare both" in err
    assert "hush" not in err


@pytest.mark.usefixtures("simulated")
def test_a_secret_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret may come from a file that a variable names; a variable of another command does not matter."""
    (tmp_path / "secret").write_text("simulated\n")
    monkeypatch.setenv("BUTLR_EXPORTER_BUTLR_CLIENT_ID", "simulated")
    monkeypatch.setenv("BUTLR_EXPORTER_BUTLR_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("BUTLR_EXPORTER_WINDOW", "wrong")
    assert main(["assets"]) == 0


def test_without_credentials(capsys: pytest.CaptureFixture[str]) -> None:
    """A command without an API token ends with the flags that it needs."""
    with pytest.raises(SystemExit) as ended:
        main(["assets"])
    assert ended.value.code == 2
    assert (
        "needs an API token of Butlr: --butlr-client-id ID --butlr-client-secret-file FILE" in capsys.readouterr().err
    )


def test_a_wait_is_announced(
    scripted: Reach, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A person who waits for Butlr is told why, and how long."""
    patient = partial(Caller, pause=lambda _: None)
    monkeypatch.setattr(connection, "Caller", patient)
    scripted(Reply(429, b"", "30"), sample("sites"), *NOTHING)
    assert main(["assets", *TOKEN]) == 0
    assert "too many requests, wait 30 s; trying again in 3" in capsys.readouterr().err


def test_plain_http_to_another_machine(scripted: Reach, capsys: pytest.CaptureFixture[str]) -> None:
    """A secret that crosses a network without TLS brings a warning."""
    scripted(sample("sites"), *NOTHING)
    assert main(["assets", *TOKEN, "--butlr-api-url=http://cloud:9729"]) == 0
    assert "warning: butlr_api_url begins with http://" in capsys.readouterr().err
