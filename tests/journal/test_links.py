"""A journal behind symbolic links: all of its files are beside the file that the links lead to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.journal.interface import JournalError
from exporter.journal.repair import TRUNCATED
from tests.support.deliveries import MINUTE, NOW, delivery
from tests.support.journals import files, killed, opened, recorded, restored, restored_ids, states


def direct(link: Path, real: Path) -> None:
    """Link to the file."""
    link.symlink_to(real)


def relative(link: Path, real: Path) -> None:
    """Link to the file by a path from the folder of the link."""
    link.symlink_to(os.path.relpath(real, link.parent))


def chain(link: Path, real: Path) -> None:
    """Link to a link to the file."""
    between = link.parent / "between.db"
    between.symlink_to(real)
    link.symlink_to(between)


def folder(link: Path, real: Path) -> None:
    """Link to the folder of the file."""
    link.parent.rmdir()
    link.parent.symlink_to(real.parent)


LINKS = [direct, relative, chain, folder]


class Place:
    """A folder with a link, and another folder with the file that it leads to."""

    def __init__(self, tmp_path: Path, make: Callable[[Path, Path], None]) -> None:
        """Make the link; there is no file yet."""
        self.link, self.real = tmp_path / "links" / "journal.db", tmp_path / "disk" / "journal.db"
        for file in (self.link, self.real):
            file.parent.mkdir()
        make(self.link, self.real)

    def names(self) -> set[str]:
        """Return the names in the folder of the file."""
        return {file.name for file in self.real.parent.iterdir()}


@pytest.fixture(params=LINKS, ids=lambda make: make.__name__)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return a place for each kind of link."""
    return Place(tmp_path, request.param)


class TestLinks:
    """Links of several kinds."""

    def test_a_link_that_leads_to_no_file_yet(self, place: Place) -> None:
        """The journal is created where the link leads to."""
        recorded(str(place.link), delivery())
        assert place.names() == {"journal.db"}
        assert place.real.is_file()
        assert place.link.resolve() == place.real
        assert restored_ids(str(place.real)) == restored_ids(str(place.link)) == ["zone_a"]

    def test_a_kill(self, place: Place) -> None:
        """The logs that a kill leaves are found by the link and by the file."""
        killed(str(place.real), "zone_a")
        assert {"journal.db-log.1", "journal.db-wal"} < place.names()
        assert restored_ids(str(place.link)) == ["zone_a"]
        assert files(str(place.real)) == [str(place.real)]

    def test_a_compaction_and_an_outage(self, place: Place) -> None:
        """A journal behind a link is compacted, and rewritten when its file is gone."""
        store, recorder = opened(str(place.link))
        recorder.apply([delivery()], NOW)
        place.real.unlink()
        recorder.maintain()
        assert not recorder.refuses
        recorder.apply([delivery(zone="zone_b")], NOW)
        recorder.close()
        assert place.names() == {"journal.db"}
        assert states(restored(str(place.real))) == states(store)

    def test_a_repair(self, place: Place) -> None:
        """A truncated file is replaced in its place, and set aside there."""
        recorded(str(place.link), *[delivery(NOW - n * MINUTE, zone=f"zone_{z}") for z in range(9) for n in range(14)])
        place.real.write_bytes(place.real.read_bytes()[:-1])
        assert len(restored_ids(str(place.link))) > 4
        assert place.names() == {"journal.db", f"journal.db{TRUNCATED}"}
        assert place.link.resolve() == place.real


def test_a_link_that_is_changed(tmp_path: Path) -> None:
    """A running exporter follows its link to another file, where the next start will look for the spaces."""
    place = Place(tmp_path, direct)
    store, recorder = opened(str(place.link))
    recorder.apply([delivery()], NOW)
    other = tmp_path / "other.db"
    place.link.unlink()
    place.link.symlink_to(other)
    recorder.maintain()
    assert not recorder.refuses
    recorder.apply([delivery(zone="zone_b")], NOW)
    recorder.close()
    assert states(restored(str(place.link))) == states(store)
    assert other.is_file()


def test_a_loop(tmp_path: Path) -> None:
    """Links that lead to each other are refused with the reason."""
    (tmp_path / "a.db").symlink_to(tmp_path / "b.db")
    (tmp_path / "b.db").symlink_to(tmp_path / "a.db")
    with pytest.raises(JournalError, match="cannot be opened: its symbolic links form a loop; mend the links"):
        opened(str(tmp_path / "a.db"))


def test_a_link_to_a_missing_folder(tmp_path: Path) -> None:
    """A link into a folder that is missing is refused with the name of the folder."""
    (tmp_path / "a.db").symlink_to(tmp_path / "no" / "b.db")
    with pytest.raises(JournalError, match=f"there is no folder {tmp_path}/no; create it"):
        opened(str(tmp_path / "a.db"))
