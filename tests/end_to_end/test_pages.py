"""Pages that a person uses, in a real browser: Debian's Chromium, driven by Playwright."""

import json
import re
import time
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsing import ELSEWHERE, ask, names, post
from tests.support.kinds import post_every_kind
from tests.support.running import Running
from tests.support.sockets import fresh

pytestmark = pytest.mark.xdist_group("pages")  # they share a browser


class TestChoosing:
    """Search, filter, order, pages."""

    @pytest.fixture
    def page(self, page: Page, exporter: Running) -> Page:
        """Return a page with four zones in different states."""
        for name, value, floor, age in [
            ("Full Hall", 9, "1st Floor", 0),
            ("Roomy Hall", 5, "2nd Floor", 5),
            ("Desk", 7, "2nd Floor", 9),
            ("Silent", 1, "2nd Floor", 3000),
        ]:
            post(exporter, name, value, floor, age)
        page.goto(exporter.url)
        return page

    def test_search(self, page: Page, exporter: Running) -> None:
        """The zones are filtered while the search is typed, and the address holds the search."""
        page.get_by_label("Search").press_sequentially("2ND hall", delay=20)
        expect(page.locator("tbody th[scope=row]")).to_have_count(1)
        assert names(page) == ["Roomy Hall"]
        expect(page.locator("#matched")).to_contain_text("1 of 4 zones")
        expect(page).to_have_url(f"{exporter.url}/?q=2ND+hall")
        expect(page.get_by_label("Search")).to_be_focused()
        page.reload()
        assert names(page) == ["Roomy Hall"]
        page.get_by_label("Search").fill("nothing")
        expect(page.get_by_text("No zone matches.")).to_be_visible()
        page.get_by_label("Search").fill("")
        expect(page.locator("tbody th[scope=row]")).to_have_count(4)

    def test_filter_and_sort(self, page: Page) -> None:
        """The zones are filtered by state and sorted in each order on offer."""
        page.get_by_label("State").select_option("crowded")
        expect(page.locator("#matched")).to_contain_text("1 of 4 zones")
        assert names(page) == ["Full Hall"]
        page.get_by_label("State").select_option("stale")
        expect(page.get_by_role("link", name="Silent", exact=True)).to_be_visible()
        assert names(page) == ["Silent"]
        page.get_by_label("State").select_option("all")
        expect(page.locator("#matched")).to_have_text("4 zones")
        for choice, order in [
            ("most people", ["Full Hall", "Desk", "Roomy Hall", "Silent"]),
            ("fullest", ["Full Hall", "Roomy Hall", "Desk", "Silent"]),
            ("longest silent", ["Silent", "Desk", "Roomy Hall", "Full Hall"]),
            ("name", ["Desk", "Full Hall", "Roomy Hall", "Silent"]),
            ("place", ["Full Hall", "Desk", "Roomy Hall", "Silent"]),
        ]:
            page.get_by_label("Sort by").select_option(label=choice)
            expect(page.locator("tbody th[scope=row] a")).to_have_text(order)

    def test_pages(self, page: Page, exporter: Running) -> None:
        """The index leads to a floor, whose list has a hundred zones on each page."""
        items = [json.loads(fresh(f"z{n}", 1)) for n in range(250)]
        exporter.post(json.dumps(items).encode())
        ask(page)
        page.get_by_role("navigation", name="Floors").get_by_role("link", name="1st Floor").click()
        expect(page.get_by_text("Page 1 of 3")).to_be_visible()
        page.get_by_role("link", name="Next").click()
        expect(page.get_by_text("Page 2 of 3")).to_be_visible()
        expect(page.locator("tbody th[scope=row]")).to_have_count(100)

    def test_a_zone(self, page: Page, exporter: Running) -> None:
        """The page of a zone follows new readings of the zone."""
        page.get_by_role("link", name="Desk").click()
        expect(page.get_by_role("heading", name="Desk")).to_be_visible()
        expect(page.locator("table tbody tr")).to_have_count(1)
        post(exporter, "Desk", 8, "2nd Floor")
        ask(page)
        expect(page.locator("table tbody tr")).to_have_count(2)
        expect(page.locator(".count")).to_contain_text("8")
        page.get_by_role("link", name="All zones").click()
        expect(page.locator("tbody th[scope=row]")).to_have_count(4)

    def test_a_forgotten_zone(self, page: Page) -> None:
        """The page of a forgotten zone stays, and says that the zone is no longer known."""
        page.get_by_role("link", name="Desk").click()
        expect(page.get_by_role("heading", name="Desk")).to_be_visible()
        page.route("**/api/v1/spaces/zone/**", lambda route: route.fulfill(status=404, body=""))
        ask(page)
        expect(page.get_by_role("alert")).to_contain_text("no longer known")
        page.unroute_all()
        ask(page)
        expect(page.get_by_role("alert")).to_be_hidden()

    def test_copying(self, browser: Browser, exporter: Running) -> None:
        """The copy button puts the shown query into the clipboard."""
        post(exporter, "Desk", 1)
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        other = context.new_page()
        other.goto(f"{exporter.url}/spaces/zone/zone%20Desk")
        other.get_by_text("Queries for Prometheus").click()
        other.get_by_role("button", name="Copy").first.click()
        expect(other.get_by_role("button", name="Copied")).to_be_visible()
        assert other.evaluate("navigator.clipboard.readText()") == 'butlr_zone_occupancy{zone_id="zone Desk"}'
        context.close()


class TestKinds:
    """Tabs for the kinds of places."""

    def test_tabs(self, page: Page, exporter: Running) -> None:
        """A tab shows its kind, the search stays in it and comes along to the next, and a new kind is a new tab."""
        post(exporter, "Desk", 7)
        page.goto(exporter.url)
        expect(page.locator("nav.kinds")).to_have_count(0)
        post_every_kind(exporter)
        ask(page)
        tabs = page.get_by_role("navigation", name="Kinds of places").get_by_role("link")
        expect(tabs).to_have_text([re.compile(kind) for kind in ("Zones", "Rooms", "Floors", "Sensors")])
        tabs.nth(1).click()
        expect(page.locator("#matched")).to_have_text("1 room")
        page.get_by_label("Search").fill("oak")
        expect(page.get_by_text("No room matches.")).to_be_visible()
        expect(page).to_have_url(f"{exporter.url}/?kind=room&q=oak")
        page.get_by_label("Search").fill("birch")
        expect(page.locator("#matched")).to_contain_text("1 room")
        tabs.nth(3).click()
        expect(page).to_have_url(f"{exporter.url}/?kind=sensor&q=birch")
        expect(page.locator("#matched")).to_contain_text("2 sensors")
        expect(tabs.nth(3)).to_have_attribute("aria-current", "page")

    def test_into_a_floor(self, page: Page, exporter: Running) -> None:
        """From a floor one comes to its room, from there to an entryway with its day, and back to all sensors."""
        post_every_kind(exporter)
        page.goto(f"{exporter.url}/spaces/floor/f1")
        page.get_by_role("link", name="Birch").click()
        expect(page.get_by_text("motion", exact=True).first).to_be_visible()
        page.get_by_role("link", name="door").click()
        expect(page.locator(".count")).to_contain_text("3 in, 1 out")
        page.get_by_role("link", name="All sensors").click()
        expect(page.locator("#matched")).to_have_text("2 sensors")


class TestWithout:
    """The pages without scripts, without a mouse and without harm from a name."""

    def test_no_scripts(self, browser: Browser, exporter: Running) -> None:
        """Without scripts the zones are shown, and buttons search and forget, but not for a page of another site."""
        post(exporter, "Desk", 3)
        post(exporter, "Hall", 4)
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(exporter.url)
        assert names(page) == ["Desk", "Hall"]
        assert re.search(r"as of \d\d:\d\d UTC$", page.locator("footer").inner_text())
        assert page.locator("svg.trace polyline").count() == 2
        page.get_by_label("Search").fill("hall")
        page.get_by_role("button", name="Show").click()
        assert names(page) == ["Hall"]
        page.get_by_role("link", name="Hall").click()
        assert page.locator("table tbody tr").count() == 1
        for host in ("127.0.0.1", ELSEWHERE):
            form = f"http://{host}:{exporter.port}/spaces/zone/zone%20Hall"
            page.goto(f'data:text/html,<form method="post" action="{form}"><button>Win</button></form>')
            page.get_by_role("button", name="Win").click()
            expect(page.locator("body")).to_contain_text("page of another site may change nothing here")
            page.goto(form)
            button = page.get_by_role("button", name="Forget this zone")
            expect(button).to_be_hidden()
            page.get_by_text("Forget this zone…").click()
            button.click()
            assert names(page) == ["Desk"]
            post(exporter, "Hall", 4)
        context.close()

    def test_no_mouse(self, page: Page, exporter: Running) -> None:
        """The Tab key reaches every control in order, and the focus is visible."""
        post(exporter, "Desk", 3)
        page.goto(exporter.url)
        reached = []
        for _ in range(13):
            page.keyboard.press("Tab")
            focused = page.evaluate_handle("document.activeElement")
            reached.append(focused.evaluate("e => e.name || e.textContent.trim() || e.getAttribute('aria-label')")[:20])
            assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
        assert reached[:3] == ["Metrics", "Final counts", "JSON"]
        tiles, (words, state, sort, heading, table, zone) = reached[3:7], reached[7:]
        for reads, title in zip(tiles, ("People", "Over capacity", "Silent", "Last event"), strict=True):
            assert reads.startswith(title)
        assert (words, state, sort, zone) == ("q", "state", "sort", "Desk")
        assert heading.startswith("1st Floor: ")
        assert table.startswith("Zone")

    def test_elsewhere(self, browser: Browser, exporter: Running) -> None:
        """The pages work below a path of a proxy, and show times in the reader's time zone, also after an update."""
        post(exporter, "Silent", 3, age=3600)
        context = browser.new_context(timezone_id="Asia/Kolkata", locale="en-GB")
        page = context.new_page()
        page.clock.install()
        base = f"{exporter.url}/butlr"
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.route(f"{base}/**", lambda route: route.continue_(url=route.request.url.replace("/butlr", "", 1)))
        page.goto(f"{base}/")
        row = page.locator("tr", has=page.get_by_role("link", name="Silent", exact=True))
        sensed = datetime.fromtimestamp(time.time() - 3600, timezone(timedelta(hours=5, minutes=30)))
        for value in (4, 5):
            expect(row.locator(".state")).to_contain_text(re.compile(r"no data since .*\d\d:\d\d GMT\+5:30$"))
            assert f"{sensed:%H}:" in row.locator(".state").inner_text()
            post(exporter, "Silent", value, age=3600)
            ask(page)
            expect(row.locator(".last")).to_contain_text(str(value))
        page.get_by_label("Search").fill("sil")
        expect(page).to_have_url(f"{base}/?q=sil")
        page.get_by_role("link", name="Silent", exact=True).click()
        expect(page.locator(".chart text").last).to_contain_text("GMT+5:30")
        page.get_by_role("link", name="All zones").click()
        expect(page).to_have_url(f"{base}/?kind=zone")
        context.close()
        assert [url for url in asked if not url.startswith((base, "data:"))] == []

    def test_a_script_in_a_name(self, page: Page, exporter: Running) -> None:
        """A script in a name stays text, even when the name arrives in an update."""
        page.goto(exporter.url)
        attack = "<script>document.title = 'forged'</script><img src=x onerror=\"document.title = 'forged'\">"
        post(exporter, attack, 1)
        ask(page)
        expect(page.get_by_role("link", name=attack)).to_be_visible()
        page.get_by_role("link", name=attack).click()
        expect(page.get_by_role("heading", name=attack)).to_be_visible()
        assert page.title() == f"{attack} · Butlr exporter"
