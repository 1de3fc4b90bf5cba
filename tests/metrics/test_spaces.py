"""The families of spaces as text, held against those of prometheus_client."""

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from bench.reference import Reference
from exporter.capacity.parse import parse
from exporter.capacity.rules import NO_RULES
from exporter.events.measures import Kind, Measure
from exporter.events.model import METADATA as CLASSES
from exporter.events.model import Metadata
from exporter.events.times import EARLIEST_TIMESTAMP
from exporter.metrics.families import HELP, Family
from exporter.metrics.spaces import SpaceFamilies
from exporter.rule.reading import Count
from exporter.rule.space import Space
from exporter.rule.store import Snapshot
from exporter.server import memory
from tests.support.deliveries import HOUR, MINUTE, NOW, READ
from tests.support.stores import snapshot_of

METADATA = {
    kind: st.builds(of_kind, **{field: st.text(max_size=3) for field in of_kind._fields if field != kind.id_field})
    for kind, of_kind in CLASSES.items()
}
"""The metadata of each kind."""

TIMES = st.integers(NOW - HOUR, NOW) | st.integers(EARLIEST_TIMESTAMP, 10**14) | st.sampled_from([10**12, NOW])

VALUES = st.floats(0, allow_nan=False) | st.integers(0, 9).map(float)

KINDS = {kind: [measure for measure in READ if measure.kind is kind] for kind in Kind}
"""The measures of each kind that have readings."""

COUNTS = {
    kind: st.lists(
        st.builds(Count, st.sampled_from(measures), TIMES, VALUES),
        unique_by=lambda count: count.measure,
        min_size=1,
        max_size=2,
    ).map(tuple)
    for kind, measures in KINDS.items()
}

NOW_COUNT = Count(Measure.ZONE_OCCUPANCY, NOW, 1.0)


@st.composite
def scrapes(draw: st.DrawFn) -> list[list[Space]]:
    """Draw the spaces of several scrapes, between which spaces come, go, move, and get other names and counts."""
    kinds = [draw(st.sampled_from(Kind)), Kind.ZONE]  # most spaces are of the first
    # A space keeps its names, as the same object, or gets others.
    pools = [draw(st.lists(METADATA[kind], min_size=1, max_size=3)) for kind in kinds]
    most, some = (
        st.builds(Space, st.just(kind), st.sampled_from("abc"), st.sampled_from(pool), COUNTS[kind])
        for kind, pool in zip(kinds, pools, strict=True)
    )
    space = st.one_of(most, most, some)
    return draw(st.lists(st.lists(space, unique_by=lambda s: (s.kind, s.id), max_size=3), min_size=1, max_size=5))


def seen(spaces: list[Space], stale_after: int = 0, now: int = NOW) -> Callable[[], Snapshot]:
    """Return a function that returns a snapshot of some spaces."""
    snapshot = snapshot_of(spaces, stale_after, now)
    return lambda: snapshot


RULES = parse(
    "capacity: [{zone_name: '?', max: 1}, {kind: room, room_name: '?', max: 3}, {zone_name: '??', max: 2.5},"
    " {kind: floor, floor_name: '?', max: 1000}]"
)


class TestAgainstTheLibrary:
    """The text is that of prometheus_client, at less cost."""

    @given(
        scrapes(),
        st.sampled_from([0, 10 * MINUTE, 2 * NOW]),
        st.lists(st.sampled_from(Metadata._fields), min_size=1, max_size=4, unique=True),
    )
    def test_byte_for_byte(self, drawn: list[list[Space]], stale_after: int, labels: list[str]) -> None:
        """Both formats are byte for byte those of the library, in each of several scrapes of changing spaces."""
        families = SpaceFamilies(labels, lambda: RULES)
        for spaces in drawn:
            snapshot = seen(spaces, stale_after)
            reference = Reference(snapshot, labels, RULES.of).registry
            assert b"".join(families.render(snapshot)) == generate_latest(reference)
            openmetrics = b"".join(families.render(snapshot, openmetrics=True))
            assert openmetrics + b"# EOF\n" == generate_openmetrics(reference)

    def test_unchanged_zones_are_not_rendered_again(self) -> None:
        """The labels of a zone are rendered again only after its names or the capacities have changed."""
        rules = NO_RULES
        families = SpaceFamilies(["zone_name"], lambda: rules)
        space = Space(Kind.ZONE, "z", Metadata(zone_id="z", zone_name="a"), (Count(Measure.ZONE_OCCUPANCY, NOW, 1.0),))

        def cached() -> object:
            return families._kinds[0]._labels.own[0]

        b"".join(families.render(seen([space])))
        first = cached()
        b"".join(families.render(seen([space], now=NOW + HOUR)))
        assert cached() is first
        rules = parse("capacity: [{zone_name: a, max: 5}]")
        assert b'butlr_zone_capacity{zone_id="z",zone_name="a"} 5.0' in b"".join(families.render(seen([space])))
        renamed = replace(space, metadata=Metadata(zone_id="z", zone_name="b"))
        assert b'butlr_zone_occupancy{zone_id="z",zone_name="b"} 1.0' in b"".join(families.render(seen([renamed])))
        assert b'"a"' not in b"".join(families.render(seen([renamed])))
        b"".join(families.render(seen([])))
        assert families._kinds[0]._labels.own == []

    def test_a_reload_leaves_the_labels(self) -> None:
        """New capacity rules change the capacities alone, so the first scrape after a reload costs little more."""
        rules = NO_RULES
        families = SpaceFamilies(["zone_name"], lambda: rules)
        spaces = [Space(Kind.ZONE, name, Metadata(zone_id=name, zone_name=name), (NOW_COUNT,)) for name in "ab"]
        b"".join(families.render(seen(spaces)))
        labels = families._kinds[0]._labels.own.copy()
        rules = parse("capacity: [{zone_name: a, max: 5}]")
        text = b"".join(families.render(seen(spaces)))
        assert text.count(b"butlr_zone_capacity{") == 1
        assert b'butlr_zone_capacity{zone_id="a",zone_name="a"} 5.0' in text
        assert all(now is before for now, before in zip(families._kinds[0]._labels.own, labels, strict=True))
        rules = NO_RULES
        assert b"butlr_zone_capacity{" not in b"".join(families.render(seen(spaces)))

    def test_old_names(self) -> None:
        """Old names of renamed zones do not stay in memory, and zones share the text of the names they share."""
        families = SpaceFamilies(["room_name", "zone_id"], lambda: NO_RULES)
        for n in range(100):
            names = [Metadata(zone_id=zone, room_name=f"{n}", floor_name=f"{n}") for zone in "ab"]
            b"".join(families.render(seen([Space(Kind.ZONE, m.zone_id, m, (NOW_COUNT,)) for m in names])))
            if n == 0:
                assert len(set(map(id, families._kinds[0]._labels.columns[1]))) == 1
        assert len(families._kinds[0]._shared) < 16

    def test_chosen_families(self) -> None:
        """Only named families with samples are rendered, and nothing for names of other families."""
        families = SpaceFamilies(["zone_id"], lambda: NO_RULES)
        snapshot = seen([Space(Kind.ZONE, "z", Metadata(), (Count(Measure.ZONE_OCCUPANCY, NOW, 1.0),))])
        text = b"".join(families.render(snapshot, {"butlr_zone_occupancy", "butlr_zone_capacity"}))
        assert text.count(b"# TYPE") == 1
        assert b"".join(families.render(snapshot, {"python_info"})) == b""
        assert b"".join(families.render(snapshot, set(HELP))).count(b"# TYPE") == 4

    def test_a_measure_that_is_gone(self) -> None:
        """A zone that is forgotten and returns with one measure of two has no line of the other any more."""
        families = SpaceFamilies(["zone_id"], lambda: NO_RULES)
        smoothed = Count(Measure.ZONE_OCCUPANCY_1MIN, NOW, 2.0)
        zone = Space(Kind.ZONE, "z", Metadata(zone_id="z"), (NOW_COUNT, smoothed))
        assert b'butlr_zone_occupancy_1min{zone_id="z"} 2.0' in b"".join(families.render(seen([zone])))
        text = b"".join(families.render(seen([replace(zone, counts=(NOW_COUNT,))])))
        assert b'butlr_zone_occupancy{zone_id="z"} 1.0' in text
        assert b"butlr_zone_occupancy_1min{" not in text
        assert b"butlr_zone_occupancy_1min_timestamp_seconds{" not in text

    def test_other_families_cost_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A scrape of one family does not work out the lines of any other."""
        families = SpaceFamilies([], lambda: NO_RULES)
        asked: list[str] = []
        kind = families._kinds[0]

        def lines(family: Family, _: float) -> Iterator[bytes]:
            asked.append(family.name)
            return iter(())

        def states(_: float) -> list[bytes]:
            asked.append("states")
            return []

        monkeypatch.setattr(kind, "lines", lines)
        monkeypatch.setattr(kind, "states", states)
        b"".join(families.render(seen([]), {"butlr_zone_capacity"}))
        assert asked == ["butlr_zone_capacity"]

    def test_pieces(self) -> None:
        """Each piece is too small for an mmap of its own, so that malloc reuses the memory of the one before."""
        for length in (1, 30, 200):
            name = "x" * length
            zones = [Metadata(site_name=name, room_name=name, zone_id=f"z{n}", zone_name=name) for n in range(1000)]
            snapshot = seen([Space(Kind.ZONE, zone.zone_id, zone, (NOW_COUNT,)) for zone in zones])
            pieces = list(SpaceFamilies(["zone_id", "zone_name"], lambda: NO_RULES).render(snapshot))
            assert max(map(len, pieces)) < memory.LARGE
            assert len(pieces) < sum(map(len, pieces)) / memory.LARGE * 2 + len(HELP)

    def test_scrapes_at_once(self) -> None:
        """Each of several scrapes at once is complete."""
        families = SpaceFamilies(["zone_id"], lambda: NO_RULES)
        several = [
            seen([Space(Kind.ZONE, f"z{n}", Metadata(zone_id=f"z{n}"), (NOW_COUNT,)) for n in range(zones)])
            for zones in (300, 200, 100)
        ]
        wrong: list[int] = []

        def scrape(snapshot: Callable[[], Snapshot]) -> None:
            for _ in range(50):
                lines = b"".join(families.render(snapshot)).count(b"\nbutlr_zone_info{")
                if lines != len(list(snapshot().spaces)):
                    wrong.append(lines)

        threads = [threading.Thread(target=scrape, args=(snapshot,)) for snapshot in several]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
