"""A store that is saved and restored, or to which deliveries are applied again."""

import pytest

from exporter.events.measures import Measure
from exporter.events.model import Event
from exporter.rule.outcome import Outcome
from exporter.rule.space import Forgotten
from tests.support.crossings import crossing
from tests.support.crossings import event as crossing_event
from tests.support.deliveries import MINUTE, NOW, SECOND, delivery
from tests.support.stores import LIMITS, applied, spaces

DETECTION = delivery(NOW, 2, zone="sensor_a", measure=Measure.DETECTIONS)

EVENTS: list[Event] = [
    delivery(NOW, 3),
    delivery(NOW - MINUTE, 2),
    delivery(NOW, 1, measure=Measure.ZONE_OCCUPANCY_1MIN),
    delivery(NOW, 1, zone="room_a", measure=Measure.MOTION),
    crossing_event(crossing(0)),
]


@pytest.mark.parametrize("at", range(len(EVENTS) + 1))
def test_the_same_spaces(at: int) -> None:
    """A store that is saved, restored and given the rest again is as one that runs on."""
    whole, _ = applied(*EVENTS)
    before, _ = applied(*EVENTS[:at])
    again, _ = applied()
    again.restore(before.states(before.keys()))
    assert again.replay((event, NOW) for event in EVENTS[at:]) == len(EVENTS) - at
    assert spaces(again) == spaces(whole)
    assert [again.apply(event, NOW) for event in EVENTS] == [Outcome.DUPLICATE] * len(EVENTS)


def test_a_forgotten_space_stays_forgotten() -> None:
    """A replay forgets a space where somebody had it forgotten, and knows it anew from its next event on."""
    space = Forgotten(EVENTS[0].measure.kind, EVENTS[0].space_id)
    again, _ = applied()
    again.replay([(EVENTS[0], NOW), (space, NOW)])
    assert not again.knows(space, NOW)
    again.replay([(EVENTS[1], NOW)])
    assert again.knows(space, NOW)
    assert [count.value for each in spaces(again) for count in each.counts] == [2]


@pytest.mark.parametrize("events", [[DETECTION], [DETECTION, EVENTS[0]]])
def test_detections_alone_are_not_kept(events: list[Event]) -> None:
    """A space of which a journal keeps nothing has no key to save."""
    store, _ = applied(*events)
    assert len(store.keys()) == len(store.keys()) == len(events) - 1
    assert not store.is_renewed(DETECTION, NOW)


def test_detections_keep_an_entryway_known() -> None:
    """A replay of detections takes only their arrival and their names, with which an entryway is known for longer."""
    sensor = crossing_event(crossing(0)).space_id
    later = NOW + LIMITS.forget_after
    named = delivery(later - SECOND, 2, zone=sensor, name="Side door", measure=Measure.DETECTIONS)
    implausible = named._replace(generation=1)
    store, _ = applied(EVENTS[-1])
    assert store.apply(named, later) is Outcome.NEW
    assert store.is_renewed(named, later)
    for event in (named, implausible):
        again, _ = applied(EVENTS[-1])
        again.replay([(event, later), (DETECTION._replace(timestamp=0), later)])
        (known,) = spaces(again, later + 1)
        assert known.metadata == named.metadata
        assert [count.measure for count in known.counts] == [Measure.CROSSINGS]


def test_detections_of_an_unknown_sensor() -> None:
    """A replay of detections makes no space, as their value is not read back."""
    again, _ = applied()
    assert again.replay([(DETECTION, NOW)]) == 1
    assert spaces(again) == []


def test_applied_together() -> None:
    """Events that arrive together have the outcomes that they have one after the other."""
    store, outcomes = applied(*EVENTS, EVENTS[0])
    again, _ = applied()
    assert again.apply_all([*EVENTS, EVENTS[0]], NOW) == outcomes
    assert spaces(again) == spaces(store)
