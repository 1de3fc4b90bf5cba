"""Minutes of the Reporting API as readings: their ids, and their order, which does not matter."""

from collections import Counter
from datetime import timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from exporter.butlr.reporting import Minute, Query, Report
from exporter.events.ids import generation as generation_in
from exporter.events.measures import Kind, Measure
from exporter.events.model import Event, Metadata
from tests.support.deliveries import MINUTE, delivery
from tests.support.polling import START_MS, Polling


def test_the_id_of_a_reading() -> None:
    """The id of a polled reading begins with `poll_` and holds the second of the poll."""
    cloud = Polling(zones=1)
    cloud.reporting.fill(Kind.ZONE, ["zone_0"], [-2])
    taken: list[Event] = []
    decide = cloud.store.apply_all
    cloud.store.apply_all = lambda events, now: taken.extend(events) or decide(events, now)  # type: ignore[func-returns-value,method-assign]
    cloud.begin(recover=timedelta())
    cloud.work()
    (event,) = taken
    assert event.id.startswith("poll_")
    assert generation_in(event.id) == event.generation == int(cloud.now)


_ANSWERS = st.dictionaries(
    st.integers(0, 59),
    st.tuples(st.booleans(), st.dictionaries(st.integers(-7, -1), st.integers(0, 3), min_size=1, max_size=4)),
    min_size=1,
    max_size=8,
)
"""By its second: whether a poll brought it, and its values by minute."""


@given(_ANSWERS, st.randoms(use_true_random=False))
def test_order_does_not_matter(answers: dict[int, tuple[bool, dict[int, int]]], random: Random) -> None:
    """Polls and webhooks of the same minutes end in the same counts, in any order and however often they come."""
    states = []
    shuffled = [*answers, *answers]
    random.shuffle(shuffled)
    for order in (sorted(answers), shuffled):
        cloud = Polling(zones=1)
        readings = cloud.readings()
        for second in order:
            is_polled, values = answers[second]
            cloud.now = START_MS / 1000 + second
            minutes = {START_MS + at * MINUTE: value for at, value in values.items()}
            if is_polled:
                query = Query(Kind.ZONE, ("zone_0",), START_MS - 7 * MINUTE, START_MS)
                found = tuple(Minute("zone_0", at, value) for at, value in sorted(minutes.items()))
                readings.apply(Report(query, found, Counter(), is_empty=False), lambda *_: Metadata(zone_id="zone_0"))
            else:
                events = [delivery(at, v, generation=int(cloud.now), zone="zone_0") for at, v in minutes.items()]
                cloud.deliver(*[event._replace(measure=Measure.ZONE_OCCUPANCY_1MIN) for event in events])
        found_readings = cloud.store.readings(Measure.ZONE_OCCUPANCY_1MIN, "zone_0")
        states.append([(each.timestamp, each.value, each.generation) for each in found_readings])
    assert states[0] == states[1]
