"""Trouble and health on the pages."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from tests.support.deliveries import HOUR, Clock
from tests.support.placed import post, with_capacity


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves."""
    return Clock()


class TestState:
    """Trouble stands out, and health is blank."""

    @pytest.fixture
    def client(self, clock: Clock, tmp_path: Path) -> FlaskClient:
        """Return a client of an app with a zone over capacity, one at its capacity, and a silent one."""
        (tmp_path / "capacity.yml").write_text("capacity: [{max: 4}]")
        client = with_capacity(clock, str(tmp_path / "capacity.yml"))
        for value, name, age in ((6, "Table", 0), (4, "Sofa", 0), (3, "Cellar", HOUR)):
            post(client, value, name, age=age)
        return client

    def test_rows(self, client: FlaskClient) -> None:
        """A zone says by how many it is over capacity, a silent one since when and its last count, others nothing."""
        page = client.get("/").text
        assert re.findall('class="state [^"]*">(.*?)</span></td>', page) == [
            'no data since <time datetime="2027-01-15T07:00:00Z" data-clock>07:00 UTC</time>',
            "over capacity by 2",
        ]
        assert '<span class="last"><span class="visually-hidden">last known count </span>3</span>' in page
        assert re.findall('<rect class="fill" width="([^"]*)"', page) == ["100.0", "100"]
        assert page.count('class="bar over"') == 1
        assert not re.search("fresh<|stale<|crowded<", page)

    def test_hardly_over(self, client: FlaskClient) -> None:
        """A count that is over the capacity by less than a hundredth of a person names no number."""
        post(client, 4.001, "Sofa", age=-1000)
        assert 'class="state crowded">over capacity</span></td>' in client.get("/").text

    def test_tiles(self, client: FlaskClient) -> None:
        """Tiles are in the order in which people ask, and each leads to the places that it counts."""
        page = client.get("/").text
        (tiles,) = re.findall('<ul class="tiles">(.*?)</ul>', page, re.DOTALL)
        found = re.findall(r'<li( class="\w+")?><a href="([^"]*)"><span>([\w ]+)</span>', tiles)
        assert [title for _, _, title in found] == ["People", "Over capacity", "Silent", "Last event"]
        assert [style for style, _, _ in found] == ["", ' class="alarm"', ' class="silence"', ""]
        for (_, address, _), names in zip(found, [["Table", "Sofa", "Cellar"], ["Table"], ["Cellar"]], strict=False):
            listed = client.get(urljoin("/", unescape(address))).text
            assert re.findall("<bdi>(Table|Sofa|Cellar)</bdi></a>", listed) == names
        assert 'id="deliveries"' in page

    def test_no_event_for_long(self, client: FlaskClient, clock: Clock) -> None:
        """When nothing arrives any more, the tile of the last event says since when."""
        assert "no data since 08:00" not in client.get("/").text
        clock.now += HOUR
        assert re.search(
            '<li class="silence"><a href="#deliveries">.*no data since <time[^>]*>08:00',
            client.get("/").text,
            re.DOTALL,
        )

    def test_pages_of_spaces(self, client: FlaskClient) -> None:
        """The page of a zone begins with its people, its state and its chart; ids and events are folded away."""
        page = client.get("/spaces/zone/zone_Table").text
        assert '<p class="count">6 people, room for 4 <span' in page
        assert '<span class="state crowded">over capacity by 2</span></h1>' in page
        assert page.index('class="chart"') < page.index("<details")
        assert page.index("<summary>Readings and events") < page.index("<code>event_Table_0</code>")
        assert "<p>1st Floor" not in client.get("/spaces/zone/zone_Sofa").text
        assert 'class="state' not in client.get("/spaces/zone/zone_Sofa").text
        silent = client.get("/spaces/zone/zone_Cellar").text
        assert '<span class="last">3</span> <span class="more">the last known count, of <time' in silent
        assert "no data since <time" in silent

    def test_final_counts(self, client: FlaskClient) -> None:
        """The page says that an instant query of final counts needs `last_over_time`."""
        page = client.get("/spaces/zone/zone_Table").text
        assert "an instant query needs last_over_time" in page
