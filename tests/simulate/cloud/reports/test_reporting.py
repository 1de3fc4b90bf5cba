"""The simulated Reporting API: butlr.md, reporting API, and the corrections to it."""

import json
from typing import Any

import pytest

from tests.support.clouds import START_SECONDS, Reply, SimulatedCloud

START_MS = int(START_SECONDS * 1000)


@pytest.fixture
def cloud() -> SimulatedCloud:
    """Return a cloud of one floor, ten minutes after the begin."""
    cloud = SimulatedCloud(zones=8)
    cloud.now_seconds += 600
    return cloud


def zones(cloud: SimulatedCloud) -> list[str]:
    """Return the ids of the zones."""
    return [space_id for space_id, place in cloud.account.assets.places.items() if place.kind == "zone"]


def points(answer: Reply) -> list[dict[str, Any]]:
    """Return the flat points of an answer, by time."""
    assert answer.status == 200, answer.body
    data = answer.json["data"]
    return sorted(data, key=lambda point: (str(point["time"]), str(point["zone_id"]))) if data else []


def minute(number: int) -> str:
    """Return the time of the begin of a minute of the simulation; minute 0 begins at 20:27."""
    return f"2026-05-28T20:{27 + number:02}:00Z"


def test_a_flat_point_ends_with_its_time(cloud: SimulatedCloud) -> None:
    """The time of a flat point is the end of its window, and its start and stop are those of the request."""
    zone = zones(cloud)[1]
    cloud.sense(zone, 6, 3)
    (point,) = points(cloud.report())
    assert (point["time"], point["start"], point["stop"]) == (minute(7), minute(5), minute(10))
    assert (point["value"], point["preprocessed"], point["measurement"]) == (3, False, "zone_occupancy")
    assert point["zone_id"] == zone
    assert point["space_id"].startswith("space_")
    assert point["mac_address"] == point["sensor_id"] == ""


def test_a_raw_point_begins_with_its_time(cloud: SimulatedCloud) -> None:
    """The time and start of a grouped raw point are the begin of its window, and its stop is the end."""
    zone = zones(cloud)[1]
    cloud.sense(zone, 6, 3)
    (found,) = cloud.report(group_by={"order": ["zone_id"], "raw": True}).json["data"].items()
    assert found[0] == zone
    (point,) = found[1]
    assert (point["time"], point["start"], point["stop"]) == (minute(6), minute(6), minute(7))
    assert (point["value"], point["preprocessed"]) == (3, True)


def test_windows_are_those_of_the_clock(cloud: SimulatedCloud) -> None:
    """A window begins at a whole minute, wherever the request starts, and has only the readings after that."""
    for number in range(8):
        cloud.sense(zones(cloud)[1], number, number)
    found = points(cloud.report(filter={"start": "2026-05-28T20:29:31Z", "stop": "2026-05-28T20:32:00+00:00"}))
    assert [(point["time"], point["value"]) for point in found] == [(minute(4), 3), (minute(5), 4)]


def test_the_last_minutes_are_not_there_yet(cloud: SimulatedCloud) -> None:
    """A minute is reported a minute after its end; until then it is not there, which does not mean empty."""
    for number in range(10):
        cloud.sense(zones(cloud)[1], number, 5)
    assert points(cloud.report())[-1]["time"] == minute(9)
    cloud.now_seconds += 59
    assert points(cloud.report())[-1]["time"] == minute(9)
    cloud.now_seconds += 1
    assert points(cloud.report())[-1]["time"] == minute(10)


def test_values_are_computed_again(cloud: SimulatedCloud) -> None:
    """A later answer has another value for the same minute, until the fifth computation."""
    cloud.now_seconds = START_SECONDS + 480
    cloud.sense(zones(cloud)[1], 6, 5, error=4)
    values = []
    for _ in range(4):
        values += [point["value"] for point in points(cloud.report())]
        cloud.now_seconds += 60
    assert values == [8, 7, 6, 5]


@pytest.mark.parametrize(
    ("value", "found"),
    [({}, [-1, 2]), ({"gte": 0}, [0, 2]), ({"gt": 0}, [2]), ({"lte": 0}, [-1, 0]), ({"gte": 0, "lt": 2}, [0])],
    ids=str,
)
def test_zeros_are_left_out(cloud: SimulatedCloud, value: dict[str, float], found: list[int]) -> None:
    """Zeros come only if a filter of the value admits them."""
    zone = zones(cloud)[1]
    for number, people in ((6, 0), (7, 2), (8, -1)):
        cloud.sense(zone, number, people)
    answer = cloud.report(filter={"value": value})
    assert sorted(point["value"] for point in points(answer)) == found


def test_filled_windows_look_like_empty_zones(cloud: SimulatedCloud) -> None:
    """With `create_empty` a window without data has a zero or another value, and so has one that is not there yet."""
    cloud.sense(zones(cloud)[1], 6, 3)
    asked = {"filter": {"zones": {"eq": [zones(cloud)[1]]}}}

    def values(**window: object) -> list[float]:
        return [point["value"] for point in points(cloud.report(**asked, window={"create_empty": True, **window}))]

    assert values() == [0, 3, 0, 0, 0]
    assert values(fill={"value": 9}) == [9, 3, 9, 9, 9]
    assert values(fill={"use_previous": True}) == [0, 3, 3, 3, 3]


@pytest.mark.parametrize(
    ("function", "value"),
    [("median", 2), ("mean", 3), ("max", 9), ("min", 0), ("sum", 15), ("first", 0), ("last", 1)],
)
def test_functions(cloud: SimulatedCloud, function: str, value: float) -> None:
    """Each function makes one value of the readings in a window."""
    for number, people in enumerate((0, 9, 2, 3, 1)):
        cloud.sense(zones(cloud)[1], 3 + number, people)
    found = points(cloud.report(filter={"start": minute(0)}, window={"every": "5m", "function": function}))
    assert [(point["time"], point["value"]) for point in found] == [(minute(8), value)]


def test_days_are_those_of_a_time_zone() -> None:
    """A window of a day begins at midnight of the time zone that is asked for."""
    cloud = SimulatedCloud(zones=8)
    cloud.sense(zones(cloud)[1], 0, 3)
    cloud.now_seconds += 2 * 86400
    day = {"every": "1d", "function": "max"}
    asked = {"start": minute(-27), "zones": {"eq": [zones(cloud)[1]]}}
    for timezone, end in (("UTC", "2026-05-29T00:00:00Z"), ("Europe/Berlin", "2026-05-28T22:00:00Z")):
        (point,) = points(cloud.report(filter=asked, window={**day, "timezone": timezone}))
        assert point["time"] == end


def test_filters_of_places(cloud: SimulatedCloud) -> None:
    """Spaces are chosen by their own ids, by those of the places around them, by tags and by organisations."""
    known = cloud.account.assets.places
    for space in known:
        cloud.sense(space, 6, 1)
    zone = zones(cloud)[1]
    place = known[zone].metadata

    def found(**asked: object) -> int:
        return len(points(cloud.report(filter={name: {"eq": ids} for name, ids in asked.items()})))

    assert found() == 9
    assert found(zones=[zone, "zone_0"]) == 1
    assert found(zones=[place["floor_id"]]) == 0
    assert found(rooms=[place["room_id"]]) == 2
    assert found(spaces=[place["floor_id"]]) == found(buildings=[place["building_id"]]) == found() == 9
    assert found(tags=[next(iter(known[zone].tags))]) == 2
    assert found(clients=[cloud.account.assets.org_id]) == 9
    assert found(clients=["org_0"]) == 0


def test_other_measurements(cloud: SimulatedCloud) -> None:
    """Rooms and floors have measurements of their own, and points of traffic have other names than the measurement."""
    for space in cloud.account.assets.places:
        cloud.sense(space, 6, 1)
    measurements = ["room_occupancy", "floor_occupancy", "traffic_room_occupancy"]
    found = points(cloud.report(filter={"measurements": measurements}))
    assert sorted((point["measurement"], point["field"], point["room_id"] != "") for point in found) == sorted(
        3 * [("room_occupancy", "room_occupancy", True)]
        + 3 * [("aggregator_headcount", "aggregator_occupancy", True)]
        + [("floor_occupancy", "floor_occupancy", False)]
    )


def test_groups(cloud: SimulatedCloud) -> None:
    """Without `raw` a group has statistics, into which several zones are folded."""
    for zone, people in zip(zones(cloud), (1, 4), strict=False):
        cloud.sense(zone, 6, people)
    data = cloud.report(group_by={"order": ["time"]}).json["data"]
    assert data == {
        minute(6): {
            "sum": 5, "min": 1, "max": 4, "count": 2, "mean": 2.5, "median": 2.5, "stddev": 1.5, "first": 1, "last": 4,
        }
    }  # fmt: skip
    nested = cloud.report(group_by={"order": ["zone_id", "time"]}).json["data"]
    assert {zone: list(times) for zone, times in nested.items()} == {key: [minute(6)] for key in zones(cloud)[:2]}


def test_flat_points_are_not_sorted(cloud: SimulatedCloud) -> None:
    """The last flat point is not always the newest."""
    for number in range(9):
        cloud.sense(zones(cloud)[1], number, number)
    asked = {"start": minute(0)}
    last = {cloud.report(filter=asked).json["data"][-1]["time"] for _ in range(20)}
    assert len(last) > 1


def test_page_info_counts_nothing(cloud: SimulatedCloud) -> None:
    """Without pages the counts of a full answer are 0, as those of an empty one are."""
    empty = cloud.report().json
    assert empty == {
        "data": {},
        "page_info": {"page": 1, "page_item_count": 0, "total_item_count": 0, "total_pages": 1},
    }
    cloud.sense(zones(cloud)[1], 6, 1)
    full = cloud.report().json
    assert len(full["data"]) == 1
    assert full["page_info"] == empty["page_info"]


def test_pages(cloud: SimulatedCloud) -> None:
    """Pages are parts of the points, and with them the counts are right."""
    for zone in zones(cloud):
        cloud.sense(zone, 6, 1)
    answers = [cloud.report(paginate={"page": page, "limit": 4}).json for page in (1, 2, 3, 4)]
    assert [len(answer["data"]) for answer in answers] == [4, 4, 1, 0]
    assert [answer["page_info"]["page_item_count"] for answer in answers] == [4, 4, 1, 0]
    assert {answer["page_info"]["total_pages"] for answer in answers} == {3}


def test_too_much_is_answered_with_nothing() -> None:
    """A request for too many zones, hours or both is answered with 200 and no data, as if there were none."""
    cloud = SimulatedCloud(zones=170)
    cloud.now_seconds += 48 * 3600
    all_zones = zones(cloud)
    for zone in all_zones:
        cloud.sense(zone, 48 * 60 - 10, 1)

    def number(of_zones: int, hours: float) -> int:
        asked = {"zones": {"eq": all_zones[:of_zones]}, "start": f"-{int(hours * 60)}m"}
        return len(points(cloud.report(filter=asked)))

    assert [number(30, 2), number(160, 1), number(120, 2), number(10, 24)] == [30, 160, 120, 10]
    assert [number(161, 1), number(121, 2), number(11, 24), number(1, 25)] == [0, 0, 0, 0]


def test_answers_are_deliveries_for_the_oracle(cloud: SimulatedCloud) -> None:
    """Each point is a reading of the smoothed type at the begin of its minute, with the names that the topology has."""
    zone = zones(cloud)[1]
    cloud.sense(zone, 6, 3)
    cloud.report()
    (exchange,) = cloud.recorded
    event = json.loads(exchange.body)
    assert (event["type"], event["timestamp"], event["data"]) == ("ZONE_OCCUPANCY_1MIN", START_MS + 360_000, 3)
    assert event["metadata"] == cloud.account.assets.places[zone].metadata
    cloud.report(window={"function": "max"})
    cloud.report(window={"every": "5m"})
    assert len(cloud.recorded) == 1


def test_no_time_passes_after_the_end(cloud: SimulatedCloud) -> None:
    """After the end of a run no newer minute appears, so that an exporter can ask for the last ones."""
    for number in range(10):
        cloud.sense(zones(cloud)[1], number, 5)
    cloud.account.end()
    cloud.now_seconds += 120
    assert points(cloud.report(filter={"start": minute(0)}))[-1]["time"] == minute(9)


WRONG: list[dict[str, Any]] = [
    {"filter": {"measurements": []}},
    {"filter": {"measurements": ["occupancy"]}},
    {"filter": {"measurements": "zone_occupancy"}},
    {"filter": {"start": None}},
    {"filter": {"start": "yesterday"}},
    {"filter": {"start": "2026-05-28T20:27:00"}},
    {"filter": {"stop": "now"}},
    {"filter": {"stop": "2026-05-28T20:27:00Z", "start": "2026-05-28T20:27:00Z"}},
    {"filter": {"calibrated": "true"}},
    {"filter": {"zones": ["zone_1"]}},
    {"filter": {"zones": {"eq": "zone_1"}}},
    {"filter": {"zone": {"eq": []}}},
    {"filter": {"value": {"above": 0}}},
    {"filter": {"value": {"gte": "0"}}},
    {"window": {"every": "1 minute"}},
    {"window": {"every": None}},
    {"window": {"function": "p95"}},
    {"window": {"timezone": "Mars/Olympus"}},
    {"group_by": {"order": ["desk_id"]}},
    {"paginate": {"page": 0, "limit": 10}},
    {"paginate": {"page": 1}},
    {"orders": {}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_refused_requests(cloud: SimulatedCloud, wrong: dict[str, Any]) -> None:
    """A request that is wrong in any field is refused with 400, and the answer says why."""
    answer = cloud.report(**wrong)
    assert answer.status == 400
    assert answer.json["details"]


@pytest.mark.parametrize(
    "asked",
    [
        {"filter": {"measurements": ["traffic"]}},
        {"filter": {"time_constraints": {"exclude_days_of_week": ["saturday"]}}},
        {"options": {"format": "csv"}},
    ],
    ids=str,
)
def test_documented_but_not_simulated(cloud: SimulatedCloud, asked: dict[str, Any]) -> None:
    """A refusal of something that Butlr documents says that only the simulated cloud does not have it."""
    answer = cloud.report(**asked)
    assert answer.status == 400
    assert "is documented by Butlr, but the simulated cloud has no " in answer.json["details"]
