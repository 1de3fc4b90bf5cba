"""Butlr's API answers with nonsense: the service keeps all that it knows, logs one line, and counts.

The transport is in memory; `tests/butlr/test_transport.py` has answers that drip or are too large on the wire.
"""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from exporter.app import Exporter, build
from exporter.butlr.errors import BadAnswer, CloudError, TimedOut, Unreachable
from exporter.butlr.transport import Reply
from exporter.cloud import connection
from exporter.cloud.worker import Worker
from exporter.settings.declared import Settings
from tests.support.butlr import Request, ScriptedCloud, json_reply, refused, sample
from tests.support.deliveries import Clock, body, delivery

GOOD = {"sites": sample("sites"), "sensors": sample("sensors"), "hives": sample("hives")}
"""The documented answers, by the field that each query asks for."""

ZONE = "zone_2oUJLGKGlqPjwnUCwXNXpX3HB28"
"""The zone of the documented account that has a capacity."""

Answers = Callable[[str], Reply | CloudError]
"""Returns the answer to the query for a field."""


class Api(ScriptedCloud):
    """An API whose answers a test replaces."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: Answers = GOOD.__getitem__
        self.react = self._react

    def _react(self, request: Request) -> Reply | CloudError:
        query = request.document["query"]
        return self.answer(next(name for name in GOOD if f" {name} {{" in query))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """Return an API that the exporter reaches, and whose retries take no time."""
    api = Api()
    monkeypatch.setattr(connection, "Transport", lambda _: api)
    monkeypatch.setattr(Worker, "pause", lambda *_: None)
    return api


@pytest.fixture
def exporter(api: Api) -> Exporter:
    """Return an exporter that knows the documented account, and people in one of its zones."""
    exporter = build(Settings(butlr_client_id="client_1", butlr_client_secret=SecretStr("hush")), Clock())
    ask(exporter)
    event = delivery(zone=ZONE)
    assert exporter.app.test_client().post("/webhook", data=body(event)).status_code == 200
    assert api.requests
    return exporter


def ask(exporter: Exporter) -> None:
    """Ask the API for everything, as the threads of the service do."""
    assert exporter.cloud is not None
    for _, work in exporter.cloud._work:
        work()


def metrics(exporter: Exporter, prefix: str) -> list[str]:
    """Return the samples of the families whose name begins so."""
    text = exporter.app.test_client().get("/metrics").get_data(as_text=True)
    return [line for line in text.splitlines() if line.startswith(prefix)]


def known(exporter: Exporter) -> list[str]:
    """Return the samples of everything that the exporter knows of the building."""
    for family in ("butlr_zone_capacity", "butlr_zone_occupancy", "butlr_sensor_online", "butlr_zone_tag_info"):
        assert metrics(exporter, f"{family}{{"), family
    samples = metrics(exporter, "butlr_")
    return [line for line in samples if not line.startswith("butlr_exporter_") or "_spaces{" in line]


def failed(exporter: Exporter) -> float:
    """Return the number of requests to GraphQL that failed."""
    samples = metrics(exporter, 'butlr_exporter_cloud_requests_total{api="graphql"')
    return sum(float(line.split()[-1]) for line in samples if 'outcome="ok"' not in line)


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
    "deeper than any answer": lambda name: reply(f'{{"data": {{"{name}": ' + '{"data": [' * 100_000),
    "binary": lambda _: Reply(200, bytes(range(256))),
    "errors beside half of the data": lambda name: json_reply(
        json.loads(GOOD[name].body) | {"errors": [{"message": "internal system error", "path": [name]}]}
    ),
    "no right": lambda _: refused("you have no permission", code="FORBIDDEN"),
    "an error page": lambda _: Reply(502, b"<h1>Bad Gateway</h1>"),
    "a redirect": lambda _: Reply(302, b"", location="https://login.example.com/"),
    "too many requests": lambda _: Reply(429, b"", retry_after="1"),
    "a long wait": lambda _: Reply(429, b"", retry_after="86400"),
    "sensors that cannot be read": lambda name: GOOD[name] if name == "sites" else reply("<html>"),
}

GONE: dict[str, Answers] = {
    "no sites": lambda name: json_reply({"data": {name: {"data": []}}}),
    "no floors": lambda name: (
        json_reply({"data": {"sites": {"data": [{"id": "s"}]}}}) if name == "sites" else GOOD[name]
    ),
    "no sensors": lambda name: json_reply({"data": {name: {"data": []}}}) if name == "sensors" else GOOD[name],
    "no hives": lambda name: json_reply({"data": {name: {"data": []}}}) if name == "hives" else GOOD[name],
}
"""Answers in the right form that list nothing of what was there before."""


@pytest.mark.parametrize("answer", (HOSTILE | GONE).values(), ids=HOSTILE | GONE)
def test_a_bad_answer_changes_nothing(
    exporter: Exporter, api: Api, caplog: pytest.LogCaptureFixture, answer: Answers
) -> None:
    """A bad answer in place of the assets changes no count, no capacity, no device and no missing space.

    Each failure is one warning, however often it comes again; requests that failed are counted. A good answer ends it.
    """
    before = known(exporter)
    api.answer = answer
    counted = failed(exporter)
    caplog.set_level(logging.INFO, logger="exporter.cloud")
    for number in (1, 2, 3):
        ask(exporter)
        assert failed(exporter) >= counted + number * (answer not in GONE.values())
    assert known(exporter) == before
    assert [record.levelname for record in caplog.records] == ["WARNING"], caplog.text
    assert "hush" not in caplog.text
    api.answer = GOOD.__getitem__
    ask(exporter)
    assert known(exporter) == before
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


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
    ask(exporter)
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
    ask(exporter)
    assert len(metrics(exporter, "butlr_sensor_online{")) == len(times)
    heard = metrics(exporter, "butlr_sensor_last_heartbeat_timestamp_seconds{")
    assert [float(line.split()[-1]) for line in heard] == [1_795_593_600, 1_795_593_600]
