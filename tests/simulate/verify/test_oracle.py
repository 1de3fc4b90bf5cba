"""The oracle: each row of the contract's table, and the same results as the store for any deliveries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.measures import Measure
from exporter.events.model import ReadingEvent
from exporter.simulate.verify.arrivals import Exchange, Rule
from exporter.simulate.verify.oracle import Before, Oracle
from tests.support.deliveries import MINUTE, NOW, READ, G, body, deliveries, delivery, place
from tests.support.examples import thorough
from tests.support.stores import LIMITS, applied

RULE = Rule(LIMITS.window, LIMITS.stale_after, LIMITS.future_tolerance)

ZONE = ("zone_a", Measure.ZONE_OCCUPANCY)


def one_by_one(*events: ReadingEvent) -> list[Exchange]:
    """Return deliveries that were each answered, with `?`, before the next was sent."""
    return [Exchange(body(event), 0, NOW + n, NOW + n + 1, 1, {"?": 1}) for n, event in enumerate(events)]


def oracle(*events: ReadingEvent, rule: Rule = RULE) -> Oracle:
    """Return an oracle of these events, delivered one by one."""
    return Oracle(one_by_one(*events), rule)


def judged(*events: ReadingEvent) -> list[str]:
    """Return the expected outcomes, in order, for events of one zone and measure."""
    return [judgement.expected for judgement in oracle(*events).judgements()]


class TestOutcomes:
    """Rows 3 to 11 of the contract's table."""

    @pytest.mark.parametrize(
        ("before", "event", "outcome"),
        [
            ([], delivery(NOW + 5 * MINUTE + 2), "future"),
            ([], delivery(NOW + 5 * MINUTE), "new"),
            ([delivery(NOW)], delivery(NOW - 15 * MINUTE), "late"),
            ([delivery(NOW)], delivery(NOW - 15 * MINUTE + 1), "backfilled"),
            ([delivery(NOW, 3, id="a")], delivery(NOW, 3, id="a"), "duplicate"),
            ([delivery(NOW, 3, id="a")], delivery(NOW, 4, id="a"), "corrected"),
            ([delivery(NOW, 3, generation=G + 1)], delivery(NOW, 3, generation=G), "superseded"),
            (
                [delivery(NOW, 3, generation=G + 1), delivery(NOW, 3, id="x")],
                delivery(NOW, 3, generation=G),
                "superseded",
            ),
            ([delivery(NOW, 3, generation=G)], delivery(NOW, 3, generation=G + 1), "repeated"),
            ([delivery(NOW, 3, generation=G)], delivery(NOW, 4, generation=G + 1), "corrected"),
            ([delivery(NOW, 3, id="a"), delivery(NOW, 4, id="b")], delivery(NOW, 4, id="c"), "repeated"),
            ([delivery(NOW, 3, generation=G + 302)], delivery(NOW, 4, generation=G), "corrected"),
            ([delivery(NOW, 3, generation=G)], delivery(NOW, 4, generation=G - 301), "corrected"),
            ([delivery(NOW, 3, generation=G)], delivery(NOW, 4, generation=G - 300), "superseded"),
            ([delivery(NOW, 3)], delivery(NOW + 1, 3), "new"),
            ([delivery(NOW, 3)], delivery(NOW - 1, 3), "backfilled"),
        ],
    )
    def test_row(self, before: list[ReadingEvent], event: ReadingEvent, outcome: str) -> None:
        """The first row that holds gives the outcome."""
        assert judged(*before, event)[-1] == outcome

    def test_what_was_answered_is_told(self) -> None:
        """A judgement has the actual outcome next to the expected one."""
        (judgement,) = oracle(delivery(NOW)).judgements()
        assert (judgement.event, judgement.expected, judgement.actual) == (delivery(NOW), "new", "?")

    def test_what_was_under_way_together_is_not_judged(self) -> None:
        """Overlapping deliveries are not judged, as either may have arrived first; a later one is."""
        first = Exchange(body(delivery(NOW, 1, id="a")), 0, 10, 20, 1, {"new": 1})
        second = Exchange(body(delivery(NOW, 2, id="b")), 0, 15, 25, 1, {"corrected": 1})
        third = Exchange(body(delivery(NOW, 2, id="c")), 0, 25, 30, 1, {"repeated": 1})
        judgements = Oracle([third, second, first], RULE).judgements()
        assert [judgement.event.id for judgement in judgements] == ["c"]

    def test_a_polled_reading_leaves_those_after_it_unjudged(self) -> None:
        """A delivery soon after a polled reading is not judged: only the exporter knows which one it applied first."""
        polled = Exchange(body(delivery(NOW, 1, id="a")), 0, 20, 20, 0, {"polled": 1})
        soon = Exchange(body(delivery(NOW - 1, 2, id="b")), 0, 30, 35, 1, {"new": 1})
        later = Exchange(body(delivery(NOW - 2, 2, id="c")), 0, 20_000, 20_005, 1, {"backfilled": 1})
        judgements = Oracle([polled, soon, later], RULE).judgements()
        assert [judgement.event.id for judgement in judgements] == ["c"]

    def test_a_slow_delivery_leaves_those_inside_it_unjudged(self) -> None:
        """Deliveries inside a slow one are not judged, as it may have arrived before or after them."""
        slow = Exchange(body(delivery(NOW, 1, id="a")), 0, 0, 100, 1, {"new": 1})
        inside = [Exchange(body(delivery(NOW, 2, id=i)), 0, t, t + 1, 1, {"new": 1}) for i, t in (("b", 10), ("c", 20))]
        assert list(Oracle([slow, *inside], RULE).judgements()) == []

    def test_what_was_sent_twice_is_not_judged(self) -> None:
        """A retried delivery is not judged, as the first try may have arrived."""
        assert list(Oracle([Exchange(body(delivery(NOW)), 0, 1, 2, 2, {"duplicate": 1})], RULE).judgements()) == []

    def test_arrays_are_not_judged(self) -> None:
        """Arrays are not judged, as their answer does not give the outcome of each event."""
        array = Exchange(body(delivery(NOW), delivery(NOW, zone="zone_b")), 0, 1, 2, 1, {"new": 2})
        assert list(Oracle([array], RULE).judgements()) == []

    def test_what_was_refused_for_want_of_room_did_not_arrive(self) -> None:
        """Events that overflowed, and requests that were refused whole, count as not arrived."""
        for outcomes in ({"overflow": 1}, {}):
            refused = Oracle([Exchange(body(delivery(NOW)), 0, 1, 2, 1, outcomes)], RULE)
            assert (refused.expected_counts(), list(refused.judgements()), refused.series_sent) == ({}, [], 0)

    def test_what_the_exporter_may_have_had_before_is_not_judged(self) -> None:
        """Only events that are newer than the newest from before the run, or late by it, are judged."""
        events = [
            delivery(NOW - 1, id="a"),
            delivery(NOW - 15 * MINUTE, id="b"),
            delivery(NOW, id="c"),
            delivery(NOW + 1, id="d"),
            delivery(NOW - 15 * MINUTE + 1, id="e"),
        ]
        judgements = Oracle(one_by_one(*events), RULE, before=Before({ZONE: NOW})).judgements()
        assert [(j.event.id, j.expected) for j in judgements] == [("b", "late"), ("d", "new"), ("e", "late")]

    def test_what_crossed_the_limit_while_under_way_is_not_judged(self) -> None:
        """An event that was in the future only when it was sent is not judged."""
        answered = Exchange(body(delivery(NOW + 5 * MINUTE)), 0, NOW - 10, NOW + 10, 1, {"future": 1})
        assert list(Oracle([answered], RULE).judgements()) == []

    @pytest.mark.parametrize(
        "text", [b"nonsense", b"{}", b"[]", b'{"id": "e", "type": "PIR_MOTION", "timestamp": 1e15}']
    )
    def test_what_is_no_event_of_ours(self, text: bytes) -> None:
        """Invalid bodies and unsupported types are ignored."""
        nothing = Oracle([Exchange(text, 0, 1, 2, 1, {"invalid": 1})], RULE)
        assert (nothing.expected_counts(), list(nothing.judgements())) == ({}, [])


class TestShown:
    """The counts that must be shown."""

    def test_the_newest_reading_as_it_was_computed_last(self) -> None:
        """The newest reading has the value of its latest computation, in any order of arrival."""
        shown = oracle(
            delivery(NOW, 5, generation=G + 2, name="later"),
            delivery(NOW, 4, generation=G + 1, name="earlier"),
            delivery(NOW - 1, 9, generation=G + 3, name="other"),
        ).expected_counts()
        assert shown[ZONE].value == 5
        assert shown[ZONE].timestamp_ms == NOW
        assert place(shown[ZONE]).zone_name == "later"

    def test_the_very_same_again_does_not_undo_a_correction(self) -> None:
        """A repeated event does not undo a correction, even where ids have no generation."""
        a, b = delivery(NOW, 1, id="a"), delivery(NOW, 2, id="b")
        assert oracle(a, b, a).expected_counts()[ZONE].value == 2

    def test_one_name_for_both_measures(self) -> None:
        """Both measures of a zone have the name of its newer reading."""
        shown = oracle(
            delivery(NOW, 1, name="new", measure=Measure.ZONE_OCCUPANCY_1MIN), delivery(NOW - 1, 2, name="old", id="b")
        ).expected_counts()
        assert {key[1]: place(value).zone_name for key, value in shown.items()} == {
            Measure.ZONE_OCCUPANCY: "new",
            Measure.ZONE_OCCUPANCY_1MIN: "new",
        }

    def test_the_future_is_not_shown(self) -> None:
        """A reading from a wrong clock does not freeze a zone."""
        assert oracle(delivery(NOW), delivery(NOW + 60 * MINUTE, id="b")).expected_counts()[ZONE].timestamp_ms == NOW
        assert oracle(delivery(NOW + 60 * MINUTE)).expected_counts() == {}

    def test_stale(self) -> None:
        """A count is stale after more than `stale_after`, and never with 0."""
        stale = oracle(delivery(NOW - 10 * MINUTE))
        (shown,) = stale.expected_counts().values()
        assert not stale.is_stale(Measure.ZONE_OCCUPANCY, shown, NOW)
        assert stale.is_stale(Measure.ZONE_OCCUPANCY, shown, NOW + 1)
        assert not oracle(rule=RULE._replace(stale_after_ms=0)).is_stale(Measure.ZONE_OCCUPANCY, shown, NOW + 1)

    def test_what_the_exporter_had_newer_is_not_asked_about(self) -> None:
        """No count is expected of a zone of which the exporter had a newer reading before the run."""
        answered = one_by_one(delivery(NOW), delivery(NOW, zone="zone_b"))
        smoothed = ("zone_a", Measure.ZONE_OCCUPANCY_1MIN)
        assert set(Oracle(answered, RULE, before=Before({ZONE: NOW})).expected_counts()) == {
            ("zone_b", Measure.ZONE_OCCUPANCY)
        }
        assert set(Oracle(answered, RULE, before=Before({smoothed: NOW})).expected_counts()) == {
            ("zone_b", Measure.ZONE_OCCUPANCY)
        }
        assert len(Oracle(answered, RULE, before=Before({ZONE: NOW - 1, smoothed: NOW - 1})).expected_counts()) == 2
        assert Oracle(answered, RULE, before=Before({ZONE: NOW})).series_sent == 2

    def test_zones_with_a_generation_in_doubt_are_left_out(self) -> None:
        """No count is expected of a zone with an event whose generation became possible while it was under way."""
        slow = Exchange(body(delivery(NOW, 9, generation=G + 301)), 0, NOW - 10, NOW + 1000, 1, {"new": 1})
        answered = one_by_one(delivery(NOW), delivery(NOW, zone="zone_b"))
        doubtful = Oracle([*answered, slow], RULE)
        assert set(doubtful.expected_counts()) == {("zone_b", Measure.ZONE_OCCUPANCY)}
        early = slow._replace(answered_ms=NOW + 999)
        assert set(Oracle([*answered, early], RULE).expected_counts()) == {ZONE, ("zone_b", Measure.ZONE_OCCUPANCY)}

    def test_zones_with_a_delivery_in_doubt_are_left_out(self) -> None:
        """No count is expected of a zone with an unanswered delivery."""
        answered = one_by_one(delivery(NOW), delivery(NOW, zone="zone_b"))
        in_doubt = [body(delivery(NOW + 1, 9, zone="zone_b"))]
        assert set(Oracle(answered, RULE, unanswered=in_doubt).expected_counts()) == {ZONE}


@st.composite
def any_deliveries(draw: st.DrawFn) -> list[ReadingEvent]:
    """Draw events with equal, different and unknown generations, some repeated, some of the future."""
    impossible = st.sampled_from([G - 10_000, G - 301, G + 301, G + 10_000])
    generations = st.one_of(st.none(), st.integers(G - 2, G + 2), impossible)
    events = [
        delivery(
            NOW + draw(st.sampled_from([-16, -15, -14, -1, 0, 1, 6])) * MINUTE,
            draw(st.integers(0, 1 if measure is Measure.MOTION else 2)),
            generation=generation,
            id=None if generation else draw(st.sampled_from(["a", "b"])),
            zone=draw(st.sampled_from(["zone_a", "zone_b"])),
            name=draw(st.sampled_from(["Desk 01", "Desk 1"])),
            measure=measure,
        )
        for generation, measure in draw(st.lists(st.tuples(generations, st.sampled_from(READ)), max_size=16))
    ]
    return draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=8)) if events else events))


class TestAgainstTheStore:
    """The oracle beside the store, with which it shares nothing but the parser."""

    @thorough
    @given(st.one_of(deliveries(), any_deliveries()))
    def test_the_same_counts_names_and_outcomes(self, events: list[ReadingEvent]) -> None:
        """Oracle and store agree on counts, names and outcomes for any deliveries in any order."""
        store, outcomes = applied(*events, limits=LIMITS, now=NOW)
        answered = [
            Exchange(body(event), 0, NOW + n / 1000, NOW + n / 1000, 1, {outcome.value: 1})
            for n, (event, outcome) in enumerate(zip(events, outcomes, strict=True))
        ]
        knows = Oracle(answered, RULE)
        assert {
            (zone, measure): (shown.metadata, shown.value, shown.timestamp_ms)
            for (zone, measure), shown in knows.expected_counts().items()
        } == {
            (space.id, count.measure): (space.metadata, count.value, count.timestamp)
            for space in store.snapshot(NOW).spaces
            for count in space.counts
        }
        judgements = list(knows.judgements())
        assert len(judgements) == len(events)
        assert [j for j in judgements if j.expected != j.actual] == []
