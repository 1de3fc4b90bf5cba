"""A journal of the version before is read, and is one of this version from then on."""

import shutil
from pathlib import Path

from exporter.journal.database import OLDEST_VERSION, VERSION, check_path
from tests.support.deliveries import MINUTE, NOW, G, delivery
from tests.support.journals import opened, restored, states
from tests.support.paths import SAMPLES
from tests.support.stores import current, readings

BEFORE = SAMPLES / "journals" / f"version-{OLDEST_VERSION}.db"


def version(path: Path) -> int:
    """Return the version in the header of a file (sqlite.org/fileformat.html)."""
    return int.from_bytes(path.read_bytes()[60:64])


def test_the_version_before(tmp_path: Path) -> None:
    """Saved spaces and entries of the version before are read, and the file gets the present version at once."""
    path = tmp_path / "journal.db"
    shutil.copy(BEFORE, path)
    assert version(path) == VERSION - 1
    check_path(str(path))
    assert version(path) == VERSION - 1
    store, recorder = opened(str(path))
    assert version(path) == VERSION
    assert [state.space_id for state in states(store)] == ["zone_a", "zone_b", "zone_c"]
    assert readings(store) == {NOW - MINUTE: 5, NOW: 4}
    zone = current(store)
    assert (zone.metadata._asdict()["zone_name"], [count.value for count in zone.counts]) == ("Desk 1", [4, 2.5])
    assert readings(store, "zone_b") == {NOW: 1}
    assert readings(store, "zone_c") == {NOW: 2}
    recorder.apply([delivery(NOW, 9, zone="zone_c", generation=G + 1)], NOW)
    recorder.close()
    assert states(restored(str(path))) == states(store)
    assert readings(restored(str(path)), "zone_c") == {NOW: 9}
