"""Minutes from the Reporting API: the traps of its answers, each with a test."""

from typing import Any

import pytest
from pydantic import SecretStr

from exporter.butlr.calls import Caller
from exporter.butlr.client import Client
from exporter.butlr.errors import BadAnswer
from exporter.butlr.reporting import MINUTE_MS, Dropped, Minute, Query, Report, Reporting, queries
from exporter.butlr.token import Credentials, Token
from exporter.butlr.transport import Reply
from exporter.events.measures import Kind
from tests.support.butlr import InMemory, ScriptedCloud, json_reply, sample
from tests.support.clouds import SimulatedCloud

DESK, LOUNGE = "zone_2oUJLGKGlqPjwnUCwXNXpX3HB28", "zone_2qfew7oRPTDPQ0f7X9ZotfoiI3w"
START_MS = 1_795_593_600_000
"""2026-11-25T08:00:00Z."""
QUERY = Query(Kind.ZONE, (DESK, LOUNGE), START_MS, START_MS + 4 * MINUTE_MS)
POINT = {"zone_id": DESK, "time": "2026-11-25T08:01:00Z", "value": 2}


def ask(answer: Reply, query: Query = QUERY) -> Report:
    """Return the report of an answer."""
    return Reporting(ScriptedCloud(answer).client()).ask(query)


def of(*points: Any) -> Report:
    """Return the report of an answer with these points."""
    return ask(json_reply({"data": points}))


def at(minute: int) -> int:
    """Return the begin of a minute of the query."""
    return START_MS + minute * MINUTE_MS


def test_the_request() -> None:
    """A request has absolute times, whole minutes, medians and zeros, no groups and no filled gaps."""
    cloud = ScriptedCloud(sample("zones-flat"))
    Reporting(cloud.client()).ask(QUERY)
    (request,) = cloud.requests
    assert request.path == "/api/v3/reporting"
    assert request.document == {
        "filter": {
            "measurements": ["zone_occupancy"],
            "start": "2026-11-25T08:00:00Z",
            "stop": "2026-11-25T08:04:00Z",
            "zones": {"eq": [DESK, LOUNGE]},
            "value": {"gte": 0},
        },
        "window": {"every": "1m", "function": "median", "timezone": "UTC"},
    }


def test_the_documented_answer() -> None:
    """Flat points are sorted, and a minute begins one minute before the `time` of its point; zeros are there."""
    report = ask(sample("zones-flat"))
    assert report.minutes == (
        Minute(DESK, at(0), 1),
        Minute(LOUNGE, at(0), 0),
        Minute(DESK, at(1), 0),
        Minute(DESK, at(2), 2),
        Minute(LOUNGE, at(2), 3.5),
    )
    assert not report.dropped


def test_counts_of_zero_in_a_full_answer() -> None:
    """`page_info` counts 0 in full answers too, and does not make one empty."""
    assert not ask(sample("zones-flat")).is_empty


@pytest.mark.parametrize("data", [{}, []])
def test_an_empty_answer(data: Any) -> None:
    """An answer without points is empty, as an object or as a list."""
    report = ask(json_reply({"data": data, "page_info": {"total_item_count": 0}}))
    assert report.is_empty
    assert report.minutes == ()


@pytest.mark.parametrize(
    ("times", "minute"),
    [
        ({"time": "2026-11-25T08:02:00Z"}, 1),
        ({"time": "2026-11-25T08:02:00Z", "start": "2026-11-25T08:00:00Z", "stop": "2026-11-25T08:04:00Z"}, 1),
        ({"time": "2026-11-25T08:02:00Z", "start": "2026-11-25T08:02:00Z", "stop": "2026-11-25T08:03:00Z"}, 2),
        ({"time": "2026-11-25T10:02:00+02:00", "start": "", "stop": ""}, 1),
        ({"time": "2026-11-25T01:02:00.000-07:00"}, 1),
    ],
)
def test_the_window_of_a_point(times: dict[str, str], minute: int) -> None:
    """A minute begins at `start` if `start` and `stop` are a minute apart, else a minute before `time`; in any zone."""
    assert of(POINT | times).minutes == (Minute(DESK, at(minute), 2),)


@pytest.mark.parametrize("kind", [Kind.ZONE, Kind.ROOM, Kind.FLOOR])
def test_the_id_is_that_of_the_measurement(kind: Kind) -> None:
    """A point has the ids of its zone, room and floor; the one of the kind that was asked for counts."""
    point = POINT | {"zone_id": "z", "room_id": "r", "space_id": "s"}
    own = {Kind.ZONE: "z", Kind.ROOM: "r", Kind.FLOOR: "s"}[kind]
    report = ask(json_reply({"data": [point]}), QUERY._replace(kind=kind, ids=(own,)))
    assert [minute.space_id for minute in report.minutes] == [own]


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (None, Dropped.MALFORMED),
        ({}, Dropped.MALFORMED),
        (POINT | {"value": "2"}, Dropped.MALFORMED),
        (POINT | {"value": True}, Dropped.MALFORMED),
        (POINT | {"value": None}, Dropped.MALFORMED),
        (POINT | {"value": -1}, Dropped.MALFORMED),
        (POINT | {"time": 1_795_593_660_000}, Dropped.MALFORMED),
        (POINT | {"time": "soon"}, Dropped.MALFORMED),
        (POINT | {"time": "2026-11-25T08:01:00"}, Dropped.MALFORMED),
        (POINT | {"time": "0001-01-01T00:00:00Z"}, Dropped.NOT_ASKED),
        (POINT | {"start": "soon", "stop": "later"}, Dropped.MALFORMED),
        (POINT | {"zone_id": "zone_other"}, Dropped.NOT_ASKED),
        (POINT | {"zone_id": None}, Dropped.NOT_ASKED),
        (POINT | {"zone_id": "", "room_id": DESK}, Dropped.NOT_ASKED),
        (POINT | {"time": "2026-11-25T08:00:00Z"}, Dropped.NOT_ASKED),
        (POINT | {"time": "2026-11-25T08:05:00Z"}, Dropped.NOT_ASKED),
        (POINT | {"time": "2026-11-25T08:01:30Z"}, Dropped.NOT_ASKED),
    ],
)
def test_a_point_that_is_not_used(point: Any, reason: Dropped) -> None:
    """A point of wrong types, of another space or of another time is counted, and changes no other point."""
    report = of(point, POINT | {"zone_id": LOUNGE})
    assert report.minutes == (Minute(LOUNGE, at(0), 2),)
    assert report.dropped == {reason: 1}
    assert not of(point).is_empty


def test_the_same_point_twice() -> None:
    """A repeated point counts once; two values for one minute are contradictory, and neither is used."""
    assert of(POINT, POINT).minutes == (Minute(DESK, at(0), 2),)
    report = of(POINT, POINT | {"value": 3}, POINT)
    assert report.minutes == ()
    assert report.dropped[Dropped.CONTRADICTORY] >= 1


def test_half_of_a_character_in_a_name() -> None:
    """Half of a surrogate pair in a name costs no count."""
    body = json_reply({"data": [POINT | {"zone_name": "Desk @"}]}).body.replace(b"@", rb"\ud83d")
    assert ask(Reply(200, body)).minutes == (Minute(DESK, at(0), 2),)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "is HTML; check butlr_api_url"),
        (b'{"data": [', "is not JSON, or half of it"),
        (b"[]", "is not JSON"),
        (b"{}", "has no list of points"),
        (b'{"data": null}', "has no list of points"),
        (b'{"data": {"2026-11-25T08:00:00Z": {"median": 1}}}', "has no list of points"),
        (b'{"data": [], "errors": [{"message": "late"}]}', "has errors: .*late"),
        (b'{"error": "too much", "code": 7}', "has errors: too much"),
        (b'{"data": [' + b"[" * 100_000, "is not JSON"),
    ],
)
def test_an_answer_that_is_none(body: bytes, words: str) -> None:
    """An answer of another form, or with errors, is an error and gives no minute."""
    with pytest.raises(BadAnswer, match=words):
        Reporting(ScriptedCloud(*[Reply(200, body)] * 4).client()).ask(QUERY)


def test_queries_are_small() -> None:
    """Minutes of many spaces are asked for in queries of at most 30 ids and two hours, which cover each minute once."""
    ids = tuple(f"zone_{n}" for n in range(70))
    found = [*queries(Kind.ZONE, ids, START_MS, START_MS + 5 * 3_600_000)]
    assert len(found) == 9
    assert max(len(each.ids) for each in found) == 30
    assert max(each.stop_ms - each.start_ms for each in found) == 7_200_000
    assert sum(len(each.ids) * (each.stop_ms - each.start_ms) for each in found) == 70 * 5 * 3_600_000


def test_queries_have_whole_minutes() -> None:
    """Minutes that are not whole are left out: a part of a minute would be another value."""
    (query,) = queries(Kind.ZONE, ("a",), START_MS + 1, START_MS + 3 * MINUTE_MS - 1)
    assert (query.start_ms, query.stop_ms) == (START_MS + MINUTE_MS, START_MS + 2 * MINUTE_MS)
    assert [*queries(Kind.ZONE, ("a",), START_MS + 1, START_MS + MINUTE_MS + 59_999)] == []


def test_halves() -> None:
    """A query is halved by its time down to an hour, then by its ids down to one."""
    query = Query(Kind.ZONE, ("a", "b", "c"), START_MS, START_MS + 121 * MINUTE_MS)
    first, second = query.halves()
    assert (first.stop_ms, second.stop_ms) == (second.start_ms, query.stop_ms)
    assert (first.stop_ms - START_MS) % MINUTE_MS == 0
    first, second = first.halves()
    assert (first.ids, second.ids) == (("a",), ("b", "c"))
    assert first.halves() == ()


def test_the_simulated_cloud() -> None:
    """Minutes of the simulated cloud are read at the begin of each minute, as it sensed them."""
    cloud = SimulatedCloud()
    zones = [place for place in cloud.account.assets.places.values() if place.kind == "zone"][:2]
    ids = tuple(place.metadata["zone_id"] for place in zones)
    for minute in range(10):
        cloud.sense(ids[0], minute, minute % 3)
        cloud.sense(ids[1], minute, 0)
    start_ms = int(cloud.now_seconds * 1000)
    cloud.now_seconds += 1200
    caller = Caller(InMemory(cloud))  # type: ignore[arg-type]
    client = Client(caller, Token(caller, Credentials("simulated", SecretStr("simulated"))))
    report = Reporting(client).ask(Query(Kind.ZONE, ids, start_ms, start_ms + 10 * MINUTE_MS))
    by_id = {each: [m.value for m in report.minutes if m.space_id == each] for each in ids}
    assert by_id == {ids[0]: [n % 3 for n in range(10)], ids[1]: [0] * 10}
    assert [m.start_ms for m in report.minutes if m.space_id == ids[0]] == [start_ms + n * MINUTE_MS for n in range(10)]
    assert not report.dropped
