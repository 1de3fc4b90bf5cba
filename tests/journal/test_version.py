"""A journal of an earlier version is read, and is one of this version from then on."""

import shutil
from pathlib import Path

import pytest

from exporter.events.measures import Kind
from exporter.journal.database import OLDEST_VERSION, VERSION, check_path
from exporter.rule.space import Forgotten
from tests.support.deliveries import MINUTE, NOW, G, delivery
from tests.support.journals import opened, restored, states
from tests.support.paths import SAMPLES
from tests.support.stores import current, readings


def version(path: Path) -> int:
    """Return the version in the header of a file (sqlite.org/fileformat.html)."""
    return int.from_bytes(path.read_bytes()[60:64])


@pytest.mark.parametrize("before", range(OLDEST_VERSION, VERSION))
def test_an_earlier_version(tmp_path: Path, before: int) -> None:
    """Saved spaces and entries of an earlier version are read, and the file gets the present version at once."""
    path = tmp_path / "journal.db"
    shutil.copy(SAMPLES / "journals" / f"version-{before}.db", path)
    assert version(path) == before
    check_path(str(path))
    assert version(path) == before
    store, recorder = opened(str(path))
    assert version(path) == VERSION
    crossings = store.crossings("sensor_a")
    assert (crossings and (crossings.entered, crossings.left)) == ((3, 1) if before >= 5 else None)
    assert store.forget(Forgotten(Kind.SENSOR, "sensor_a"), NOW) is (before >= 5)
    assert [state.space_id for state in states(store)] == ["zone_a", "zone_b", "zone_c"]
    assert readings(store) == {NOW - MINUTE: 5, NOW: 4}
    zone = current(store)
    assert (zone.metadata._asdict()["zone_name"], [count.value for count in zone.counts]) == ("Desk 1", [4, 2.5])
    assert readings(store, "zone_b") == {NOW: 1}
    assert readings(store, "zone_c") == {NOW: 2}
    recorder.apply([delivery(NOW, 9, zone="zone_c", generation=G + 1)], NOW)
    recorder.close()
    assert states(restored(str(path)))[-3:] == states(store)
    assert readings(restored(str(path)), "zone_c") == {NOW: 9}
