"""Spaces that somebody has forgotten."""

import pytest

from exporter.events.measures import Measure
from exporter.events.model import Event
from exporter.rule.outcome import Outcome
from exporter.rule.space import Forgotten
from tests.support.crossings import crossing
from tests.support.crossings import event as crossing_event
from tests.support.deliveries import NOW, delivery
from tests.support.stores import applied


@pytest.mark.parametrize("first", [delivery(), delivery(measure=Measure.MOTION), crossing_event(crossing(0))])
def test_nothing_is_left(first: Event) -> None:
    """A space that somebody had forgotten begins anew with its next event, be it late or a repetition."""
    store, _ = applied(first, delivery(zone="zone_b"))
    space = Forgotten(first.measure.kind, first.space_id)
    assert store.apply(first, NOW) is Outcome.DUPLICATE
    assert store.forget(space, NOW)
    assert [space.id for space in store.snapshot(NOW).spaces] == ["zone_b"]
    assert not store.forget(space, NOW)
    assert store.apply(first, NOW) is Outcome.NEW
    assert len(store.snapshot(NOW).spaces) == 2
