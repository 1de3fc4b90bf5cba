"""The rule: the truth table row by row, labels and time."""

from dataclasses import replace

import pytest

from exporter.events.measures import Kind, Measure
from exporter.rule.outcome import APPLIED, REFUSED, Outcome
from tests.support.deliveries import HOUR, MINUTE, NOW, G, delivery, place
from tests.support.stores import LIMITS, all_settled, applied, current, readings, settled, value


class TestTruthTable:
    """Rows 3 to 11 of the truth table; rows 1 and 2 never reach the rule."""

    def test_row_3_future(self) -> None:
        """An event beyond the tolerance is refused, and the zone is as if the event had not come."""
        store, outcomes = applied(delivery(NOW + 5 * MINUTE), delivery(NOW + 5 * MINUTE + 1, 9))
        assert outcomes == [Outcome.NEW, Outcome.FUTURE]
        assert readings(store) == {NOW + 5 * MINUTE: 1}

    def test_row_3_future_of_an_unknown_zone_makes_no_zone(self) -> None:
        """A bad clock does not create a zone."""
        store, outcomes = applied(delivery(NOW + HOUR))
        assert outcomes == [Outcome.FUTURE]
        assert store.snapshot(NOW).spaces == []

    def test_row_3_comes_before_row_4(self) -> None:
        """A future event of a new zone is `future`, even when `max_spaces` is reached."""
        _, outcomes = applied(delivery(), delivery(NOW + HOUR, zone="zone_b"), limits=replace(LIMITS, max_spaces=1))
        assert outcomes[1] is Outcome.FUTURE

    def test_row_4_overflow(self) -> None:
        """At `max_spaces` an unknown zone is refused, and the known zones go on."""
        store, outcomes = applied(
            delivery(),
            delivery(zone="zone_b"),
            delivery(NOW + 1, 2),
            limits=replace(LIMITS, max_spaces=1),
        )
        assert outcomes == [Outcome.NEW, Outcome.OVERFLOW, Outcome.NEW]
        assert value(store) == 2
        assert len(store.snapshot(NOW).spaces) == 1

    def test_row_4_counts_zones_not_measures(self) -> None:
        """A second measure of a known zone does not count as a space."""
        _, outcomes = applied(
            delivery(), delivery(measure=Measure.ZONE_OCCUPANCY_1MIN), limits=replace(LIMITS, max_spaces=1)
        )
        assert outcomes == [Outcome.NEW, Outcome.NEW]

    def test_row_5_late(self) -> None:
        """A reading at or before the start of the window is late; a millisecond later it is backfilled."""
        store, outcomes = applied(
            delivery(NOW), delivery(NOW - 15 * MINUTE, 7), delivery(NOW - 15 * MINUTE + 1, 8), delivery(NOW - HOUR)
        )
        assert outcomes == [Outcome.NEW, Outcome.LATE, Outcome.BACKFILLED, Outcome.LATE]
        assert readings(store) == {NOW: 1, NOW - 15 * MINUTE + 1: 8}

    def test_row_5_an_unknown_zone_accepts_any_age(self) -> None:
        """The window counts from the zone's newest reading, so a first event is never late."""
        _, outcomes = applied(delivery(NOW - 1000 * HOUR))
        assert outcomes == [Outcome.NEW]

    def test_row_6_duplicate(self) -> None:
        """The same id with the same value is a duplicate."""
        _, outcomes = applied(delivery(generation=G), delivery(generation=G))
        assert outcomes == [Outcome.NEW, Outcome.DUPLICATE]

    @pytest.mark.parametrize("first_id", ["event_old", "17", "zone_abc123", "event_" + "z" * 27])
    def test_row_6_an_old_delivery_retried_does_not_undo_a_correction(self, first_id: str) -> None:
        """A retry does not undo a correction, whatever the shape of its id."""
        first, correction = delivery(v=1, id=first_id), delivery(v=2, id="event_correction")
        store, outcomes = applied(first, correction, first, first, correction)
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED] + [Outcome.DUPLICATE] * 3
        assert value(store) == 2

    def test_row_6_needs_the_same_value(self) -> None:
        """An id that comes back with another value is a correction; the first delivery again is a duplicate."""
        store, outcomes = applied(delivery(v=1, id="e"), delivery(v=2, id="e"), delivery(v=1, id="e"))
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED, Outcome.DUPLICATE]
        assert value(store) == 2

    def test_row_6_needs_the_same_timestamp(self) -> None:
        """One id for two timestamps is two readings."""
        _, outcomes = applied(delivery(id="e"), delivery(NOW - 1, id="e"))
        assert outcomes == [Outcome.NEW, Outcome.BACKFILLED]

    def test_row_6_comes_before_row_7(self) -> None:
        """A superseded delivery is a duplicate when it is delivered again."""
        _, outcomes = applied(delivery(generation=G), delivery(v=2, generation=G - 1), delivery(v=2, generation=G - 1))
        assert outcomes == [Outcome.NEW, Outcome.SUPERSEDED, Outcome.DUPLICATE]

    def test_row_7_superseded(self) -> None:
        """An older computation that arrives late changes nothing, not even the labels."""
        store, outcomes = applied(
            delivery(v=5, generation=G + 60, name="new name"), delivery(v=3, generation=G, name="old name")
        )
        assert outcomes == [Outcome.NEW, Outcome.SUPERSEDED]
        assert value(store) == 5
        assert place(current(store)).zone_name == "new name"

    def test_row_7_needs_both_generations(self) -> None:
        """With an unknown generation on either side the later arrival wins."""
        _, known_first = applied(delivery(v=1, generation=G), delivery(v=2, id="unknown"))
        store, unknown_first = applied(delivery(v=2, id="unknown"), delivery(v=1, generation=G))
        assert known_first == unknown_first == [Outcome.NEW, Outcome.CORRECTED]
        assert value(store) == 1

    def test_row_8_repeated(self) -> None:
        """A recomputation with the same value raises the generation, and older computations are superseded."""
        store, outcomes = applied(
            delivery(v=1, generation=G), delivery(v=1, generation=G + 60), delivery(v=2, generation=G + 30)
        )
        assert outcomes == [Outcome.NEW, Outcome.REPEATED, Outcome.SUPERSEDED]
        assert value(store) == 1

    def test_row_8_an_unknown_generation_keeps_the_known_one(self) -> None:
        """A delivery of an unknown generation does not lower the known generation."""
        _, outcomes = applied(delivery(v=1, generation=G), delivery(v=1, id="unknown"), delivery(v=2, generation=G - 1))
        assert outcomes == [Outcome.NEW, Outcome.REPEATED, Outcome.SUPERSEDED]

    def test_row_8_names_of_an_unknown_generation(self) -> None:
        """Names of an unknown generation replace the known ones, and an older computation changes neither."""
        store, _ = applied(
            delivery(v=1, generation=G, name="known"),
            delivery(v=1, id="unknown", name="later"),
            delivery(v=1, generation=G - 1, name="older", measure=Measure.ZONE_OCCUPANCY_1MIN),
        )
        assert place(current(store)).zone_name == "later"

    def test_row_9_corrected(self) -> None:
        """A later computation of the newest reading changes the current count and its generation."""
        store, outcomes = applied(
            delivery(v=1, generation=G), delivery(v=2, generation=G + 60), delivery(v=3, generation=G + 30)
        )
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED, Outcome.SUPERSEDED]
        assert value(store) == 2

    def test_row_9_of_an_older_reading(self) -> None:
        """A correction of the past leaves the current count and the labels alone."""
        store, outcomes = applied(
            delivery(NOW - MINUTE, 1, generation=G),
            delivery(NOW, 4, generation=G + 1),
            delivery(NOW - MINUTE, 2, generation=G + 2, name="elsewhere"),
        )
        assert outcomes[2] is Outcome.CORRECTED
        assert readings(store) == {NOW - MINUTE: 2, NOW: 4}
        assert value(store) == 4
        assert place(current(store)).zone_name == "Desk 01"

    def test_row_9_with_equal_generations_the_later_arrival_wins(self) -> None:
        """The later arrival wins between two deliveries that were computed in the same second."""
        store, outcomes = applied(delivery(v=1, generation=G, id="a_1"), delivery(v=2, generation=G, id="a_2"))
        assert outcomes == [Outcome.NEW, Outcome.CORRECTED]
        assert value(store) == 2

    def test_row_10_new(self) -> None:
        """A newer reading becomes the current one, and readings that leave the window are removed."""
        store, outcomes = applied(delivery(NOW - 15 * MINUTE, 1), delivery(NOW - 15 * MINUTE + 1, 2), delivery(NOW, 3))
        assert outcomes == [Outcome.NEW] * 3
        assert readings(store) == {NOW - 15 * MINUTE + 1: 2, NOW: 3}
        assert value(store) == 3

    def test_row_11_backfilled(self) -> None:
        """An older reading fills a gap and leaves the current count alone."""
        store, outcomes = applied(delivery(NOW, 3), delivery(NOW - MINUTE, 9))
        assert outcomes == [Outcome.NEW, Outcome.BACKFILLED]
        assert value(store) == 3
        assert readings(store) == {NOW: 3, NOW - MINUTE: 9}

    def test_every_outcome_is_refused_applied_or_neither(self) -> None:
        """The sets `REFUSED` and `APPLIED` hold the outcomes that the truth table marks so."""
        assert {Outcome.INVALID, Outcome.FUTURE, Outcome.OVERFLOW} == REFUSED
        assert {Outcome.NEW, Outcome.BACKFILLED, Outcome.CORRECTED, Outcome.REPEATED} == APPLIED


class TestLabels:
    """A zone has the names of its newest reading."""

    def test_a_rename_comes_with_a_newer_reading(self) -> None:
        """A newer reading renames a zone, and an older one does not undo the rename."""
        store, _ = applied(
            delivery(NOW, name="new"), delivery(NOW - MINUTE, name="old"), delivery(NOW - HOUR, name="older")
        )
        assert place(current(store)).zone_name == "new"

    @pytest.mark.parametrize("second_value", [1, 2])
    def test_at_the_same_timestamp_the_later_generation_names_it(self, second_value: int) -> None:
        """At equal timestamps the later generation names the zone, with an equal value or a corrected one."""
        store, _ = applied(delivery(generation=G, name="old"), delivery(v=second_value, generation=G + 1, name="new"))
        assert place(current(store)).zone_name == "new"

    def test_a_duplicate_does_not_rename(self) -> None:
        """A duplicate does not rename its zone."""
        store, _ = applied(delivery(name="old"), delivery(name="new"))
        assert place(current(store)).zone_name == "old"

    @pytest.mark.parametrize("order", [1, -1])
    def test_both_measures_share_the_newest_names(self, order: int) -> None:
        """A rename that arrives with one measure renames the other, in either order of arrival."""
        plain = delivery(NOW - MINUTE, generation=G, name="old")
        smoothed = delivery(NOW, 7, generation=G + 1, name="new", measure=Measure.ZONE_OCCUPANCY_1MIN)
        store, outcomes = applied(*[plain, smoothed][::order])
        space = current(store)
        assert outcomes == [Outcome.NEW, Outcome.NEW]
        assert place(space).zone_name == "new"
        assert {count.measure: count.value for count in space.counts} == {
            Measure.ZONE_OCCUPANCY: 1,
            Measure.ZONE_OCCUPANCY_1MIN: 7,
        }

    def test_the_names_of_one_space(self) -> None:
        """The names of one space are found as long as it is known."""
        event = delivery(name="Sofa")
        store, _ = applied(event)
        assert store.names(Kind.ZONE, "zone_a", NOW) == event.metadata
        assert store.names(Kind.ZONE, "zone_b", NOW) is None
        assert store.names(Kind.ZONE, "zone_a", NOW + 25 * HOUR) is None

    def test_an_unchanged_space_is_the_same_object(self) -> None:
        """A repeated reading leaves the space the same object, so that a reader need not render it again."""
        store, _ = applied(delivery(generation=G))
        before = current(store)
        store.apply(delivery(generation=G + 1), NOW)
        assert current(store) is before


class TestTime:
    """A silent zone becomes stale, and later it is forgotten."""

    def test_stale(self) -> None:
        """A count is stale when it is older than `stale_after`, and fresh when it is just as old."""
        store, _ = applied(delivery())
        for age, stale in [(10 * MINUTE, False), (10 * MINUTE + 1, True)]:
            snapshot = store.snapshot(NOW + age)
            assert snapshot.is_stale(snapshot.spaces[0].counts[0]) is stale
            assert snapshot.is_fresh(snapshot.spaces[0]) is not stale

    def test_stale_after_0_is_never(self) -> None:
        """With `stale_after` 0 a count never becomes stale."""
        store, _ = applied(delivery(), limits=replace(LIMITS, stale_after=0, forget_after=0))
        snapshot = store.snapshot(NOW + 1000 * HOUR)
        assert snapshot.is_fresh(snapshot.spaces[0])

    def test_fresh_while_any_measure_is(self) -> None:
        """One silent measure does not make a zone stale."""
        store, _ = applied(delivery(NOW - HOUR), delivery(measure=Measure.ZONE_OCCUPANCY_1MIN))
        snapshot = store.snapshot(NOW)
        assert [snapshot.is_stale(count) for count in snapshot.spaces[0].counts] == [True, False]
        assert snapshot.is_fresh(snapshot.spaces[0])

    def test_forgotten_after_silence(self) -> None:
        """A zone is forgotten when its last delivery, be it a duplicate, is longer ago than `forget_after`."""
        store, _ = applied(delivery())
        assert store.apply(delivery(), NOW + HOUR) is Outcome.DUPLICATE
        assert len(store.snapshot(NOW + 25 * HOUR).spaces) == 1
        assert store.snapshot(NOW + 25 * HOUR + 1).spaces == []

    def test_a_refused_event_does_not_keep_a_zone(self) -> None:
        """A silent zone is forgotten in spite of an event that was refused."""
        store, _ = applied(delivery())
        assert store.apply(delivery(NOW + 3 * HOUR), NOW + HOUR) is Outcome.FUTURE
        assert store.snapshot(NOW + 24 * HOUR + 1).spaces == []

    def test_forget_after_0_is_never(self) -> None:
        """With `forget_after` 0 no zone is forgotten."""
        store, _ = applied(delivery(), limits=replace(LIMITS, forget_after=0))
        assert len(store.snapshot(NOW + 10_000 * HOUR).spaces) == 1

    def test_a_forgotten_zone_begins_anew(self) -> None:
        """A forgotten zone returns without its old readings and names, even if no snapshot came in between."""
        store, _ = applied(delivery(name="old"))
        assert store.apply(delivery(NOW - HOUR, name="new"), NOW + 25 * HOUR) is Outcome.NEW
        assert readings(store) == {NOW - HOUR: 1}
        assert place(current(store, now=NOW + 25 * HOUR)).zone_name == "new"

    def test_forgotten_zones_make_room(self) -> None:
        """Forgotten zones do not count towards `max_spaces`."""
        store, _ = applied(delivery(), limits=replace(LIMITS, max_spaces=1))
        assert store.apply(delivery(zone="zone_b"), NOW + 24 * HOUR) is Outcome.OVERFLOW
        assert store.apply(delivery(zone="zone_b"), NOW + 25 * HOUR) is Outcome.NEW

    def test_an_old_event_makes_a_stale_zone(self) -> None:
        """A first event that is older than `stale_after` makes a zone that is stale."""
        store, _ = applied(delivery(NOW - 1000 * HOUR))
        snapshot = store.snapshot(NOW)
        assert [snapshot.is_fresh(space) for space in snapshot.spaces] == [False]


class TestSettled:
    """The newest readings that Butlr will not compute again."""

    def test_from_settle_after_on(self) -> None:
        """A reading as old as `settle_after` is settled; one a millisecond younger is not."""
        store, _ = applied(delivery(NOW - 6 * MINUTE, 1), delivery(NOW - 6 * MINUTE + 1, 2))
        assert settled(store) == [(NOW - 6 * MINUTE, 1)]
        assert settled(store, NOW + 1) == [(NOW - 6 * MINUTE + 1, 2)]

    def test_no_reading_has_settled(self) -> None:
        """A zone without a settled reading is left out."""
        store, _ = applied(delivery(NOW - 6 * MINUTE + 1))
        assert all_settled(store, NOW, 9) == []

    def test_the_newest_few_ascending(self) -> None:
        """The newest settled readings are in ascending order, in any order of arrival."""
        store, _ = applied(*[delivery(NOW - m * MINUTE, m) for m in (8, 10, 6, 9, 7)])
        minutes = [NOW - m * MINUTE for m in (8, 7, 6)]
        assert settled(store, points=3) == list(zip(minutes, (8, 7, 6), strict=True))
        assert [t for t, _ in settled(store, points=99)] == [NOW - m * MINUTE for m in (10, 9, 8, 7, 6)]

    def test_the_corrected_value(self) -> None:
        """A settled reading has its corrected value, even if the correction came after `settle_after`."""
        store, _ = applied(delivery(NOW - 6 * MINUTE, 1, generation=G), delivery(NOW - 6 * MINUTE, 2, generation=G + 1))
        assert settled(store) == [(NOW - 6 * MINUTE, 2)]

    def test_a_silent_zone(self) -> None:
        """The last reading of a silent zone stays settled until it is as old as the window."""
        store, _ = applied(delivery())
        assert settled(store, NOW + 15 * MINUTE - 1) == [(NOW, 1)]
        assert all_settled(store, NOW + 15 * MINUTE, 9) == []

    def test_both_measures_under_the_newest_name(self) -> None:
        """Each measure has points of its own, and both have the zone's newest name."""
        smoothed = Measure.ZONE_OCCUPANCY_1MIN
        store, _ = applied(
            delivery(NOW - 7 * MINUTE, 1, name="old"),
            delivery(NOW - 8 * MINUTE, 2, name="older", measure=smoothed),
            delivery(NOW, 3, name="new"),
        )
        shown = {each.measure: each for each in all_settled(store)}
        assert shown[Measure.ZONE_OCCUPANCY].points == [(NOW - 7 * MINUTE, 1)]
        assert shown[smoothed].points == [(NOW - 8 * MINUTE, 2)]
        assert {place(each).zone_name for each in shown.values()} == {"new"}

    def test_many_zones(self) -> None:
        """Every known zone appears once, and a forgotten zone does not."""
        zones = [f"zone_{n}" for n in range(450)]
        limits = replace(LIMITS, max_spaces=1000, window=48 * HOUR)
        store, _ = applied(*[delivery(NOW - 7 * MINUTE, zone=zone) for zone in zones], limits=limits)
        assert [place(each).zone_id for each in all_settled(store)] == zones
        assert all_settled(store, NOW + 24 * HOUR + 1) == []

    def test_deliveries_go_on_meanwhile(self) -> None:
        """A slow reader does not hold up deliveries, and may miss a zone that appears meanwhile."""
        store, _ = applied(delivery(NOW - 7 * MINUTE))
        reader = store.settled(NOW, 1).changes
        next(reader)
        assert store.apply(delivery(zone="zone_b"), NOW) is Outcome.NEW
        assert list(reader) == []
