"""The pages judged by axe, which knows the rules of accessibility."""

import json
import time
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.support.browsing import post, with_capacity
from tests.support.kinds import post_every_kind
from tests.support.sockets import fresh

pytestmark = pytest.mark.xdist_group("accessible")  # they share a browser

TOO_WIDE = "[...document.querySelectorAll('td')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)"
"""The texts of cells that reach into the next cell."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_axe(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    """Axe finds nothing wrong on an empty page, one with zones of every state and a refusal, a zone's, and none."""
    with with_capacity(tmp_path) as exporter:
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})  # type: ignore[arg-type]

        def violations() -> list[str]:
            found = Axe().run(page).response["violations"]
            return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]

        page.goto(exporter.url)
        assert violations() == []
        for name, value, age in [("Full Hall", 9, 0), ("Roomy Hall", 5, 0), ("Desk", 7, 0), ("Silent", 1, 3000)]:
            post(exporter, name, value, age=age)
        with pytest.raises(OSError, match="422"):
            exporter.post(b"{}")
        page.goto(exporter.url)
        page.get_by_text("Refused lately").click()
        states = {text[:12] for text in page.locator("td .state").all_text_contents()}
        assert states == {"no data sinc", "over capacit"}
        assert violations() == []
        page.goto(f"{exporter.url}/spaces/zone/zone%20none")
        assert violations() == []
        page.goto(f"{exporter.url}/spaces/zone/zone%20Full%20Hall")
        for fold in page.locator("summary").all():
            fold.click()
        assert violations() == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.close()


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")])
def test_axe_on_every_kind(browser: Browser, tmp_path: Path, scheme: str, width: int) -> None:
    """Axe finds nothing wrong on the tab of each kind and on the page of a place of each; each text has room there."""
    with with_capacity(tmp_path) as exporter:
        post_every_kind(exporter)
        silent = json.loads(fresh("r2", 2)) | {"type": "ROOM_OCCUPANCY", "timestamp": int(time.time() - 900) * 1000}
        silent["metadata"] = {"floor_id": "f1", "floor_name": "1st Floor", "room_id": "r2", "room_name": "Cedar"}
        exporter.post(json.dumps(silent).encode())
        crossed = {"id": "event_long_ago", "type": "TRAFFIC", "timestamp": int(time.time() - 110 * 60) * 1000}
        crossed |= {"metadata": {"sensor_id": "back door", "floor_id": "f1"}, "data": {"in": 888888, "out": 888888}}
        exporter.post(json.dumps(crossed).encode())  # shown as 110 min ago: no age is longer
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 800})  # type: ignore[arg-type]
        page.goto(exporter.url)
        expect(page.locator("nav.kinds a")).to_have_count(4)
        for path in [
            *(f"/?kind={kind}" for kind in ("room", "floor", "sensor")),
            *("/spaces/room/r1", "/spaces/floor/f1", "/spaces/sensor/door"),
        ]:
            page.goto(exporter.url + path)
            found = Axe().run(page).response["violations"]
            assert [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]] == [], path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
            assert page.evaluate(TOO_WIDE) == [], path
        page.close()
