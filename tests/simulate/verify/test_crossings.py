"""The oracle's crossings: each event is counted once, with the largest numbers that came under its id."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.measures import Measure
from exporter.rule.traffic import Crossings
from exporter.simulate.verify.arrivals import Exchange, Rule
from exporter.simulate.verify.crossings import Totals
from exporter.simulate.verify.oracle import Before, Oracle
from tests.support.crossings import Delivery, apply
from tests.support.deliveries import HOUR, MINUTE, NOW
from tests.support.examples import thorough

SENSOR = ("sensor_a", Measure.CROSSINGS)

DAY = 24 * HOUR


def crossing(event_id: str, entered: int, left: int = 0, *, t: int = NOW, hive: str = "2.4.4") -> dict[str, Any]:
    """Return the payload of one event."""
    return {
        "id": event_id,
        "type": "TRAFFIC",
        "timestamp": t,
        "metadata": {"floor_name": "1st Floor", "sensor_id": "sensor_a", "hive_version": hive},
        "data": {"in": entered, "out": left},
    }


def oracle(*payloads: dict[str, Any], before: Totals = Totals()) -> Oracle:  # noqa: B008 - a value
    """Return an oracle of these events, delivered one by one and answered with `?`."""
    exchanges = [
        Exchange(json.dumps(payload).encode(), 0, NOW + n, NOW + n + 1, 1, {"?": 1})
        for n, payload in enumerate(payloads)
    ]
    totals = {SENSOR: before} if before != Totals() else {}
    return Oracle(exchanges, Rule(), before=Before(totals=totals))


def total(*payloads: dict[str, Any], before: Totals = Totals()) -> Totals:  # noqa: B008 - a value
    """Return the expected counters."""
    return oracle(*payloads, before=before).expected_totals()[SENSOR].totals


def outcomes(*payloads: dict[str, Any]) -> list[str]:
    """Return the expected outcomes."""
    return [judgement.expected for judgement in oracle(*payloads).judgements()]


@pytest.mark.parametrize(
    ("before", "last", "outcome"),
    [
        ([], crossing("a", 1, t=NOW + 5 * MINUTE + 2), "future"),
        ([], crossing("a", 1), "new"),
        ([crossing("a", 1)], crossing("b", 1, t=NOW - DAY), "late"),
        ([crossing("a", 1)], crossing("b", 1, t=NOW - DAY + 1), "new"),
        ([crossing("a", 2, 1)], crossing("a", 2, 1), "duplicate"),
        ([crossing("a", 2, 1)], crossing("a", 3, 0), "corrected"),
        ([crossing("a", 2, 1), crossing("a", 3, 0)], crossing("a", 2, 1), "superseded"),
        ([crossing("a", 2, 1), crossing("a", 3, 0)], crossing("a", 3, 1), "duplicate"),
    ],
)
def test_outcomes(before: list[dict[str, Any]], last: dict[str, Any], outcome: str) -> None:
    """Each event has the outcome that the contract gives it."""
    assert outcomes(*before, last)[-1] == outcome


def test_each_event_counts_once_with_its_largest_numbers() -> None:
    """Repetitions count once, corrections as the larger of each number, and late events never."""
    late = crossing("c", 9, t=NOW - DAY)
    events = [crossing("a", 2, 1), crossing("b", 1, 1, t=NOW - MINUTE), crossing("a", 1, 3), crossing("a", 2, 1), late]
    assert total(*events) == Totals(3, 4, NOW)


def test_an_event_without_people_is_no_crossing() -> None:
    """The last crossing is the newest event with somebody."""
    assert total(crossing("a", 1, t=NOW - MINUTE), crossing("b", 0)) == Totals(1, 0, NOW - MINUTE)
    assert total(crossing("b", 0)) == Totals()


def test_crossings_from_before_the_run() -> None:
    """Crossings are added to those from before, unless one of them may have been among those."""
    before = Totals(7, 5, NOW)
    assert total(crossing("a", 1, 2, t=NOW + 1), before=before) == Totals(8, 7, NOW + 1)
    assert oracle(crossing("a", 1, t=NOW), crossing("b", 1, t=NOW + 1), before=before).expected_totals() == {}
    assert oracle(crossing("a", 1, t=NOW), before=before).expected_totals() == {}
    late = crossing("c", 9, t=NOW - DAY)
    assert total(late, crossing("b", 1, t=NOW + 1), before=before) == Totals(8, 5, NOW + 1)
    judged = oracle(late, crossing("b", 1, t=NOW + 1), crossing("a", 1), before=before).judgements()
    assert [(judgement.event.id, judgement.expected) for judgement in judged] == [("c", "late"), ("b", "new")]


def test_a_sensor_has_the_names_of_its_newest_event() -> None:
    """The metadata are those of the newest event, whatever came last."""
    events = [crossing("a", 1, hive="2.4.5"), crossing("b", 1, t=NOW - 1, hive="2.4.4")]
    assert oracle(*events).expected_totals()[SENSOR].metadata._asdict()["hive_version"] == "2.4.5"


def test_more_events_than_an_exporter_remembers() -> None:
    """Nothing is expected of a sensor with more events than an exporter remembers."""
    assert oracle(*(crossing(str(n), 1, t=NOW + n % 7) for n in range(8193))).expected_totals() == {}


AGES = (0, 1, HOUR, DAY - 1, DAY, DAY + HOUR)
"""Ages of events in milliseconds, one for each id."""


@thorough
@given(st.lists(st.tuples(st.sampled_from(range(len(AGES))), st.integers(0, 2), st.integers(0, 2)), min_size=1))
def test_the_same_as_the_rule(events: list[tuple[int, int, int]]) -> None:
    """Oracle and rule agree on counters and outcomes for any deliveries in any order."""
    rule = Crossings()
    answers = [
        apply(rule, Delivery(str(n), NOW - AGES[n], entered, left)).value for n, entered, left in events
    ]  # fmt: skip
    judge = oracle(*(crossing(str(n), entered, left, t=NOW - AGES[n]) for n, entered, left in events))
    assert [judgement.expected for judgement in judge.judgements()] == answers
    assert judge.expected_totals()[SENSOR].totals == Totals(rule.entered, rule.left, rule.last_crossing)
