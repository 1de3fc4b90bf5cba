"""The pages in a real browser: Debian's Chromium, driven by Playwright."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.support.browsing import post, with_capacity
from tests.support.running import Running, running
from tests.support.sockets import fresh

SOON_MS = 15_000
"""A page that asks every five seconds has shown a change by then; on a busy machine as well."""

expect.set_options(timeout=SOON_MS)


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Running]:
    """Return an exporter."""
    with with_capacity(tmp_path) as exporter:
        yield exporter


@pytest.fixture
def page(browser: Browser, exporter: Running) -> Iterator[Page]:
    """Return a page that must say nothing in the console and ask nobody but the exporter."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(SOON_MS)
    trouble: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            trouble.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((exporter.url, "data:")):
            trouble.append(request.url)

    page.on("console", said)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", asked)
    page.clock.install()
    yield page
    context.close()
    assert [text for text in trouble if "404 (Not Found)" not in text] == []


def ask(page: Page) -> None:
    """Move the clock of a page on, so that it asks the exporter now, once its first question was answered."""
    page.wait_for_load_state("networkidle")
    page.clock.fast_forward(5000)


def names(page: Page) -> list[str]:
    """Return the zones that are shown, in order."""
    return page.locator("tbody th[scope=row] a").all_text_contents()


class TestLive:
    """A page that is left open."""

    @pytest.mark.long
    def test_the_first_event_and_what_comes_then(self, page: Page, exporter: Running) -> None:
        """Without reload: a zone appears, its count changes, it is crowded, and at last silent."""
        page.goto(exporter.url)
        page.evaluate("window.same = true")
        expect(page.locator("h2", has_text="No event has arrived yet")).to_be_visible()
        expect(page.get_by_role("button", name="Copy").first).to_be_visible()
        expect(page.get_by_label("Search")).to_be_hidden()
        post(exporter, "Full Desk", 1)
        ask(page)
        row = page.locator("tr", has=page.get_by_role("link", name="Full Desk"))
        expect(row.locator("td.number").first).to_contain_text("1 / 2")
        expect(row.locator(".state")).to_have_text("fresh")
        expect(page.get_by_label("Search")).to_be_visible()
        post(exporter, "Full Desk", 3)
        ask(page)
        expect(row.locator(".state")).to_have_text("over capacity")
        expect(row.locator("td.number").first).to_contain_text("3 / 2")
        expect(page.locator(".alarm dd").first).to_have_text("1")
        expect(row.locator(".state")).to_have_text("silent", timeout=40_000)
        expect(row.locator("td.number").first).not_to_contain_text("3")
        assert page.evaluate("window.same")

    def test_ages_go_on(self, page: Page, exporter: Running) -> None:
        """The age of a reading grows every second, from the age that the exporter gave, also between two answers."""
        post(exporter, "Desk", 1, age=600)
        page.goto(exporter.url)
        page.wait_for_load_state("networkidle")
        age = page.locator("tbody time")
        expect(age).to_have_text("10 min")
        page.route("**/api/**", lambda route: route.fulfill(status=304))
        page.clock.fast_forward("20:00")
        expect(age).to_have_text("30 min")
        page.clock.fast_forward("02:00:00")
        expect(age).to_have_text("2 h")

    def test_a_refusal(self, page: Page, exporter: Running) -> None:
        """Is told with field and reason, and stays open when it was opened."""
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
        """It is said, and that what is shown is old; once it is back, no more."""
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
            expect(alert).to_be_hidden(timeout=SOON_MS)
            expect(page.locator("tbody td.number").first).to_contain_text("5")
        page.close()

    def test_an_exporter_that_hangs(self, browser: Browser, exporter: Running) -> None:
        """Is as good as gone; what it says at last is shown."""
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

    def test_a_reader_stays_where_it_is(self, page: Page, exporter: Running) -> None:
        """What is new does not take the focus, the selection or the place in a table."""
        page.set_viewport_size({"width": 390, "height": 800})
        with pytest.raises(OSError, match="422"):
            exporter.post(b'{"id": "' + b"x" * 90 + b'"}')
        for name in ("Desk", "Hall"):
            post(exporter, name, 1)
        page.goto(exporter.url)
        page.get_by_text("Refused lately").click()
        page.evaluate("document.querySelector('.refused .table').scrollLeft = 90")
        page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-key=\"zone zone Hall\"] bdi'))")
        page.get_by_role("region", name="Zones").focus()
        post(exporter, "Attic", 2)
        post(exporter, "Hall", 2)
        ask(page)
        expect(page.locator("tbody th[scope=row]")).to_have_count(3)
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Zones"
        assert page.evaluate("document.querySelector('.refused .table').scrollLeft") == 90
        assert page.evaluate("getSelection().toString()") == "Hall"

    @pytest.mark.parametrize("secret_in_address", [False, True])
    def test_with_a_password(self, browser: Browser, tmp_path: Path, secret_in_address: bool) -> None:
        """Also one in the address; once it is no longer taken, the page says so and asks no more."""
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

    def test_asks_whether_anything_has_changed(self, page: Page, exporter: Running) -> None:
        """A page asks the API with the ETag that it has, and fetches itself again only after a change."""
        post(exporter, "Desk", 1)
        asked: list[tuple[str, str, int]] = []
        page.on("response", lambda r: asked.append((r.request.method, r.url.removeprefix(exporter.url), r.status)))
        page.goto(exporter.url)
        for _ in range(3):
            with page.expect_response("**/api/v1/spaces"):
                ask(page)
        post(exporter, "Desk", 2)
        with page.expect_response(exporter.url + "/"):
            ask(page)
        head, whole = ("HEAD", "/api/v1/spaces"), ("GET", "/", 200)
        assert [response for response in asked if not response[1].startswith("/assets/")] == [
            whole, (*head, 200), whole, (*head, 304), (*head, 304), (*head, 304), (*head, 200), whole,
        ]  # fmt: skip


class TestChoosing:
    """Search, filter, order, pages."""

    @pytest.fixture
    def page(self, page: Page, exporter: Running) -> Page:
        """Return a page with some zones."""
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
        """As it is typed; the address has it, so that it can be passed on."""
        page.get_by_label("Search").press_sequentially("2ND hall", delay=20)
        expect(page.locator("tbody th[scope=row]")).to_have_count(1)
        assert names(page) == ["Roomy Hall"]
        expect(page.locator("caption")).to_have_text("1 of 4 zones")
        expect(page).to_have_url(f"{exporter.url}/?q=2ND+hall")
        expect(page.get_by_label("Search")).to_be_focused()
        page.reload()
        assert names(page) == ["Roomy Hall"]
        page.get_by_label("Search").fill("nothing")
        expect(page.get_by_text("No zone matches.")).to_be_visible()
        page.get_by_label("Search").fill("")
        expect(page.locator("tbody th[scope=row]")).to_have_count(4)

    def test_filter_and_sort(self, page: Page) -> None:
        """By state, and by what is most."""
        page.get_by_label("State").select_option("crowded")
        expect(page.locator("caption")).to_have_text("1 of 4 zones")
        assert names(page) == ["Full Hall"]
        page.get_by_label("State").select_option("stale")
        expect(page.get_by_role("link", name="Silent")).to_be_visible()
        assert names(page) == ["Silent"]
        page.get_by_label("State").select_option("all")
        expect(page.locator("caption")).to_have_text("4 zones")
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
        """A hundred zones on each."""
        items = [json.loads(fresh(f"z{n}", 1)) for n in range(250)]
        exporter.post(json.dumps(items).encode())
        ask(page)
        expect(page.get_by_text("Page 1 of 3")).to_be_visible()
        page.get_by_role("link", name="Next").click()
        expect(page.get_by_text("Page 2 of 3")).to_be_visible()
        expect(page.locator("tbody th[scope=row]")).to_have_count(100)

    def test_a_zone(self, page: Page, exporter: Running) -> None:
        """Its own page follows it as well."""
        page.get_by_role("link", name="Desk").click()
        expect(page.get_by_role("heading", name="Desk")).to_be_visible()
        expect(page.locator("table tbody tr")).to_have_count(1)
        post(exporter, "Desk", 8, "2nd Floor")
        ask(page)
        expect(page.locator("table tbody tr")).to_have_count(2)
        expect(page.locator(".count")).to_contain_text("8")
        page.get_by_role("link", name="All zones").click()
        expect(page.locator("tbody th[scope=row]")).to_have_count(4)

    def test_a_zone_that_is_forgotten(self, page: Page) -> None:
        """Its page stays, and says so."""
        page.get_by_role("link", name="Desk").click()
        expect(page.get_by_role("heading", name="Desk")).to_be_visible()
        page.route("**/api/v1/spaces/zone/**", lambda route: route.fulfill(status=404, body=""))
        ask(page)
        expect(page.get_by_role("alert")).to_contain_text("no longer known")
        page.unroute_all()
        ask(page)
        expect(page.get_by_role("alert")).to_be_hidden()

    def test_copying(self, browser: Browser, exporter: Running) -> None:
        """A query is in the clipboard as it is shown."""
        post(exporter, "Desk", 1)
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        other = context.new_page()
        other.goto(f"{exporter.url}/spaces/zone/zone%20Desk")
        other.get_by_role("button", name="Copy").first.click()
        expect(other.get_by_role("button", name="Copied")).to_be_visible()
        assert other.evaluate("navigator.clipboard.readText()") == 'butlr_zone_occupancy{zone_id="zone Desk"}'
        context.close()


class TestWithout:
    """What not everyone has."""

    def test_a_script(self, browser: Browser, exporter: Running) -> None:
        """The content is there, and search is a button away."""
        post(exporter, "Desk", 3)
        post(exporter, "Hall", 4)
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(exporter.url)
        assert names(page) == ["Desk", "Hall"]
        assert page.locator("svg.trace polyline").count() == 2
        page.get_by_label("Search").fill("hall")
        page.get_by_role("button", name="Show").click()
        assert names(page) == ["Hall"]
        page.get_by_role("link", name="Hall").click()
        assert page.locator("table tbody tr").count() == 1
        context.close()

    def test_a_mouse(self, page: Page, exporter: Running) -> None:
        """Everything is reached by the keyboard, in order, and where one is, is seen."""
        post(exporter, "Desk", 3)
        page.goto(exporter.url)
        reached = []
        for _ in range(8):
            page.keyboard.press("Tab")
            focused = page.evaluate_handle("document.activeElement")
            reached.append(focused.evaluate("e => e.name || e.textContent.trim() || e.getAttribute('aria-label')")[:20])
            assert focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
        assert reached[:6] == ["Metrics", "Final counts", "JSON", "q", "state", "sort"]
        assert reached[7] == "Desk"

    def test_a_script_in_a_name(self, page: Page, exporter: Running) -> None:
        """It stays text, also in what comes later."""
        page.goto(exporter.url)
        attack = "<script>document.title = 'forged'</script><img src=x onerror=\"document.title = 'forged'\">"
        post(exporter, attack, 1)
        ask(page)
        expect(page.get_by_role("link", name=attack)).to_be_visible()
        page.get_by_role("link", name=attack).click()
        expect(page.get_by_role("heading", name=attack)).to_be_visible()
        assert page.title() == f"{attack} · Butlr exporter"
