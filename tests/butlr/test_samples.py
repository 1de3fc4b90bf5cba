"""The documented answers of Butlr's API, which are files: the client reads or refuses each of them."""

import re

import pytest

from exporter.butlr.errors import BadAnswer
from exporter.butlr.graphql import Graphql
from exporter.butlr.names import SITES
from exporter.butlr.reporting import MINUTE_MS, Query, Reporting
from exporter.butlr.token import Token
from exporter.events.measures import Kind
from tests.support.butlr import CREDENTIALS, ScriptedCloud, sample
from tests.support.paths import ROOT, SAMPLES

QUERY = Query(Kind.ZONE, ("zone_2oUJLGKGlqPjwnUCwXNXpX3HB28",), 1_795_593_600_000, 1_795_593_600_000 + MINUTE_MS)


def test_every_sample_is_read() -> None:
    """A test reads each file, and each file that a test reads is there."""
    sources = "".join(path.read_text() for path in ROOT.glob("tests/**/test_*.py"))
    read = {*re.findall(r'\bsample\("([a-z-]+)"\)', sources)}
    assert {path.stem for path in SAMPLES.glob("butlr/*.json")} <= read


def test_the_log_in() -> None:
    """The token is the one in the answer, and is renewed before its end."""
    cloud = ScriptedCloud(logins=[sample("login")])
    token = Token(cloud.caller, CREDENTIALS)
    assert token.get() == "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"
    cloud.now += 939
    assert token.get() == "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"
    cloud.now += 2
    assert token.get() == "t2"


def test_a_rejected_token() -> None:
    """A query is sent again with another token where the first was rejected with 200."""
    cloud = ScriptedCloud(sample("unauthenticated"), sample("sites"))
    Graphql(cloud.client()).query(SITES, dict, "read the sites")
    assert [request.bearer for request in cloud.requests] == ["t1", "t2"]


def test_nothing() -> None:
    """The answer to too large a request is empty, and no error."""
    report = Reporting(ScriptedCloud(sample("zones-empty")).client()).ask(QUERY)
    assert (report.minutes, report.is_empty) == ((), True)


@pytest.mark.parametrize("answer", [sample("zones-raw"), sample("statistics")], ids=["raw", "statistics"])
def test_groups(answer: object) -> None:
    """An answer in groups, which are never asked for, is refused: in statistics several zones are one."""
    with pytest.raises(BadAnswer, match="has no list of points"):
        Reporting(ScriptedCloud(answer).client()).ask(QUERY)  # type: ignore[arg-type]


def test_a_refused_request() -> None:
    """The error of a refused request has the API's own words."""
    answer = sample("error")._replace(status=400)
    with pytest.raises(BadAnswer, match=r"400 .*: invalid request; filter.measurements is required$"):
        Reporting(ScriptedCloud(answer).client()).ask(QUERY)
