"""Pages that are left open, in a real browser: Debian's Chromium, driven by Playwright."""

import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browsing import ask, post, settle
from tests.support.running import Running, running

pytestmark = pytest.mark.xdist_group("browser")  # they share a browser


class TestLive:
    """A page that is left open."""

    @pytest.mark.long
    def test_a_page_follows_a_zone(self, page: Page, exporter: Running) -> None:
        """Without a reload a page shows a new zone, its changed count, its crowd and its silence."""
        page.goto(exporter.url)
        page.evaluate("window.same = true")
        expect(page.locator("h2", has_text="No event has arrived yet")).to_be_visible()
        expect(page.get_by_role("button", name="Copy").first).to_be_visible()
        expect(page.get_by_label("Search")).to_be_hidden()
        post(exporter, "Full Desk", 1)
        ask(page)
        row = page.locator("tr", has=page.get_by_role("link", name="Full Desk"))
        expect(row.locator("td.number").first).to_contain_text("1 / 2")
        expect(row.locator(".state")).to_have_count(0)
        expect(page.get_by_label("Search")).to_be_visible()
        post(exporter, "Full Desk", 3)
        ask(page)
        expect(row.locator(".state")).to_have_text("over capacity by 1")
        expect(row.locator("td.number").first).to_contain_text("3 / 2")
        expect(page.locator(".alarm strong")).to_have_text("1")
        expect(row.locator(".state")).to_contain_text("no data since", timeout=40_000)
        expect(row.locator(".last")).to_have_text("last known count 3")
        assert page.evaluate("window.same")

    def test_ages_go_on(self, page: Page, exporter: Running) -> None:
        """The age of a reading grows every second, from the age that the exporter gave, also between two answers."""
        post(exporter, "Desk", 1, age=600)
        page.goto(exporter.url)
        settle(page)
        age = page.locator("tbody time[data-age]")
        expect(age).to_have_text("10 min")
        page.route("**/api/**", lambda route: route.fulfill(status=304))
        page.clock.fast_forward("20:00")
        expect(age).to_have_text("30 min")
        page.clock.fast_forward("02:00:00")
        expect(age).to_have_text("2 h")

    def test_a_refusal(self, page: Page, exporter: Running) -> None:
        """A refusal is shown with its field and reason, and stays open through an update."""
        post(exporter, "Desk", 1)
        page.goto(exporter.url)
        with pytest.raises(OSError, match="422"):
            exporter.post(b'{"id": "<b>bad</b>", "type": "ZONE_OCCUPANCY", "timestamp": 1790000000, "data": "secret"}')
        ask(page)
        page.get_by_text("Refused lately: 1").click()
        cell = page.get_by_role("cell", name="<b>bad</b>")
        expect(cell).to_be_visible()
        post(exporter, "Desk", 2)
        ask(page)
        expect(page.locator("tbody td.number").first).to_contain_text("2")
        expect(cell).to_be_visible()
        assert "secret" not in page.content()

    def test_the_exporter_is_gone_and_returns(self, browser: Browser, tmp_path: Path) -> None:
        """A page says that the exporter does not answer, until the exporter answers again."""
        with running(tmp_path / "log") as exporter:
            post(exporter, "Desk", 4)
            page = browser.new_page()
            page.clock.install()
            page.goto(exporter.url)
            alert = page.get_by_role("alert")
            expect(alert).to_be_hidden()
        ask(page)
        expect(alert).to_contain_text("has not answered since")
        expect(page.locator("tbody td.number").first).to_contain_text("4")
        with running(tmp_path / "log2", port=exporter.port) as again:
            post(again, "Desk", 5)
            ask(page)
            expect(alert).to_be_hidden()
            expect(page.locator("tbody td.number").first).to_contain_text("5")
        page.close()

    def test_an_exporter_that_hangs(self, browser: Browser, exporter: Running) -> None:
        """A page says that a hanging exporter does not answer, and shows its count once it goes on."""
        post(exporter, "Desk", 4)
        page = browser.new_page()
        page.clock.install()
        page.goto(exporter.url)
        alert = page.get_by_role("alert")
        expect(alert).to_be_hidden()
        exporter.process.send_signal(signal.SIGSTOP)
        try:
            with page.expect_request("**/api/v1/spaces"):
                ask(page)
            page.clock.fast_forward(10_000)
            expect(alert).to_contain_text("has not answered since")
        finally:
            exporter.process.send_signal(signal.SIGCONT)
        post(exporter, "Desk", 5)
        ask(page)
        expect(alert).to_be_hidden()
        expect(page.locator("tbody td.number").first).to_contain_text("5")
        page.close()

    def test_an_update_leaves_a_reader_alone(self, page: Page, exporter: Running) -> None:
        """An update leaves the focus, the selection, the place in a table and a folded floor as they are."""
        page.set_viewport_size({"width": 390, "height": 800})
        with pytest.raises(OSError, match="422"):
            exporter.post(b'{"id": "' + b"x" * 90 + b'"}')
        for name in ("Desk", "Hall"):
            post(exporter, name, 1)
        post(exporter, "Bar", 1, "2nd Floor")
        page.goto(exporter.url)
        page.get_by_text("2nd Floor: ").click()
        expect(page.get_by_role("link", name="Bar")).to_be_hidden()
        page.get_by_text("Refused lately").click()
        page.evaluate("document.querySelector('.refused .table').scrollLeft = 90")
        page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-key=\"zone zone Hall\"] bdi'))")
        page.get_by_role("region", name="Zones, 1st Floor").focus()
        post(exporter, "Attic", 2)
        post(exporter, "Hall", 2)
        ask(page)
        expect(page.locator("tbody th[scope=row]")).to_have_count(4)
        expect(page.get_by_role("link", name="Bar")).to_be_hidden()
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Zones, 1st Floor"
        assert page.evaluate("document.querySelector('.refused .table').scrollLeft") == 90
        assert page.evaluate("getSelection().toString()") == "Hall"

    @pytest.mark.parametrize("secret_in_address", [False, True])
    def test_with_a_password(self, browser: Browser, tmp_path: Path, secret_in_address: bool) -> None:
        """A page works with a password, even one in the address, and reports it when it becomes invalid."""
        flags = ["--metrics-username=me"]
        with running(tmp_path / "log", *flags, "--metrics-password=first") as exporter:
            context = browser.new_context(
                http_credentials=None if secret_in_address else {"username": "me", "password": "first"}
            )
            page = context.new_page()
            page.clock.install()
            page.goto(exporter.url.replace("//", "//me:first@") if secret_in_address else exporter.url)
            post(exporter, "Desk", 3)
            ask(page)
            expect(page.locator("tbody td.number").first).to_contain_text("3")
            expect(page.get_by_role("alert")).to_be_hidden()
        with running(tmp_path / "log2", *flags, "--metrics-password=second", port=exporter.port):
            ask(page)
            if secret_in_address:  # the answer is then the browser's own, to nobody
                page.clock.fast_forward(10_000)
                expect(page.get_by_role("alert")).to_be_visible()
            else:
                expect(page.get_by_role("alert")).to_contain_text("no longer accepted")
        context.close()

    def test_a_page_asks_for_changes(self, page: Page, exporter: Running) -> None:
        """A page asks the API with the ETag that it has, and fetches itself again only after a change."""
        post(exporter, "Desk", 1, age=600)  # silent from the beginning, so that time alone changes nothing
        asked: list[str] = []
        page.on("response", lambda r: asked.append(f"{r.request.method} {urlsplit(r.url).path} {r.status}"))
        page.goto(exporter.url)
        for _ in range(3):
            with page.expect_response("**/api/v1/spaces"):
                ask(page)
        settle(page)
        post(exporter, "Desk", 2, age=600)
        with page.expect_response(exporter.url + "/"):
            ask(page)
        changed, unchanged = ["HEAD /api/v1/spaces 200", "GET / 200"], "HEAD /api/v1/spaces 304"
        about_zones = [line for line in asked if "/assets/" not in line]
        assert about_zones.count(unchanged) >= 3
        assert [line for line in about_zones if line != unchanged] == ["GET / 200", *changed, *changed]
