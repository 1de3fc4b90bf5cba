"""The faults of the simulated cloud."""

from collections import Counter
from collections.abc import Container
from random import Random

import pytest
from pydantic import SecretStr

from exporter.butlr.calls import Caller
from exporter.butlr.client import Client
from exporter.butlr.reporting import MINUTE_MS, Query, Reporting
from exporter.butlr.token import Credentials, Token
from exporter.events.measures import Kind
from exporter.simulate.cloud import service
from exporter.simulate.cloud.faults import FOR_GRAPHQL, FOR_REPORTS, FOR_TOKENS, Fault, Faults
from exporter.simulate.cloud.service import GRAPHQL_PATH, TOKEN_PATH
from tests.support.butlr import InMemory
from tests.support.clouds import CREDENTIALS, Reply, SimulatedCloud

SITES = "{ sites { data { id buildings { id floors { id zones { id } rooms { id } } } } } }"


class Scripted(Faults):
    """Faults in the order of a script, and none after it."""

    def __init__(self, *script: Fault) -> None:
        """Keep the script."""
        super().__init__(Random(1))
        self.script = list(script)

    def draw(self, possible: Container[Fault]) -> Fault | None:
        """Return the next fault, if there is one and the request is not for a token."""
        return self.script.pop(0) if self.script and Fault.EXPIRED in possible else None


def graphql(*script: Fault) -> list[Reply]:
    """Return the answers to GraphQL requests with these faults, and to the request after them."""
    cloud = SimulatedCloud(faults=Scripted(*script))
    return [cloud.query(SITES) for _ in range(len(script) + 1)]


@pytest.fixture(autouse=True)
def _short_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "HOLD_SECONDS", 0.01)


@pytest.mark.parametrize(
    ("fault", "status", "content_type"),
    [
        (Fault.BAD_GATEWAY, 502, "text/html; charset=utf-8"),
        (Fault.GATEWAY_TIMEOUT, 504, "application/json"),
        (Fault.HELD, 504, "application/json"),
        (Fault.PAGE, 200, "text/html; charset=utf-8"),
        (Fault.HALF, 200, "application/json"),
    ],
)
def test_failures(fault: Fault, status: int, content_type: str) -> None:
    """A request fails as the fault says, without an answer that could be read; the next one does not."""
    failed, next_one = graphql(fault)
    assert (failed.status, failed.headers["content-type"]) == (status, content_type)
    if status == 200:
        with pytest.raises(ValueError, match=r"(?i)expecting|unterminated"):
            _ = failed.json
    assert next_one.status == 200
    assert "errors" not in next_one.json


def test_too_many_requests() -> None:
    """An answer of too many requests says in whole seconds when to ask again."""
    failed, _ = graphql(Fault.THROTTLED)
    assert failed.status == 429
    assert 1 <= int(failed.headers["retry-after"]) <= 3


def test_tokens_expire_early() -> None:
    """A token expires before its time: GraphQL answers with 401, or with 200 and a code; other paths with 401."""
    cloud = SimulatedCloud(faults=(faults := Scripted()))
    seen = set()
    for _ in range(20):
        token = cloud.token()
        faults.script = [Fault.EXPIRED]
        answer = cloud.post(GRAPHQL_PATH, {"query": SITES}, token)
        if answer.status == 200:
            assert answer.json["data"] is None
            assert answer.json["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        seen.add(answer.status)
        assert cloud.post(GRAPHQL_PATH, {"query": SITES}, token).status == 401
    assert seen == {200, 401}
    faults.script = [Fault.EXPIRED]
    assert cloud.report().status == 401


def test_part_of_the_data() -> None:
    """An answer with errors lacks one list of places, and is else whole."""
    failed, whole = graphql(Fault.PARTIAL)
    assert failed.status == 200
    (error,) = failed.json["errors"]
    at = failed.json["data"]
    for key in error["path"]:
        at = at[key]
    assert at is None
    assert error["path"][-1] in ("zones", "rooms")
    assert failed.json["data"] != whole.json["data"]


def test_no_data() -> None:
    """A report without data looks like one for too much, and the oracle does not expect its points."""
    cloud = SimulatedCloud(zones=8, faults=Scripted(Fault.EMPTY, Fault.HALF))
    cloud.now_seconds += 600
    cloud.sense(next(each for each in cloud.account.assets.places if each.startswith("zone_")), 6, 3)
    assert cloud.report().json["data"] == {}
    assert cloud.report().body == b'{"data": {}, "page_info": {"page": 1, "page_item_c'
    assert cloud.recorded == []
    assert len(cloud.report().json["data"]) == len(cloud.recorded) == 1


def test_odd_points() -> None:
    """An answer has all points, and the client finds them among the odd ones."""
    cloud = SimulatedCloud(zones=8, faults=Scripted(Fault.ODD))
    ids = tuple(each for each in cloud.account.assets.places if each.startswith("zone_"))
    for zone in ids:
        cloud.sense(zone, 6, 3)
        cloud.sense(zone, 7, 0)
    start_ms = int(cloud.now_seconds * 1000)
    cloud.now_seconds += 600
    caller = Caller(InMemory(cloud))  # type: ignore[arg-type]
    client = Client(caller, Token(caller, Credentials("simulated", SecretStr("simulated"))))
    query = Query(Kind.ZONE, ids, start_ms, start_ms + 10 * MINUTE_MS)
    odd, plain = Reporting(client).ask(query), Reporting(client).ask(query)
    assert odd.minutes == plain.minutes
    assert len(odd.minutes) == 2 * len(ids)
    assert odd.dropped.total() == 8
    assert not plain.dropped
    assert len(cloud.recorded) == 2 * len(odd.minutes)


@pytest.mark.parametrize("fault", [Fault.TYPES, Fault.HUGE, Fault.DRIPPING])
def test_answers_that_no_client_can_use(fault: Fault) -> None:
    """A report of wrong types, of 11 MiB, or one that drips and ends early is not executed; no oracle expects it."""
    cloud = SimulatedCloud(zones=8, faults=Scripted(fault))
    cloud.now_seconds += 600
    cloud.sense(next(each for each in cloud.account.assets.places if each.startswith("zone_")), 6, 3)
    failed = cloud.report()
    assert failed.status == 200
    assert cloud.recorded == []
    if fault is Fault.TYPES:
        assert set(failed.json.values()) == {"none"}
    elif fault is Fault.HUGE:
        assert len(failed.body) == int(failed.headers["content-length"]) > 11 << 20
    else:
        assert failed.body == b'{"data": {}, "page_info": {"page": 1, "page_item_c'
    assert len(cloud.report().json["data"]) == 1


def test_a_padded_answer_is_whole() -> None:
    """A GraphQL answer with 11 MiB of blanks behind it is whole, and so is one for a token."""
    padded, plain = graphql(Fault.HUGE)
    assert len(padded.body) > 11 << 20
    assert padded.json == plain.json


def test_costly_faults_are_few() -> None:
    """However many requests there are, at most five answers are of 11 MiB, and two drip."""
    faults = Faults(Random(1))
    drawn = Counter(faults.draw(FOR_REPORTS) for _ in range(20_000))
    assert drawn[Fault.HUGE] == 5
    assert drawn[Fault.DRIPPING] == 2
    assert drawn[Fault.TYPES] > 100


def test_shares() -> None:
    """Every fault comes now and then, those of another path do not, and three of four requests succeed."""
    for possible in (FOR_TOKENS, FOR_GRAPHQL, FOR_REPORTS):
        faults = Faults(Random(1))
        drawn = [faults.draw(possible) for _ in range(2000)]
        assert set(drawn) == {None, *possible}
        assert drawn.count(None) > 1500
        assert faults.counts.total() == 2000 - drawn.count(None)


def test_without_faults_none_fails() -> None:
    """Without `--faults` no request fails."""
    cloud = SimulatedCloud()
    assert {cloud.post(TOKEN_PATH, CREDENTIALS).status for _ in range(50)} == {200}
