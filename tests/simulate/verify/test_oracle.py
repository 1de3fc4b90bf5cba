"""The oracle: each row of the contract's table from its words, and the same as the store for any deliveries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.events.model import Measure, OccupancyEvent
from exporter.simulate.verify.oracle import Answered, Oracle, Rule
from tests.support.deliveries import MINUTE, NOW, G, body, deliveries, delivery
from tests.support.stores import LIMITS, told

RULE = Rule(LIMITS.window, LIMITS.stale_after, LIMITS.future_tolerance)

ZONE = ("zone_a", Measure.ZONE_OCCUPANCY)


def one_by_one(*events: OccupancyEvent) -> list[Answered]:
    """Return deliveries of which each was answered, with `?`, before the next was sent."""
    return [Answered(body(event), 0, NOW + n, NOW + n + 1, 1, {"?": 1}) for n, event in enumerate(events)]


def oracle(*events: OccupancyEvent, rule: Rule = RULE) -> Oracle:
    """Return one that has these, delivered one by one."""
    return Oracle(one_by_one(*events), rule)


def judged(*events: OccupancyEvent) -> list[str]:
    """Return what the answers must have been, in order, for events of one zone and measure."""
    return [judgement.must_be for judgement in oracle(*events).judgements()]


class TestOutcomes:
    """Rows 3 to 11."""

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
            ([delivery(NOW, 3)], delivery(NOW + 1, 3), "new"),
            ([delivery(NOW, 3)], delivery(NOW - 1, 3), "backfilled"),
        ],
    )
    def test_row(self, before: list[OccupancyEvent], event: OccupancyEvent, outcome: str) -> None:
        """The first that holds decides."""
        assert judged(*before, event)[-1] == outcome

    def test_what_was_answered_is_told(self) -> None:
        """Next to what the answer must have been."""
        (judgement,) = oracle(delivery(NOW)).judgements()
        assert (judgement.event, judgement.must_be, judgement.is_) == (delivery(NOW), "new", "?")

    def test_what_was_under_way_together_is_not_judged(self) -> None:
        """Either may have arrived first; what was sent after both is judged again."""
        first = Answered(body(delivery(NOW, 1, id="a")), 0, 10, 20, 1, {"new": 1})
        second = Answered(body(delivery(NOW, 2, id="b")), 0, 15, 25, 1, {"corrected": 1})
        third = Answered(body(delivery(NOW, 2, id="c")), 0, 25, 30, 1, {"repeated": 1})
        judgements = Oracle([third, second, first], RULE).judgements()
        assert [judgement.event.id for judgement in judgements] == ["c"]

    def test_a_slow_delivery_leaves_those_inside_it_unjudged(self) -> None:
        """It may have arrived before, between or after them."""
        slow = Answered(body(delivery(NOW, 1, id="a")), 0, 0, 100, 1, {"new": 1})
        inside = [Answered(body(delivery(NOW, 2, id=i)), 0, t, t + 1, 1, {"new": 1}) for i, t in (("b", 10), ("c", 20))]
        assert list(Oracle([slow, *inside], RULE).judgements()) == []

    def test_what_was_sent_twice_is_not_judged(self) -> None:
        """The first try may have arrived although no answer came."""
        assert list(Oracle([Answered(body(delivery(NOW)), 0, 1, 2, 2, {"duplicate": 1})], RULE).judgements()) == []

    def test_arrays_are_not_judged(self) -> None:
        """Their answer does not say which event had which outcome."""
        array = Answered(body(delivery(NOW), delivery(NOW, zone="zone_b")), 0, 1, 2, 1, {"new": 2})
        assert list(Oracle([array], RULE).judgements()) == []

    def test_what_was_refused_for_want_of_room_did_not_arrive(self) -> None:
        """The oracle does not know `max_zones`. Nor did what was refused whole."""
        for outcomes in ({"overflow": 1}, {}):
            refused = Oracle([Answered(body(delivery(NOW)), 0, 1, 2, 1, outcomes)], RULE)
            assert (refused.shown(), list(refused.judgements()), refused.sent) == ({}, [], 0)

    def test_what_the_exporter_may_have_had_before_is_not_judged(self) -> None:
        """What is newer is, and what is late by what it had."""
        events = [
            delivery(NOW - 1, id="a"),
            delivery(NOW - 15 * MINUTE, id="b"),
            delivery(NOW, id="c"),
            delivery(NOW + 1, id="d"),
            delivery(NOW - 15 * MINUTE + 1, id="e"),
        ]
        judgements = Oracle(one_by_one(*events), RULE, known={ZONE: NOW}).judgements()
        assert [(j.event.id, j.must_be) for j in judgements] == [("b", "late"), ("d", "new"), ("e", "late")]

    def test_what_crossed_the_limit_while_under_way_is_not_judged(self) -> None:
        """It was ahead of the clock when it was sent and not when it was answered."""
        answered = Answered(body(delivery(NOW + 5 * MINUTE)), 0, NOW - 10, NOW + 10, 1, {"future": 1})
        assert list(Oracle([answered], RULE).judgements()) == []

    @pytest.mark.parametrize(
        "text", [b"nonsense", b"{}", b"[]", b'{"id": "e", "type": "PIR_MOTION", "timestamp": 1e15}']
    )
    def test_what_is_no_event_of_ours(self, text: bytes) -> None:
        """Is nothing to the oracle."""
        nothing = Oracle([Answered(text, 0, 1, 2, 1, {"invalid": 1})], RULE)
        assert (nothing.shown(), list(nothing.judgements())) == ({}, [])


class TestShown:
    """What must be on the page."""

    def test_the_newest_reading_as_it_was_computed_last(self) -> None:
        """Whatever came after it."""
        shown = oracle(
            delivery(NOW, 5, generation=G + 2, name="later"),
            delivery(NOW, 4, generation=G + 1, name="earlier"),
            delivery(NOW - 1, 9, generation=G + 3, name="other"),
        ).shown()
        assert shown[ZONE].value == 5
        assert shown[ZONE].timestamp == NOW
        assert shown[ZONE].metadata.zone_name == "later"

    def test_the_very_same_again_does_not_undo_a_correction(self) -> None:
        """For ids that tell no generation."""
        a, b = delivery(NOW, 1, id="a"), delivery(NOW, 2, id="b")
        assert oracle(a, b, a).shown()[ZONE].value == 2

    def test_one_name_for_both_measures(self) -> None:
        """That of the newer reading."""
        shown = oracle(
            delivery(NOW, 1, name="new", measure=Measure.ZONE_OCCUPANCY_1MIN), delivery(NOW - 1, 2, name="old", id="b")
        ).shown()
        assert {key[1]: value.metadata.zone_name for key, value in shown.items()} == dict.fromkeys(Measure, "new")

    def test_the_future_is_not_shown(self) -> None:
        """A wrong clock does not freeze a zone."""
        assert oracle(delivery(NOW), delivery(NOW + 60 * MINUTE, id="b")).shown()[ZONE].timestamp == NOW
        assert oracle(delivery(NOW + 60 * MINUTE)).shown() == {}

    def test_stale(self) -> None:
        """After more than `stale_after`; never with 0."""
        stale = oracle(delivery(NOW - 10 * MINUTE))
        (shown,) = stale.shown().values()
        assert not stale.is_stale(shown, NOW)
        assert stale.is_stale(shown, NOW + 1)
        assert not oracle(rule=RULE._replace(stale_after=0)).is_stale(shown, NOW + 1)

    def test_what_the_exporter_had_newer_is_not_asked_about(self) -> None:
        """Its count and name may be of a reading that the oracle has not seen."""
        answered = one_by_one(delivery(NOW), delivery(NOW, zone="zone_b"))
        smoothed = ("zone_a", Measure.ZONE_OCCUPANCY_1MIN)
        assert set(Oracle(answered, RULE, known={ZONE: NOW}).shown()) == {("zone_b", Measure.ZONE_OCCUPANCY)}
        assert set(Oracle(answered, RULE, known={smoothed: NOW}).shown()) == {("zone_b", Measure.ZONE_OCCUPANCY)}
        assert len(Oracle(answered, RULE, known={ZONE: NOW - 1, smoothed: NOW - 1}).shown()) == 2
        assert Oracle(answered, RULE, known={ZONE: NOW}).sent == 2

    def test_zones_with_a_delivery_in_doubt_are_left_out(self) -> None:
        """It may have arrived or not."""
        answered = one_by_one(delivery(NOW), delivery(NOW, zone="zone_b"))
        in_doubt = [body(delivery(NOW + 1, 9, zone="zone_b"))]
        assert set(Oracle(answered, RULE, unanswered=in_doubt).shown()) == {ZONE}


@st.composite
def any_deliveries(draw: st.DrawFn) -> list[OccupancyEvent]:
    """Draw events with equal, different and unknown generations, some of them more than once, some of the future."""
    generations = st.one_of(st.none(), st.integers(G - 2, G + 2))
    events = [
        delivery(
            NOW + draw(st.sampled_from([-16, -15, -14, -1, 0, 1, 6])) * MINUTE,
            draw(st.integers(0, 2)),
            generation=generation,
            id=None if generation else draw(st.sampled_from(["a", "b"])),
            zone=draw(st.sampled_from(["zone_a", "zone_b"])),
            name=draw(st.sampled_from(["Desk 01", "Desk 1"])),
            measure=draw(st.sampled_from(Measure)),
        )
        for generation in draw(st.lists(generations, max_size=16))
    ]
    return draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=8)) if events else events))


class TestAgainstTheStore:
    """Two ways to the same end, which share nothing but the parser."""

    @given(st.one_of(deliveries(), any_deliveries()))
    def test_the_same_counts_names_and_outcomes(self, events: list[OccupancyEvent]) -> None:
        """For any deliveries in any order."""
        store, outcomes = told(*events, limits=LIMITS, now=NOW)
        answered = [
            Answered(body(event), 0, NOW + n / 1000, NOW + n / 1000, 1, {outcome.value: 1})
            for n, (event, outcome) in enumerate(zip(events, outcomes, strict=True))
        ]
        knows = Oracle(answered, RULE)
        assert {
            (zone, measure): (shown.metadata, shown.value, shown.timestamp)
            for (zone, measure), shown in knows.shown().items()
        } == {
            (space.id, count.measure): (space.metadata, count.value, count.timestamp)
            for space in store.snapshot(NOW).spaces
            for count in space.counts
        }
        judgements = list(knows.judgements())
        assert len(judgements) == len(events)
        assert [j for j in judgements if j.must_be != j.is_] == []
