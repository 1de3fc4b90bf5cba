"""The rows of spaces, kept from one listing to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.capacity.file import CapacityFile
from exporter.events.measures import Kind, Measure
from exporter.events.model import Metadata
from exporter.rule.reading import Count
from exporter.rule.space import Space
from exporter.rule.store import Snapshot
from exporter.web.pages import rows as rows_module
from exporter.web.pages.rows import Query, Row, Rows, Sort, found, in_order
from tests.support.deliveries import MINUTE, NOW, Clock, place
from tests.support.stores import snapshot_of

STALE_AFTER = 10 * MINUTE


def space(name: str, *ages: int, names: Metadata | None = None) -> Space:
    """Return a zone whose measures have readings of these ages in minutes."""
    counts = [Count(measure, NOW - age * MINUTE, float(age)) for measure, age in zip(Measure, ages, strict=False)]
    return Space(Kind.ZONE, name, names or Metadata(zone_id=name, zone_name=f"Desk {name}"), tuple(counts))


def seen(spaces: list[Space], now: int = NOW) -> Snapshot:
    """Return a snapshot of some zones."""
    return snapshot_of(spaces, STALE_AFTER, now)


@pytest.fixture
def rows() -> Rows:
    """Return rows of an exporter without a capacity file."""
    return Rows(Kind.ZONE, CapacityFile(None, Clock()))


def test_unchanged_spaces_keep_their_rows(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is made again when its space changes, and the spaces are sorted again when one is new or renamed."""
    spaces = [space(name, 0) for name in "cab"]
    first = rows.by_place(seen(spaces))
    assert [row.space.id for row in first] == ["a", "b", "c"]
    sortings: list[object] = []

    def sort(items: range, key: object) -> range:
        sortings.append(key)
        return items

    monkeypatch.setattr(rows_module, "sorted_in_pieces", sort)
    spaces[1] = space("a", 1, names=place(spaces[1]))
    second = rows.by_place(seen(spaces))
    assert [now is before for now, before in zip(second, first, strict=True)] == [False, True, True]
    assert sortings == []
    spaces[1] = space("a", 1, names=Metadata(zone_id="a", zone_name="Hall"))
    rows.by_place(seen(spaces))
    assert len(sortings) == 1
    rows.by_place(seen(spaces[1:]))
    assert len(sortings) == 2


POOL = [space(name, *ages) for name in "abc" for ages in [(0,), (9,), (20,), (20, 0), (9, 20), (20, 20)]]

LISTINGS = st.lists(
    st.tuples(st.integers(-15, 15), st.lists(st.sampled_from(POOL), unique_by=lambda each: each.id), st.booleans())
)


@given(LISTINGS)
def test_kept_rows_are_as_new_ones(tmp_path_factory: pytest.TempPathFactory, listings: list) -> None:  # type: ignore[type-arg]
    """Kept rows are as rows made anew, also when spaces come, go, change or fall silent, and the clock is set back."""
    file = tmp_path_factory.getbasetemp() / "rows.yml"
    file.write_text("capacity: [{zone_name: Desk a, max: 5}]")
    capacity = CapacityFile(str(file), Clock())
    kept = Rows(Kind.ZONE, capacity)
    for minutes, spaces, is_reloaded in listings:
        if is_reloaded:
            file.write_text(f"capacity: [{{zone_name: Desk b, max: {minutes + 20}}}]")
            capacity.reload()
        snapshot = seen(spaces, NOW + minutes * MINUTE)
        assert kept.by_place(snapshot) == Rows(Kind.ZONE, capacity).by_place(snapshot)


def test_each_name_is_read_once(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search reads the names of each space once, however many words it has."""
    read: list[str] = []

    def noted(text: str) -> str:
        read.append(text)
        return text

    monkeypatch.setattr(rows_module, "_searchable", noted)
    listed = rows.by_place(seen([space(str(n), 0) for n in range(50)]))
    assert len(found(listed, Query(" ".join("Desk" for _ in range(40))))) == 50
    assert len(found(listed, Query("Desk 7 7 D e s k"))) == 5
    assert sum("\n" in text for text in read) == 100


def test_words_with_accents(rows: Rows) -> None:
    """A word finds a name whose accents are written the other way, in any case."""
    listed = rows.by_place(seen([space("a", 0, names=Metadata(zone_id="a", zone_name="Cafe\u0301"))]))
    for words in ("CAF\u00c9", "cafe\u0301", "caf\u00e9"):
        assert len(found(listed, Query(words))) == 1
    assert not found(listed, Query("cafes"))


def test_equal_spaces_are_in_the_order_of_their_places(rows: Rows) -> None:
    """The place decides between spaces that are equal by another order."""
    listed = rows.by_place(seen([space(name, 3) for name in "bca"]))
    for sort in Sort:
        ordered: list[Row] = list(in_order(listed, sort))
        assert [row.space.id for row in ordered] == ["a", "b", "c"]
