"""Settled readings as OpenMetrics text, held against prometheus_client, and their kept lines against new ones."""

from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.capacity.rules import NO_RULES
from exporter.events.measures import Kind, Measure
from exporter.events.model import Metadata
from exporter.events.times import EARLIEST_TIMESTAMP
from exporter.metrics.families import SETTLED, labels_of
from exporter.metrics.settled import openmetrics
from exporter.metrics.spaces import SpaceFamilies
from exporter.metrics.text import timestamp
from exporter.rule.reading import Point
from exporter.rule.settled import Settled, Settlement
from exporter.rule.space import Forgotten
from exporter.rule.store import Store
from exporter.settings.declared import Settings
from tests.support.deliveries import HOUR, MINUTE, MINUTE_MEASURES, NOW, READ, SECOND, delivery
from tests.support.scraped import Scraped
from tests.support.stores import LIMITS

LABELS = Settings().labels
SMOOTHED = Measure.ZONE_OCCUPANCY_1MIN


def text(*settled: Settled, labels: tuple[str, ...] = LABELS) -> str:
    """Return the OpenMetrics text of settled readings."""
    return "".join(openmetrics(settled, labels))


class TestOpenMetrics:
    """The OpenMetrics text of settled readings."""

    def test_no_readings(self) -> None:
        """Without readings the text has every family and no sample."""
        families = {family.name: family for family in text_string_to_metric_families(text())}
        assert set(families) == set(SETTLED.values())
        assert {(family.type, len(family.samples)) for family in families.values()} == {("gauge", 0)}

    def test_a_zone(self) -> None:
        """A settled reading is written with its labels, value and timestamp."""
        settled = Settled(Metadata(zone_id="z", zone_name="Desk 01"), SMOOTHED, [Point(NOW - 500, 2.5), Point(NOW, 3)])
        series = 'butlr_zone_occupancy_1min_settled{zone_id="z",zone_name="Desk 01"}'
        assert text(settled, labels=("zone_name", "zone_id")).splitlines()[:6] == [
            f"# HELP butlr_zone_occupancy_settled {Measure.ZONE_OCCUPANCY.declared.settled_help}",
            "# TYPE butlr_zone_occupancy_settled gauge",
            f"# HELP butlr_zone_occupancy_1min_settled {SMOOTHED.declared.settled_help}",
            "# TYPE butlr_zone_occupancy_1min_settled gauge",
            f"{series} 2.5 1799999999.5",
            f"{series} 3.0 1800000000.0",
        ]

    @given(
        st.lists(
            st.builds(
                Settled,
                st.builds(Metadata, **{field: st.text() for field in Metadata._fields}),
                st.sampled_from(MINUTE_MEASURES),
                st.lists(st.builds(Point, st.integers(EARLIEST_TIMESTAMP, NOW), st.floats(0))),
            )
        ),
        st.lists(st.sampled_from(Metadata._fields), unique=True).map(
            lambda labels: tuple(dict.fromkeys([*labels, "zone_id"]))
        ),
    )
    def test_as_prometheus_client_writes_it(self, settled: list[Settled], labels: tuple[str, ...]) -> None:
        """The text equals that of prometheus_client byte for byte, for any names and values."""

        class Collector:
            def collect(self) -> list[Metric]:
                own = {kind: labels_of(kind, labels) for kind in Kind}
                families = {
                    m: GaugeMetricFamily(SETTLED[m], m.declared.settled_help, labels=own[m.kind]) for m in SETTLED
                }
                for metadata, measure, points in settled:
                    for t, value in points:
                        values = [getattr(metadata, label) for label in own[measure.kind]]
                        families[measure].add_metric(values, value, timestamp=t / 1000)
                return list(families.values())

        registry = CollectorRegistry(auto_describe=False)
        registry.register(Collector())
        assert text(*settled, labels=labels).encode() == generate_latest(registry)

    @given(st.integers(EARLIEST_TIMESTAMP, 2**31 * SECOND - 1))
    def test_every_millisecond_arrives(self, milliseconds: int) -> None:
        """A reader that truncates to milliseconds, as Prometheus does, reads each timestamp until 2038 exactly."""
        seconds = float(timestamp(milliseconds))
        assert int(seconds * 1000) == round(seconds * 1000) == milliseconds


@pytest.mark.parametrize("measure", MINUTE_MEASURES)
def test_names(measure: Measure) -> None:
    """The family of a measure's settled readings has the name of its live family and the ending `_settled`."""
    name = f"butlr_{measure.kind}_occupancy" + ("_1min" if measure.endswith("_1MIN") else "")
    assert SETTLED[measure] == f"{name}_settled"
    assert measure.declared.settled_help.endswith("; an instant query needs last_over_time.")


END = "# EOF\n"


class Deliver(NamedTuple):
    """A step: an event of the minutes before or after now."""

    minutes: int
    value: float
    generation: int | None
    zone: str
    name: str
    measure: Measure


class Wait(NamedTuple):
    """A step: the clock moves."""

    milliseconds: int


class Forget(NamedTuple):
    """A step: somebody has a zone forgotten."""

    zone: str


Step = Deliver | Wait | Forget | str


class Kept:
    """The families of an exporter, in which each scrape is compared with the lines worked out anew."""

    def __init__(self, points: int) -> None:
        """Export this number of settled readings at most."""
        self.points, self.now = points, NOW
        self.start()

    def start(self) -> None:
        """Begin with no space."""
        self.store = Store(replace(LIMITS, forget_after=HOUR, max_deliveries=12))
        self.families = SpaceFamilies(LABELS, lambda: NO_RULES)

    def take(self, step: Step) -> None:
        """Take one step."""
        if isinstance(step, Wait):
            self.now += step.milliseconds
        elif isinstance(step, Forget):
            self.store.forget(Forgotten(Kind.ZONE, step.zone), self.now)
        elif isinstance(step, Deliver):
            generation = step.generation and self.now // 1000 + step.generation
            t = self.now - self.now % MINUTE - step.minutes * MINUTE
            event = delivery(t, step.value, generation=generation, zone=step.zone, name=step.name, measure=step.measure)
            self.store.apply(event, self.now)
        elif step == "restart":
            states = self.store.states(self.store.keys())
            self.start()
            self.store.restore(states)
        elif step == "scrape":
            assert list(self.families.render(lambda: self.store.snapshot(self.now)))
        else:
            assert self.settled() == "".join(openmetrics(self.settled_anew(), LABELS))

    def settled(self) -> str:
        """Return a scrape of the settled readings."""
        return b"".join(self.families.render_settled(lambda: self.store.settled(self.now, self.points))).decode() + END

    def settled_anew(self) -> list[Settled]:
        """Return the settled readings of the store, without any that was read before."""
        now, found = self.now, []
        for space in self.store.snapshot(now).spaces:
            for measure in (each for each in MINUTE_MEASURES if each.kind is space.kind):
                points = [
                    Point(reading.timestamp, reading.value)
                    for reading in self.store.readings(measure, space.id)
                    if now - LIMITS.window < reading.timestamp <= now - LIMITS.settle_after
                ]
                if points:
                    found.append(Settled(space.metadata, measure, points[-self.points :]))
        return found


DELIVER = st.builds(
    Deliver,
    st.integers(-5, 20),
    st.integers(0, 3).map(float),
    st.none() | st.integers(-300, 0),
    st.sampled_from("abc"),
    st.sampled_from(["old", "new"]),
    st.sampled_from(READ),
)

WAIT = st.builds(
    Wait, st.sampled_from([1, SECOND, MINUTE, 3 * MINUTE, 16 * MINUTE, HOUR + 1, -1, -MINUTE, -10 * MINUTE])
)

OTHER: Any = st.sampled_from(["scrape", "settled", "settled", "restart", *map(Forget, "abc")])


class TestKeptLines:
    """The lines of settled readings are kept from scrape to scrape."""

    @given(st.integers(1, 3), st.lists(DELIVER | DELIVER | WAIT | OTHER, max_size=40))
    def test_as_worked_out_anew(self, points: int, steps: list[Step]) -> None:
        """A scrape has the lines of the settled readings of now, after any scrapes before it.

        Events come for any minute, zones are renamed, forgotten and known again, the clock moves back, a journal is
        read back.
        """
        kept = Kept(points)
        for step in [*steps, "settled"]:
            kept.take(step)

    def test_a_zone_that_a_scrape_of_counts_has_dropped(self) -> None:
        """A zone that is forgotten and comes again has its settled readings again, and those of no other zone."""
        kept = Kept(1)
        a, b = (Deliver(7, 1.0, None, zone, "a", Measure.ZONE_OCCUPANCY) for zone in "ab")
        smoothed = b._replace(measure=Measure.ZONE_OCCUPANCY_1MIN)
        for step in (a, b, smoothed, "settled", Wait(HOUR), a, "scrape", Wait(1), "scrape", b, "settled"):
            kept.take(step)
        assert "_1min_settled{" not in kept.settled()

    def test_one_zone_for_another(self) -> None:
        """A zone that takes the place of a forgotten one has none of its readings."""
        kept = Kept(1)
        a, b, c = (Deliver(7, 1.0, None, zone, "a", Measure.ZONE_OCCUPANCY) for zone in "abc")
        for step in (a, "settled", Wait(HOUR), b, "settled", Wait(1), c._replace(minutes=0), "settled"):
            kept.take(step)

    def test_a_measure_that_appears_meanwhile(self) -> None:
        """A measure whose first event comes in the middle of a scrape has its reading then or at the next scrape."""
        kept = Kept(1)
        kept.take(Deliver(7, 1.0, None, "a", "a", Measure.ZONE_OCCUPANCY))

        def read() -> Settlement:
            settlement = kept.store.settled(NOW, 1)
            kept.take(Deliver(7, 2.0, None, "a", "a", SMOOTHED))
            return settlement

        assert b"".join(kept.families.render_settled(read)).count(b" 2.0 ") == 1
        kept.take("settled")

    def test_several_readings_of_more_zones_than_one_piece_has(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Zones with several readings, one and none are put together piece by piece."""
        monkeypatch.setattr("exporter.metrics.spaces._SETTLED_SPACES", 2)
        kept = Kept(2)
        for minutes, zone in [(7, "a"), (8, "a"), (7, "b"), (0, "c"), (0, "d"), (9, "e"), (8, "e")]:
            kept.take(Deliver(minutes, 1.0, None, zone, "a", Measure.ZONE_OCCUPANCY))
        kept.take("settled")
        assert kept.settled().count("butlr_zone_occupancy_settled{") == 5

    def test_a_scrape_of_the_metrics(self) -> None:
        """The settled readings of the whole exporter end as OpenMetrics does."""
        scraped = Scraped(delivery(NOW - 7 * MINUTE, 3))
        lines = b"".join(scraped.metrics.settled_exposition()).splitlines()
        assert lines[-1] == b"# EOF"
        assert sum(line.startswith(b"butlr_zone_occupancy_settled{") for line in lines) == 1
