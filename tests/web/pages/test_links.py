"""Links of the pages, and the answers to links that lead nowhere."""

import re
from html import unescape
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient

from exporter.web.problems import UNKNOWN_SPACE
from tests.support.deliveries import Clock
from tests.support.placed import three_zones
from tests.support.responses import problem


@pytest.fixture
def client() -> FlaskClient:
    """Return a client of an app with three zones."""
    return three_zones(Clock())


class TestPrefix:
    """A proxy may serve the pages under a path of its own."""

    @pytest.mark.parametrize("path", ["/", "/?sort=people", "/spaces/zone/zone_Hall", "/spaces/zone/none", "/none/at"])
    def test_links_are_relative(self, client: FlaskClient, path: str) -> None:
        """Each address in a page stays below the path under which a proxy serves the page, and leads somewhere."""
        page = client.get(path, headers={"Accept": "text/html"}).text
        addresses = re.findall(r'(?:href|src|action|data-api)="([^"#]*)', page)
        assert len(addresses) > 4
        for address in addresses:
            if address not in ("", "data:,"):
                whole = urljoin(f"/butlr{path}", unescape(address))
                assert whole.startswith("/butlr/"), address
                assert client.get(whole.removeprefix("/butlr")).status_code == 200, address

    def test_an_absolute_target(self, client: FlaskClient) -> None:
        """A request whose target is a whole URL, as for a proxy, gets the same page."""
        environ = {"RAW_URI": "http://x/spaces/zone/zone_Hall"}
        path = "/spaces/zone/zone_Hall"
        assert client.get(path, environ_overrides=environ).text == client.get(path).text

    @pytest.mark.parametrize("raw", ["", "/mounted/spaces/zone/zone_Hall"])
    def test_a_mounted_app(self, client: FlaskClient, raw: str) -> None:
        """Links stay below the path under which another app mounts this one, with or without the raw target."""
        environ = {"SCRIPT_NAME": "/mounted", "RAW_URI": raw}
        page = client.get("/spaces/zone/zone_Hall", environ_overrides=environ).text
        (address,) = re.findall('data-api="([^"]*)"', page)
        whole = urljoin("/butlr/mounted/spaces/zone/zone_Hall", address)
        assert whole == "/butlr/mounted/api/v1/spaces/zone/zone_Hall"


class TestProblems:
    """Errors for people."""

    BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

    @pytest.mark.parametrize(
        ("path", "status", "text"),
        [
            ("/spaces/zone/none", 404, f"N{UNKNOWN_SPACE.format(kind='zone')[1:]}."),
            ("/nothing", 404, "There is nothing at /nothing."),
            ("/?state=full", 400, "State must be one of fresh, stale, crowded, missing."),
        ],
    )
    def test_a_browser(self, client: FlaskClient, path: str, status: int, text: str) -> None:
        """A browser gets a page that says what is wrong and leads back; every other client gets a problem."""
        response = client.get(path, headers={"Accept": self.BROWSER})
        assert (response.status_code, response.content_type) == (status, "text/html; charset=utf-8")
        assert f"<p>{text}</p>" in response.text
        assert '">All places</a>' in response.text
        assert response.headers["Content-Security-Policy"] == client.get("/").headers["Content-Security-Policy"]
        assert int(response.headers["Content-Length"]) == len(response.data)
        for accept in ("*/*", "application/json", ""):
            other = client.get(path, headers={"Accept": accept})
            problem(other, status)
            assert "Accept" in other.vary
        assert "Accept" in response.vary

    def test_paths_for_programs(self, client: FlaskClient) -> None:
        """The API, the webhook and the metrics answer a problem even to a program that asks for HTML first."""
        headers = {"Accept": "text/html, image/gif, */*; q=.2"}
        problem(client.get("/api/v1/spaces/zone/none", headers=headers), 404)
        problem(client.get("/webhook", headers=headers), 405)
        problem(client.post("/webhook", data=b"{", headers=headers), 400)
        problem(client.get("/metrics/none", headers=headers), 404)

    def test_the_name_in_a_path_is_escaped(self, client: FlaskClient) -> None:
        """A path with a script in it is shown as text."""
        page = client.get("/<script>alert(1)</script>", headers={"Accept": self.BROWSER}).text
        assert "<script>alert" not in page
