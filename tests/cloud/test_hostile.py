"""Butlr's API answers with nonsense: the service keeps all that it knows, logs one line, and counts.

The transport is in memory; `tests/butlr/test_transport.py` has answers that drip or are too large on the wire.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from exporter.app import Exporter, build
from exporter.butlr.batches import Pace
from exporter.butlr.calls import Caller
from exporter.butlr.errors import BadAnswer, CloudError, TimedOut, Unreachable
from exporter.butlr.transport import Reply
from exporter.cloud import connection, service
from exporter.cloud.worker import Worker
from exporter.settings.declared import Settings
from tests.support.butlr import Request, ScriptedCloud, json_reply, refused, sample
from tests.support.deliveries import MINUTE, NOW, Clock, body, delivery

ZONE = "zone_2oUJLGKGlqPjwnUCwXNXpX3HB28"
"""The zone of the documented account that has a capacity."""

MINUTES = "minutes"
"""Stands for the Reporting API."""


def point(minutes_ago: int, people: float, offset: str = "Z") -> dict[str, Any]:
    """Return a point of the zone for the minute that ended so long ago."""
    hours = {"Z": 0, "+05:30": 5.5, "-11:00": -11}[offset]
    end = datetime.fromtimestamp((NOW // MINUTE - minutes_ago) * 60 + hours * 3600, UTC)
    return {"time": f"{end:%Y-%m-%dT%H:%M:%S}{offset}", "value": people, "zone_id": ZONE, "room_id": "room_1"}


GOOD = {
    "sites": sample("sites"),
    "sensors": sample("sensors"),
    "hives": sample("hives"),
    MINUTES: json_reply({"data": [point(2, 2), point(4, 4), point(3, 0)]}),
}
"""Good answers, by the field that each query asks for."""

Answers = Callable[[str], Reply | CloudError]
"""Returns the answer to the query for a field."""


class Api(ScriptedCloud):
    """An API with answers that a test replaces."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Answers = GOOD.__getitem__
        self.react = self._react

    def _react(self, request: Request) -> Reply | CloudError:
        if ZONE not in request.document.get("filter", {}).get("zones", {}).get("eq", [ZONE]):
            return json_reply({"data": {}})
        query = request.document.get("query", "")
        return self.answer(next((name for name in GOOD if f" {name} {{" in query), MINUTES))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Return an API that the exporter reaches, with retries that take no time."""
    api = Api()
    monkeypatch.setattr(connection, "Transport", lambda _: api)
    monkeypatch.setattr(Worker, "pause", lambda *_: None)
    monkeypatch.setattr(service, "Pace", partial(Pace, clock=lambda: api.now))
    monkeypatch.setattr(connection, "Caller", partial(Caller, clock=lambda: api.now))
    return api


@pytest.fixture
def exporter(api: Api) -> Exporter:
    """Return an exporter that knows the documented account, and people in one of its zones, from events and polls."""
    token, poll = SecretStr("hush"), timedelta(minutes=1)
    settings = Settings(butlr_client_id="client_1", butlr_client_secret=token, poll=poll, recover=timedelta())
    exporter = build(settings, Clock())
    ask(exporter, api)
    event = delivery(zone=ZONE)
    assert exporter.app.test_client().post("/webhook", data=body(event)).status_code == 200
    assert api.requests
    return exporter


def ask(exporter: Exporter, api: Api) -> None:
    """Ask the API for everything, as the threads of the service do each minute."""
    api.now += 60
    assert exporter.cloud is not None
    for _, work in exporter.cloud._work:
        work()


def metrics(exporter: Exporter, prefix: str) -> list[str]:
    """Return the samples of the families with names that begin so."""
    text = exporter.app.test_client().get("/metrics").get_data(as_text=True)
    return [line for line in text.splitlines() if line.startswith(prefix)]


class Known(NamedTuple):
    """Everything that the exporter knows of the building, and the requests that failed."""

    samples: list[str]
    failed: dict[str, float]
    """The number of requests that failed, by the part of the API."""


def known(exporter: Exporter) -> Known:
    """Return everything that one scrape shows."""
    lines = metrics(exporter, "butlr_")
    samples = [line for line in lines if not line.startswith("butlr_exporter_") or "_spaces{" in line]
    for family in ("zone_capacity", "zone_occupancy", "zone_occupancy_1min", "sensor_online", "zone_tag_info"):
        assert any(line.startswith(f"butlr_{family}{{") for line in samples), family
    failed = dict.fromkeys(("graphql", "reporting"), 0.0)
    for line in lines:
        if line.startswith("butlr_exporter_cloud_requests_total{") and 'outcome="ok"' not in line:
            for part in failed:
                failed[part] += float(line.split()[-1]) if f'api="{part}"' in line else 0
    return Known(samples, failed)


def reply(text: str) -> Reply:
    """Return an answer with this body."""
    return Reply(200, text.encode())


HOSTILE: dict[str, Answers] = {
    "no connection": lambda _: Unreachable("api.butlr.io cannot be reached: Connection refused", was_sent=False),
    "no answer in time": lambda _: TimedOut("no complete answer from api.butlr.io within 60 s"),
    "a page": lambda _: reply("<!doctype html><title>Sign in</title>"),
    "half of an answer": lambda name: Reply(200, GOOD[name].body[:-40]),
    "too much": lambda _: BadAnswer("api.butlr.io answered with more than 33554432 bytes"),
    "nothing": lambda _: reply(""),
    "null": lambda _: reply("null"),
    "a number": lambda _: reply("7"),
    "an empty object": lambda _: reply("{}"),
    "no data": lambda _: reply('{"data": null}'),
    "data of another type": lambda _: reply('{"data": "none"}'),
    "a list": lambda _: reply('[{"data": {"sites": {"data": []}}}]'),
    "no rows": lambda name: json_reply({"data": {name: {}}}),
    "rows of another type": lambda name: json_reply({"data": {name: {"data": {"id": "site_1"}}}}),
    "rows that are none": lambda name: json_reply({"data": {name: {"data": [None]}}}),
    "ids that are numbers": lambda name: json_reply({"data": {name: {"data": [{"id": 7}]}}}),
    "deeper than any answer": lambda name: reply(f'{{"data": {{"{name}": ' + '{"data": [' * 5_000),
    "binary": lambda _: Reply(200, bytes(range(256))),
    "errors beside half of the data": lambda name: json_reply(
        json.loads(GOOD[name].body) | {"errors": [{"message": "internal system error", "path": [name]}]}
    ),
    "no right": lambda _: refused("you have no permission", code="FORBIDDEN"),
    "an error page": lambda _: Reply(502, b"<h1>Bad Gateway</h1>"),
    "a redirect": lambda _: Reply(302, b"", location="https://login.example.com/"),
    "too many requests": lambda _: Reply(429, b"", retry_after="1"),
    "sensors that cannot be read": lambda name: GOOD[name] if name == "sites" else reply("<html>"),
}

GONE: dict[str, Answers] = {
    "no sites": lambda name: GOOD[name] if name == MINUTES else json_reply({"data": {name: {"data": []}}}),
    "no floors": lambda name: (
        json_reply({"data": {"sites": {"data": [{"id": "s"}]}}}) if name == "sites" else GOOD[name]
    ),
    "no sensors": lambda name: json_reply({"data": {name: {"data": []}}}) if name == "sensors" else GOOD[name],
    "no hives": lambda name: json_reply({"data": {name: {"data": []}}}) if name == "hives" else GOOD[name],
}
"""Answers in the right form that list nothing of what was there before."""


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_a_bad_answer_changes_nothing(
    exporter: Exporter, api: Api, caplog: pytest.LogCaptureFixture, answer: Answers
) -> None:
    """A bad answer in place of assets and minutes changes no count, no capacity, no device and no missing space.

    Each failure is one warning, however often it comes again, and each request that failed is counted. A good answer
    ends it.
    """
    before = known(exporter)
    api.answer = answer
    caplog.set_level(logging.INFO, logger="exporter.cloud")
    for _ in range(3):
        ask(exporter, api)
    after = known(exporter)
    assert after.samples == before.samples
    assert all(number >= before.failed[part] + 3 for part, number in after.failed.items())
    assert [record.getMessage() for record in caplog.records] == ["request to Butlr failed"] * len(caplog.records)
    reasons = Counter(record.args["reason"] for record in caplog.records if isinstance(record.args, dict))
    assert 1 <= len(reasons) <= 2
    assert set(reasons.values()) == {1}
    assert "hush" not in caplog.text
    caplog.clear()
    api.answer = GOOD.__getitem__
    ask(exporter, api)
    assert known(exporter).samples == before.samples
    assert {record.levelname for record in caplog.records} == {"INFO"}


def test_a_long_wait_is_kept_by_all_works(exporter: Exporter, api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """While Butlr asks for an hour without requests there is none, and all that is known stays; it is logged once."""
    before = known(exporter)
    api.answer = lambda _: Reply(429, b"", retry_after="3600")
    for _ in range(3):
        ask(exporter, api)
    after = known(exporter)
    assert after.samples == before.samples
    assert after.failed == {part: number + 1 for part, number in before.failed.items()}
    assert len(caplog.records) == 2  # of two works
    caplog.clear()
    api.now += 3600
    api.answer = GOOD.__getitem__
    ask(exporter, api)
    assert {record.getMessage() for record in caplog.records} <= {"request to Butlr succeeded again"}
    assert known(exporter).failed == after.failed
    assert exporter.cloud is not None
    assert exporter.cloud.failures() == {}


@pytest.mark.parametrize("answer", GONE.values(), ids=GONE)
def test_things_that_are_all_gone_stay(
    exporter: Exporter, api: Api, caplog: pytest.LogCaptureFixture, answer: Answers
) -> None:
    """An answer that lists no space, sensor or hive any more changes nothing, and is one warning."""
    before = known(exporter)
    api.answer = answer
    for _ in range(3):
        ask(exporter, api)
    assert known(exporter).samples == before.samples
    (record,) = caplog.records
    assert "any more, and listed some before" in str(record.args)


def test_odd_points(exporter: Exporter, api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Points in any order, twice and of any time zone are the same minutes; those that are none are one warning."""
    before = known(exporter)
    nonsense: list[Any] = [
        None, {}, [], "point", point(2, 9) | {"zone_id": "nowhere"}, point(2, 9) | {"zone_id": 7},
        point(2, 9) | {"value": "many"}, point(2, 9) | {"time": "noon"}, point(2, -9), point(-100, 9),
    ]  # fmt: skip
    points = [point(3, 0, "-11:00"), *nonsense, point(4, 4), point(2, 2, "+05:30"), point(4, 4), point(2, 2)]
    answers = [json_reply({"data": points}), json_reply({"data": points[::-1]})]
    for number, each in enumerate(answers, 1):
        api.answer = lambda name, each=each: each if name == MINUTES else GOOD[name]  # type: ignore[misc]
        ask(exporter, api)
        (invalid,) = metrics(
            exporter, 'butlr_exporter_polled_readings_total{event_type="ZONE_OCCUPANCY_1MIN",outcome="inv'
        )
        assert float(invalid.split()[-1]) == number * len(nonsense)
    assert known(exporter).samples == before.samples
    assert [record.getMessage() for record in caplog.records] == ["points of Butlr's answers not used"]


def site(*zones: dict[str, Any], rooms: tuple[dict[str, Any], ...] = ()) -> Answers:
    """Return the answers of an account with these zones and rooms, and the documented devices."""
    floor = {"id": "space_1", "zones": [*zones], "rooms": [*rooms]}
    sites = json_reply({"data": {"sites": {"data": [{"id": "s", "buildings": [{"id": "b", "floors": [floor]}]}]}}})
    return lambda name: sites if name == "sites" else GOOD[name]


def test_odd_ids_and_numbers(exporter: Exporter, api: Api) -> None:
    """An entry with an odd id or capacity costs no other entry its own, and breaks no exposition."""
    odd = ["", "x" * 1025, '"}\n# EOF\n', "\N{GRINNING FACE}", "\x1b[2J", " ", "space_1", "nowhere\ud83d"]
    numbers: list[float] = [0, -3, 1e308, 2.5]
    zones = [{"id": each, "name": each, "capacity": {"max": n + 10}} for n, each in enumerate(odd)]
    zones += [{"id": f"zone_{n}", "capacity": {"max": people}} for n, people in enumerate(numbers)]
    zones += [{"id": ZONE, "capacity": {"max": 7}}, {"id": ZONE, "capacity": {"max": 8}}]
    room = {"id": ZONE, "name": None, "tags": [None, {"name": None}, {"name": 'a"b\n'}]}
    api.answer = site(*zones, rooms=(room,))
    ask(exporter, api)
    text = exporter.app.test_client().get("/metrics").get_data(as_text=True)
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (capacity,) = families["butlr_zone_capacity"].samples
    assert (capacity.labels["zone_id"], capacity.value) == (ZONE, 7)
    tags = {sample.labels["room_id"]: sample.labels["tag"] for sample in families["butlr_room_tag_info"].samples}
    assert tags == {ZONE: 'a"b\n'}
    for number, people in enumerate(numbers):
        event = delivery(zone=f"zone_{number}", id=f"event_{number}")
        assert exporter.app.test_client().post("/webhook", data=body(event)).status_code == 200
        found = [line.split()[-1] for line in metrics(exporter, "butlr_zone_capacity") if f'"zone_{number}"' in line]
        assert [*map(float, found)] == ([people] if people > 0 else [])


def test_heartbeats_of_any_form(exporter: Exporter, api: Api) -> None:
    """A heartbeat is read in any time zone; one that is no time is unknown, and costs no other."""
    times = ["2026-11-25T13:30:00+05:30", "2026-11-25T08:00:00", "yesterday", -5, 1e300, None, 1_795_593_600_000, ""]
    rows = [{"id": f"sensor_{n}", "is_online": True, "last_heartbeat": time} for n, time in enumerate(times)]
    sensors = json_reply({"data": {"sensors": {"data": rows}}})
    api.answer = lambda name: sensors if name == "sensors" else GOOD[name]
    ask(exporter, api)
    assert len(metrics(exporter, "butlr_sensor_online{")) == len(times)
    heard = metrics(exporter, "butlr_sensor_last_heartbeat_timestamp_seconds{")
    assert [float(line.split()[-1]) for line in heard] == [1_795_593_600, 1_795_593_600]
