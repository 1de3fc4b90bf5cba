"""The pages for people, and their style and script."""

import gzip
import json
import re
from html import unescape
from pathlib import Path
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from exporter.app import build, create_app
from exporter.events.measures import Measure
from exporter.settings.declared import Settings
from exporter.settings.load import load
from exporter.settings.types import Address
from exporter.web.pages import display
from exporter.web.pages.rows import State
from exporter.web.pages.status import Status
from exporter.web.pages.views import ASSETS, VERSIONS
from tests.support.certificates import Pair
from tests.support.deliveries import HOUR, MINUTE, NOW, SECOND, Clock, G, body, delivery
from tests.support.placed import post, three_zones, with_capacity
from tests.support.responses import problem

SMOOTHED = Measure.ZONE_OCCUPANCY_1MIN


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves."""
    return Clock()


@pytest.fixture
def client(clock: Clock) -> FlaskClient:
    """Return a client of an app with three zones."""
    return three_zones(clock)


class TestPage:
    """`GET /`."""

    def test_zones(self, client: FlaskClient) -> None:
        """Zones are grouped by floor; names are escaped, a whole count has no fraction."""
        post(client, 3, "<script>alert(1)</script>", floor="Roof")
        response = client.get("/")
        assert response.content_type == "text/html; charset=utf-8"
        page = response.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert re.findall("<h3>(.*?)<span", re.sub("</?bdi>", "", page)) == [
            f"{floor}, HQ, SF" for floor in ("Basement", "Ground Floor", "1st Floor", "Roof")
        ]
        assert '<td class="number">5' in page
        assert "5.0" not in page
        assert page.count('<tr class="stale"') == 1

    def test_lines(self, clock: Clock) -> None:
        """Corrected readings are marked, and a reading ahead of this machine's clock is drawn as well."""
        client = create_app(clock=clock).test_client()
        client.post(
            "/webhook", data=body(delivery(NOW - MINUTE, 3), delivery(NOW - MINUTE, 4), delivery(NOW + MINUTE, 2))
        )
        page = client.get("/").text
        assert 'aria-label="Readings of Desk 01: 4, 2; 1 corrected"' in page
        assert page.count("<circle") == 1

    def test_other_orders_have_no_groups(self, client: FlaskClient) -> None:
        """In any order but that of places there are no floors, and each zone shows its place."""
        page = client.get("/?sort=people").text
        assert "<details" not in page
        assert "1st Floor, HQ, SF" in re.sub("</?bdi>", "", page)

    def test_form_shows_the_query(self, client: FlaskClient) -> None:
        """The form keeps the query of the address, and the page says that it found nothing."""
        page = client.get('/?q="x"&state=stale&sort=age').text
        assert 'value="&#34;x&#34;"' in page
        assert '<option value="stale" selected>silent</option>' in page
        assert '<option value="age" selected>' in page
        assert "No zone matches." in page

    def test_every_state_has_a_text(self, client: FlaskClient) -> None:
        """The form offers each state of the API under its text; missing only where a space may be so."""
        offered = dict(re.findall(r'<option value="(\w+)">([^<]*)</option>', client.get("/?sort=name").text))
        states = {state: display.STATES[state] for state in State if state is not State.MISSING}
        assert {state: offered.get(state) for state in State} == states | {State.MISSING: None}
        assert '<option value="missing" selected>missing</option>' in client.get("/?state=missing").text

    @pytest.mark.parametrize(
        ("settings", "host", "command"),
        [
            ({}, "exporter:9728", "curl http://exporter:9728/webhook -d"),
            ({}, "a`b", "curl http://localhost/webhook -d"),
            ({"metrics_listen": ":9729"}, "10.0.0.5:9729", "curl http://10.0.0.5:9728/webhook -d"),
            ({"metrics_listen": ":9729", "listen": "10.0.0.6:80"}, "h", "curl http://10.0.0.6:80/webhook -d"),
            ({"metrics_listen": ":9729", "listen": ":80"}, "[::1]:9729", "curl http://[::1]:80/webhook -d"),
            (
                {"webhook_api_keys": "secret", "webhook_api_key_header": "X-Key"},
                "h",
                "curl http://h/webhook -H 'X-Key: THE-KEY' -d",
            ),
            (
                {"webhook_username": "butlr", "webhook_password": "secret"},
                "h",
                "curl http://h/webhook -u THE-NAME:THE-PASSWORD -d",
            ),
        ],
    )
    def test_no_event_yet(self, clock: Clock, settings: dict[str, str], host: str, command: str) -> None:
        """Before the first event the page has a command that sends one, without a secret, and hides the search."""
        app = build(load(settings, {}), clock).reading_app
        page = app.test_client().get("/", headers={"Host": host}).text.replace("&#39;", "'").replace("&#34;", '"')
        assert command in page
        assert "secret" not in page
        assert re.search("<form[^>]* hidden>", page)

    def test_only_refused_events(self, clock: Clock) -> None:
        """After a refused event the page does not claim that no event has arrived."""
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=b"{}")
        page = client.get("/").text
        assert "No place is known: " in page
        assert "No event has arrived" not in page

    def test_only_forgotten_zones(self, clock: Clock) -> None:
        """When every zone was forgotten, the page says that this may be so."""
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=body(delivery()))
        clock.now += 25 * HOUR
        assert "or is of a place that was forgotten" in client.get("/").text

    def test_absurd_counts(self, clock: Clock) -> None:
        """Absurd counts are shown with an exponent, and their sum is finite."""
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=body(delivery(v=1e308), delivery(v=1e308, zone="b"), delivery(v=5e-324, zone="c")))
        assert "1e+308" in client.get("/").text
        assert "Infinity" not in client.get("/api/v1/spaces").text
        for zone in ("zone_a", "c"):
            assert client.get(f"/spaces/zone/{zone}").status_code == 200

    @pytest.mark.parametrize("name", ["", "   ", "\u200b\u2060"])
    def test_invisible_name(self, clock: Clock, name: str) -> None:
        """The id replaces a name without a visible character."""
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=body(delivery(name=name)))
        assert "<bdi>zone_a</bdi></a>" in client.get("/").text

    def test_rendered_in_pieces(self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        """A page of many zones is rendered with a pause every few lines, in which events are answered."""
        for n in range(90):
            post(client, n, f"Z{n}")
        pauses: list[float] = []
        monkeypatch.setattr("exporter.pieces.sleep", pauses.append)
        assert client.get("/").text.count('<th scope="row">') == 93
        assert len(pauses) > 93 / 8

    def test_only_the_head(self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request for the head of the page gets its headers, and no page is made."""
        whole = client.get("/").headers
        monkeypatch.setattr(Status, "page", lambda *_: pytest.fail("the page was made"))
        head = client.head("/")
        assert (head.status_code, head.data) == (200, b"")
        assert {name for name, _ in whole} - {name for name, _ in head.headers} == {"Content-Length"}
        assert client.head("/?page=0").status_code == 400

    def test_compressed(self, client: FlaskClient) -> None:
        """The page is compressed for a browser that accepts gzip."""
        response = client.get("/", headers={"Accept-Encoding": "gzip"})
        assert response.content_encoding == "gzip"
        assert "Desk 01" in gzip.decompress(response.data).decode()

    def test_the_first_event(self, clock: Clock) -> None:
        """The event that the page suggests is accepted, and its zone replaces the suggestion."""
        client = create_app(clock=clock).test_client()
        page = client.get("/").text.replace("&#39;", "'").replace("&#34;", '"')
        (suggested,) = re.findall(r"-d '(.*)'</code>", page)
        event = json.loads(suggested.replace("'$(date +%s)'", str(NOW // SECOND)))
        assert client.post("/webhook", json=event).get_json() == {"received": 1, "outcomes": {"new": 1}}
        assert "No event has arrived" not in client.get("/").text

    def test_tls(self, clock: Clock, pairs: tuple[Pair, Pair]) -> None:
        """The page names the webhook by the scheme and port of `listen`, not by its own."""
        settings = Settings(metrics_listen=Address("", 9729), tls_cert=pairs[0].cert, tls_key=pairs[0].key)
        app = build(settings, clock).reading_app
        assert "curl https://localhost:9728/webhook" in app.test_client().get("/").text


class TestZone:
    """`GET /spaces/zone/<zone_id>`."""

    def test_page(self, client: FlaskClient) -> None:
        """The page of a zone has both measures with their readings, its names, and queries to copy."""
        events = [delivery(NOW, 2, generation=G), delivery(NOW, 2.5, measure=SMOOTHED)]
        client.post("/webhook", data=body(*events))
        page = client.get("/spaces/zone/zone_a").text
        assert "<h1><bdi>Desk 01</bdi> " in page
        assert page.count("<polyline") == 2
        assert delivery(generation=G).id in page
        for query in (
            "butlr_zone_occupancy{zone_id=&#34;zone_a&#34;}",
            "last_over_time(butlr_zone_occupancy_1min_settled{zone_id=&#34;zone_a&#34;}[15m])",
        ):
            assert f"<code>{query}</code>" in page

    @pytest.mark.parametrize(
        "zone_id", ["a/b", "a b", "ä?#%", '"quoted"\\', "../zones", "a//b", "\u2028", "/lead", "two\nlines"]
    )
    def test_any_id(self, client: FlaskClient, zone_id: str) -> None:
        """The link of a zone leads to its page, and its queries are valid PromQL, for any id."""
        client.post("/webhook", data=body(delivery(zone=zone_id, name="odd")))
        (link,) = re.findall(r'<a href="\.(/spaces/zone/[^"]*)"><bdi>odd</bdi></a>', client.get("/?q=odd").text)
        page = client.get(unescape(link)).text
        assert "<h1><bdi>odd</bdi> " in page
        (style,) = re.findall(r'<link rel="stylesheet" href="([^"]*)"', page)
        # `urljoin` drops empty segments, which a browser counts.
        assert urljoin(unescape(link).replace("/../", "/x/").replace("//", "/x/"), style).startswith("/assets/")
        text = zone_id.replace("\\", "\\\\").replace('"', r"\"").replace("\n", r"\n")
        assert f'butlr_zone_occupancy{{zone_id="{text}"}}' in page.replace("&#34;", '"')


class TestAssets:
    """The style and the script."""

    def test_versions(self, client: FlaskClient) -> None:
        """Each page asks for the style and the script by the digest of their content, so that browsers cache them."""
        for path in ("/", "/spaces/zone/zone_Hall"):
            found = re.findall(r'(?:href|src)="([./]+/assets/([^"?]+)\?v=([^"]+))"', client.get(path).text)
            assert {name for _, name, _ in found} == set(ASSETS)
            for address, name, version in found:
                response = client.get(urljoin(path, address))
                assert response.data == ASSETS[name]
                assert version == VERSIONS[name]
                assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        problem(client.get("/assets/none"), 404)


class TestKinds:
    """Rooms and floors have pages and JSON as zones do."""

    def test_a_room_and_a_floor(self, clock: Clock, tmp_path: Path) -> None:
        """A room and a floor with the same id are listed, and each has a page and JSON of its own."""
        file = tmp_path / "capacity.yml"
        file.write_text("capacity: [{kind: room, max: 2}, {kind: floor, max: 120}, {max: 1}]")
        client = with_capacity(clock, str(file))
        for v, measure in (
            (3, Measure.ROOM_OCCUPANCY),
            (25, Measure.FLOOR_OCCUPANCY_1MIN),
            (2, Measure.ZONE_OCCUPANCY),
        ):
            assert client.post("/webhook", data=body(delivery(v=v, measure=measure))).status_code == 200
        listed = client.get("/api/v1/spaces").get_json()
        assert {(space["kind"], space["id"], space["capacity"]) for space in listed["spaces"]} == {
            ("floor", "zone_a", 120),
            ("room", "zone_a", 2),
            ("zone", "zone_a", 1),
        }
        assert listed["totals"] == {"spaces": 3, "fresh": 3, "stale": 0, "crowded": 2, "people": 27, "missing": 0}
        room = client.get("/api/v1/spaces/room/zone_a").get_json()
        assert room["measures"]["ROOM_OCCUPANCY"]["occupancy"] == 3
        assert room["rule"] == {"line": 1, "fields": {}, "max": 2}
        assert room["crowded"]
        page = client.get("/spaces/floor/zone_a").text
        assert "FLOOR_OCCUPANCY_1MIN" in page
        assert "butlr_floor_occupancy_1min{floor_id=&#34;zone_a&#34;}" in page
        assert client.get("/spaces/sensor/zone_a").status_code == 404
        assert "/spaces/room/zone_a" in client.get("/?kind=room").text

    def test_a_room_with_motion(self, clock: Clock) -> None:
        """Motion is shown as a word, and never as a number of people."""
        client = create_app(clock=clock).test_client()
        began = delivery(NOW - MINUTE, 1, measure=Measure.MOTION, name="Birch", id="a")
        for event, word in ((began, "motion"), (delivery(NOW, 0, measure=Measure.MOTION, id="b"), "no motion")):
            assert client.post("/webhook", data=body(event)).status_code == 200
            listed = client.get("/api/v1/spaces").get_json()
            (room,) = listed["spaces"]
            assert (room["measure"], room["state"], room["crowded"]) == ("MOTION", "fresh", False)
            assert room["measures"]["MOTION"]["motion"] == word
            assert "occupancy" not in room["measures"]["MOTION"]
            assert listed["totals"]["people"] == 0
            assert f"<td>{word} <span" in client.get("/").text
            assert f'<p class="count">{word} ' in client.get("/spaces/room/zone_a").text
        page = client.get("/spaces/room/zone_a").text
        assert "Readings of Desk 01: motion, no motion" in page
        assert '<th scope="col" class="number">People</th>' not in page
        assert "butlr_room_motion{room_id=&#34;zone_a&#34;}" in page
        readings = client.get("/api/v1/spaces/room/zone_a").get_json()["readings"]["MOTION"]
        assert [reading["value"] for reading in readings] == ["motion", "no motion"]

    def test_people_and_motion_of_a_room(self, clock: Clock, tmp_path: Path) -> None:
        """A room is shown by its people while their count is fresh, then by its motion, which has no capacity."""
        file = tmp_path / "capacity.yml"
        file.write_text("capacity: [{kind: room, max: 0.5}]")
        client = with_capacity(clock, str(file))
        for event in (delivery(v=3, measure=Measure.ROOM_OCCUPANCY), delivery(v=1, measure=Measure.MOTION)):
            client.post("/webhook", data=body(event))
        listed = client.get("/api/v1/spaces").get_json()
        assert (listed["spaces"][0]["measure"], listed["spaces"][0]["crowded"]) == ("ROOM_OCCUPANCY", True)
        assert listed["totals"]["people"] == 3
        clock.now += HOUR
        listed = client.get("/api/v1/spaces").get_json()
        assert (listed["spaces"][0]["measure"], listed["spaces"][0]["crowded"]) == ("MOTION", False)
        assert listed["totals"] == {"spaces": 1, "fresh": 1, "stale": 0, "crowded": 0, "people": 0, "missing": 0}
        for sort in ("people", "full", "age", "name"):
            assert client.get(f"/?sort={sort}").status_code == 200

    def test_a_sensor(self, clock: Clock) -> None:
        """Detections are the people that a sensor sees; they are in no total, and gone when it is silent."""
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=body(delivery(v=2, measure=Measure.DETECTIONS)))
        listed = client.get("/api/v1/spaces").get_json()
        assert listed["spaces"][0]["measures"]["DETECTIONS"]["detections"] == 2
        assert listed["totals"]["people"] == 0
        assert '<td class="number">2</td>' in client.get("/").text
        page = client.get("/spaces/sensor/zone_a").text
        assert '<p class="count">2 ' in page
        assert "butlr_sensor_detections{sensor_id=&#34;zone_a&#34;}" in page
        clock.now += 31 * SECOND
        space = client.get("/api/v1/spaces/sensor/zone_a").get_json()
        assert space["measures"]["DETECTIONS"]["detections"] is None
        assert space["state"] == "stale"
        assert client.get("/spaces/sensor/zone_a").status_code == 200
        assert client.get("/").status_code == 200
