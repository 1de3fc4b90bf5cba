"""`butlr-exporter backfill`: with the simulated cloud, and with an API that fails."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exporter.butlr.batches import PACE_SECONDS, Batches, Pace
from exporter.butlr.names import REPORTING_PATH
from exporter.butlr.reporting import MAX_SPAN_MS, MINUTE_MS
from exporter.butlr.transport import Limits, Reply
from exporter.cli.cloud import backfill, connection, options
from exporter.cli.main import main
from exporter.events.times import utc
from tests.support.butlr import InMemory, ScriptedCloud
from tests.support.clouds import START_SECONDS, SimulatedCloud

START_MS = int(START_SECONDS * 1000)
FROM = f"--from={utc(START_MS)}"
COMMAND = ("backfill", "--butlr-client-id=simulated", "--butlr-client-secret=simulated", "--labels=zone_name")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses between requests (s), which take no time."""
    made: list[float] = []
    monkeypatch.setattr(backfill, "Batches", partial(Batches, pace=Pace(made.append, lambda: 0.0)))
    return made


@pytest.fixture
def cloud(simulated: SimulatedCloud, monkeypatch: pytest.MonkeyPatch) -> SimulatedCloud:
    """Return a cloud five hours after its begin; the command has the same clock."""
    simulated.now_seconds += 5 * 3600
    monkeypatch.setattr(options, "time", SimpleNamespace(time=lambda: simulated.now_seconds))
    return simulated


def spaces(cloud: SimulatedCloud, kind: str) -> list[str]:
    """Return the ids of the spaces of a kind."""
    return [space_id for space_id, place in cloud.account.assets.places.items() if place.kind == kind]


def samples(file: Path) -> list[str]:
    """Return the lines with samples of a file that is whole."""
    lines = file.read_text().splitlines()
    assert lines[-1] == "# EOF"
    return [line for line in lines if not line.startswith("#")]


def written(zone: str, minute: int, people: float) -> str:
    """Return the line of a minute of the simulation."""
    return f'butlr_zone_occupancy_1min_settled{{zone_id="{zone}",zone_name="Desk 01"}} {people} ' + str(
        START_SECONDS + 60 * minute
    )


def test_every_minute_at_its_begin(
    cloud: SimulatedCloud, pauses: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each minute that Butlr has is written at its begin, a zero as 0; a minute that Butlr does not have is absent.

    The requests keep the pace, and the command tells first how many there are.
    """
    out = tmp_path / "history.om"
    zone = spaces(cloud, "zone")[0]
    for minute, people in ((0, 2), (1, 0), (3, 4), (130, 1), (200, 9)):
        cloud.sense(zone, minute, people)
    assert main([*COMMAND, FROM, f"--to={utc(START_MS + 200 * MINUTE_MS)}", f"--out={out}"]) == 0
    assert samples(out) == [
        written(zone, 0, 2.0),
        written(zone, 1, 0.0),
        written(zone, 3, 4.0),
        written(zone, 130, 1.0),
    ]
    number = len(spaces(cloud, "zone"))
    assert capsys.readouterr().err.splitlines() == [
        f"butlr-exporter: reading 3h20m from {utc(START_MS)} of {number} zones: 2 requests, 3s; "
        "up to 20, 30s, where Butlr has no minutes",
        f"butlr-exporter: 4 minutes of 1 of {number} spaces, from {utc(START_MS)} to {utc(START_MS + 130 * MINUTE_MS)}",
    ]
    assert set(pauses) == {PACE_SECONDS}


def test_a_minute_that_may_be_corrected_is_left_out(cloud: SimulatedCloud, tmp_path: Path) -> None:
    """The newest minute is `settle_after` old, wherever `--to` is."""
    out = tmp_path / "history.om"
    zone = spaces(cloud, "zone")[0]
    for minute in range(285, 300):
        cloud.sense(zone, minute, minute)
    cloud.now_seconds += 30
    for more, newest in (("--to=0", 294), ("--settle-after=10m", 290), ("--settle-after=0", 298)):
        assert main([*COMMAND, "--from=1h", f"--out={out}", more]) == 0
        assert samples(out)[-1] == written(zone, newest, float(newest))


def test_a_space_whose_data_begin_late(cloud: SimulatedCloud, tmp_path: Path) -> None:
    """A zone without data in the first hours is asked about in the later ones."""
    out = tmp_path / "history.om"
    first, late = spaces(cloud, "zone")[:2]
    cloud.sense(first, 0, 1)
    cloud.sense(late, 121, 5)
    cloud.sense(late, 241, 6)
    assert main([*COMMAND, "--labels=", FROM, f"--out={out}"]) == 0
    assert [line.split()[1] for line in samples(out) if late in line] == ["5.0", "6.0"]


def test_rooms_and_floors(cloud: SimulatedCloud, tmp_path: Path) -> None:
    """Rooms and floors have families of their own, each whole, with one more label."""
    out = tmp_path / "history.om"
    room, floor = spaces(cloud, "room")[0], spaces(cloud, "floor")[0]
    for minute in (1, 2):
        cloud.sense(room, minute, 0)
        cloud.sense(floor, minute, minute)
    assert main([*COMMAND, FROM, f"--out={out}", "--measurements=floor_occupancy,room_occupancy", "--label=job=x"]) == 0
    assert [line.rpartition(" ")[0] for line in samples(out)] == [
        *[f'butlr_room_occupancy_1min_settled{{job="x",room_id="{room}"}} 0.0'] * 2,
        f'butlr_floor_occupancy_1min_settled{{floor_id="{floor}",job="x"}} 1.0',
        f'butlr_floor_occupancy_1min_settled{{floor_id="{floor}",job="x"}} 2.0',
    ]


def test_some_spaces(cloud: SimulatedCloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `--id` only these spaces are asked about; one that Butlr does not list, or of another kind, is a mistake."""
    out = tmp_path / "history.om"
    first, second, third = spaces(cloud, "zone")[:3]
    for each in (first, second, third):
        cloud.sense(each, 0, 1)
    assert main([*COMMAND, FROM, f"--out={out}", f"--id={first}", f"--id={third}"]) == 0
    assert [line.split('"')[1] for line in samples(out)] == [first, third]
    out.unlink()
    capsys.readouterr()
    room, site = spaces(cloud, "room")[0], cloud.account.assets.sites[0]["id"]
    for each, mistake in (
        ("zone_x", "Butlr lists no place with the id 'zone_x'; butlr-exporter assets shows all"),
        (room, f"{room} is a room; it needs --measurements zone_occupancy,room_occupancy"),
        (site, f"{site} is a site, which Butlr counts nobody in; give its floors, rooms or zones"),
    ):
        assert main([*COMMAND, FROM, f"--out={out}", f"--id={each}"]) == 1
        assert capsys.readouterr().err == f"butlr-exporter: {mistake}\n"
    assert not out.exists()


class _Breaking(InMemory):
    """A way to the cloud that breaks at one of the requests for minutes."""

    def __init__(self, cloud: SimulatedCloud, at: int, break_: Callable[[], Reply]) -> None:
        super().__init__(cloud)
        self._left = at
        self._break = break_

    def post(self, path: str, body: bytes, bearer: str | None, limits: Limits) -> Reply:
        """Answer a request, or break."""
        self._left -= path == REPORTING_PATH
        return self._break() if self._left < 0 else super().post(path, body, bearer, limits)


def refused() -> Reply:
    """Return a refusal."""
    return Reply(400, b'{"error": "no more"}')


def interrupted() -> Reply:
    """Act as Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(("break_", "status"), [(refused, 1), (interrupted, 130)])
def test_the_part_before_a_failure_is_written(
    cloud: SimulatedCloud,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    break_: Callable[[], Reply],
    status: int,
) -> None:
    """After a failure or Ctrl-C the file has all minutes of all spaces before the time that the message names."""
    out = tmp_path / "history.om"
    out.write_text("old")
    zone, room = spaces(cloud, "zone")[0], spaces(cloud, "room")[0]
    for minute in (119, 120, 121):
        cloud.sense(zone, minute, 1)
        cloud.sense(room, minute, 1)
    command = [*COMMAND, FROM, f"--out={out}", "--measurements=zone_occupancy,room_occupancy"]

    monkeypatch.setattr(connection, "Transport", lambda _: _Breaking(cloud, 1, break_))
    assert main(command) == status
    assert out.read_text() == "old"
    assert capsys.readouterr().err.endswith("; nothing is written\n")

    monkeypatch.setattr(connection, "Transport", lambda _: _Breaking(cloud, 4, break_))
    assert main(command) == status
    assert [line.rpartition(" ")[2] for line in samples(out)] == [str(START_SECONDS + 119 * 60)] * 2
    message = f"; go on with --from {utc(START_MS + MAX_SPAN_MS)}, before which everything is written\n"
    assert message in capsys.readouterr().err


def test_bad_points_are_counted(scripted: Callable[..., ScriptedCloud], capsys: pytest.CaptureFixture[str]) -> None:
    """Points that are none are left out and counted; with no other points, nothing is written."""
    sites = {"id": "site_1", "buildings": [{"id": "b", "floors": [{"id": "f", "zones": [{"id": "zone_1"}]}]}]}
    cloud = scripted()

    def react(request: Any) -> Reply:
        if request.path != REPORTING_PATH:
            return Reply(200, json.dumps({"data": {"sites": {"data": [sites]}}}).encode())
        return Reply(200, b'{"data": [null, {"time": "2026-05-28T20:28:00Z", "value": 1, "zone_id": "other"}]}')

    cloud.react = react
    assert main([*COMMAND, FROM, f"--to={utc(START_MS + MINUTE_MS)}"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[1:] == [
        "butlr-exporter: left out: 2 points of Butlr's answers: 1 malformed, 1 not asked for",
        "butlr-exporter: nothing to write: Butlr has no minutes of these spaces in that time",
    ]


def test_an_account_without_rooms(scripted: Callable[..., ScriptedCloud], capsys: pytest.CaptureFixture[str]) -> None:
    """An account without spaces of that kind is a mistake, before any minute is asked for."""
    scripted(Reply(200, b'{"data": {"sites": {"data": []}}}'))
    assert main([*COMMAND, "--from=24h", "--measurements=room_occupancy"]) == 1
    assert capsys.readouterr().err == "butlr-exporter: the account has no rooms that this API token may read\n"


@pytest.mark.parametrize(
    ("more", "status", "mistake"),
    [
        (("--from=-24h",), 2, "or a duration before now such as 24h, not '-24h'"),
        (("--from=yesterday",), 2, "must be a time such as 2026-11-25T08:00:00Z, a date such as 2026-11-25, or"),
        (("--from=2014-12-31",), 2, "must be in 2015 or later, not '2014-12-31'"),
        (("--from=2026-05-28", "--to=2026-05-28"), 2, "--from, 2026-05-28T00:00:00Z, must be before --to, 2026-05-28"),
        (("--from=1h", "--label=zone_id=3"), 2, "--label zone_id is a label of the spaces already"),
        (("--from=1h", "--measurements=traffic"), 2, "must be some of zone_occupancy, room_occupancy, floor_occupancy"),
        (("--from=5m",), 1, "no minute of that time is final yet; the newest final one begins at 2026-05-29T01:21:00Z"),
        (("--from=1h", "--out=no-such/file"), 1, "'no-such/file' cannot be written: there is no directory "),
        (("--from=1h", "--out=/"), 1, "'/' cannot be written: it is a directory"),
    ],
)
@pytest.mark.usefixtures("cloud")
def test_mistakes(capsys: pytest.CaptureFixture[str], more: tuple[str, ...], status: int, mistake: str) -> None:
    """A mistake ends the command before any request."""
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(main([*COMMAND, *more]))
    assert ended.value.code == status
    assert mistake in capsys.readouterr().err
