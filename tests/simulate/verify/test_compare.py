"""The comparison after a run: a right exposition has no differences, and each change in it is found."""

import re
import time
from collections.abc import Callable

import pytest
import uvloop

from exporter.app import build, create_app
from exporter.events.measures import Measure
from exporter.settings.declared import Settings
from exporter.simulate.client import Target
from exporter.simulate.verify.arrivals import Exchange, Judgement, Rule
from exporter.simulate.verify.compare import Difference, answer_differences, exposition_differences
from exporter.simulate.verify.oracle import Oracle
from exporter.simulate.verify.scrape import ScrapeFailed, newest_readings_ms, parse, process_start_ms, scrape
from tests.support.deliveries import MINUTE, NOW, SECOND, Clock, body, delivery
from tests.support.running import Threaded, free_port

EVENTS = [
    delivery(NOW - MINUTE, 3, zone="zone_a", name="Desk 01"),
    delivery(NOW - MINUTE, 2.5, zone="zone_b", name='a "name" \\ of\nlines'),
    delivery(NOW - MINUTE, 4, zone="zone_b", name="Desk 02", measure=Measure.ZONE_OCCUPANCY_1MIN, id="b"),
    delivery(NOW - MINUTE, 6, zone="room_a", name="Birch", measure=Measure.ROOM_OCCUPANCY),
    delivery(NOW - MINUTE, 9, zone="space_a", name="1st Floor", measure=Measure.FLOOR_OCCUPANCY),
]


def exposed(clock: Clock, settings: Settings | None = None) -> str:
    """Return the exposition of a real exporter after EVENTS."""
    exporter = create_app(settings, clock=clock).test_client()
    for event in EVENTS:
        exporter.post("/webhook", data=body(event))
    return exporter.get("/metrics").text


def differences(exposition: str, now: int = NOW, until: int | None = None) -> list[Difference]:
    """Return the differences of an exposition from the one that EVENTS must lead to."""
    oracle = Oracle([Exchange(body(event), 0, NOW, NOW, 1, {"new": 1}) for event in EVENTS], Rule())
    return list(exposition_differences(oracle, parse(exposition), now, until or now))


class TestDifferences:
    """Each difference that there can be."""

    @pytest.mark.parametrize("labels", [("zone_id",), ("site_name", "zone_id", "zone_name"), Settings().labels])
    def test_none(self, labels: tuple[str, ...]) -> None:
        """A right exposition has no differences, with any labels of the exporter."""
        assert differences(exposed(Clock(), Settings(labels=labels))) == []

    @pytest.mark.parametrize(
        ("change", "difference"),
        [
            (
                lambda text: re.sub(r'(?m)^(butlr_zone_occupancy{.*"zone_a".*}) 3.0', r"\1 4.0", text),
                Difference("Desk 01 zone_a", "ZONE_OCCUPANCY count", "3", "4"),
            ),
            (
                lambda text: re.sub(r'(?m)^butlr_zone_occupancy{.*"zone_a".*\n', "", text),
                Difference("Desk 01 zone_a", "ZONE_OCCUPANCY count", "3", "none"),
            ),
            (
                lambda text: re.sub(r'(?m)^(butlr_zone_occupancy{.*"zone_a".*)\n', r"\1\n\1\n", text),
                Difference("Desk 01 zone_a", "ZONE_OCCUPANCY count", "3", "3 and 3"),
            ),
            (
                lambda text: re.sub(r'(?m)^(butlr_zone_occupancy_timestamp_seconds{.*"zone_a".*}) .*', r"\1 1.0", text),
                Difference("Desk 01 zone_a", "ZONE_OCCUPANCY time", f"{(NOW - MINUTE) / 1000:.3f}", "1.000"),
            ),
            (
                lambda text: text.replace("Desk 01", "Desk 1"),
                Difference("Desk 01 zone_a", "ZONE_OCCUPANCY zone_name", "'Desk 01'", "'Desk 1'"),
            ),
            (
                lambda text: re.sub(r'(?m)^butlr_zone_info{.*"zone_a".*\n', "", text),
                Difference("Desk 01 zone_a", "ZONE_OCCUPANCY info", "1", "none"),
            ),
            (
                lambda text: re.sub(r'(?m)^(butlr_zone_info{.*"zone_a".*}) 1.0', r"\1 0.0", text),
                Difference("Desk 01 zone_a", "ZONE_OCCUPANCY info", "1", "0"),
            ),
            (
                lambda text: re.sub(r'(?m)^(butlr_zone_info{.*)org_id="",(.*"zone_a".*)', r"\1\2", text),
                Difference("Desk 01 zone_a", "ZONE_OCCUPANCY org_id", "''", "no label"),
            ),
            (
                lambda text: re.sub(r'(?m)^(butlr_zone_occupancy{.*)room_name="",(.*"zone_a".*)', r"\1\2", text),
                Difference("Desk 01 zone_a", "ZONE_OCCUPANCY room_name", "''", "'' and no label"),
            ),
            (
                lambda text: re.sub(r'(?m)^(butlr_zone_occupancy_1min{.*}) 4.0', r"\1 2.5", text),
                Difference("Desk 02 zone_b", "ZONE_OCCUPANCY_1MIN count", "4", "2.5"),
            ),
            (
                lambda text: re.sub(r'(?m)^(butlr_room_occupancy{.*}) 6.0', r"\1 7.0", text),
                Difference("Birch room_a", "ROOM_OCCUPANCY count", "6", "7"),
            ),
            (
                lambda text: text.replace("Birch", "Aspen"),
                Difference("Birch room_a", "ROOM_OCCUPANCY room_name", "'Birch'", "'Aspen'"),
            ),
            (
                lambda text: re.sub(r'(?m)^butlr_floor_info{.*\n', "", text),
                Difference("1st Floor space_a", "FLOOR_OCCUPANCY info", "1", "none"),
            ),
        ],
    )  # fmt: skip
    def test_one(self, change: Callable[[str], str], difference: Difference) -> None:
        """Each change is found as one difference."""
        exposition = exposed(Clock())
        assert change(exposition) != exposition
        assert differences(change(exposition)) == [difference]

    def test_other_zones_are_not_asked_about(self) -> None:
        """Zones of other senders are not compared."""
        assert differences(exposed(Clock()) + 'butlr_zone_occupancy{zone_id="zone_c"} 1\n') == []


class TestStale:
    """Counts that are too old."""

    def test_must_be_absent(self) -> None:
        """A stale count must be absent, while its time and names stay; a frozen one is found."""
        late = NOW + 10 * MINUTE
        fresh, clock = exposed(Clock()), Clock()
        exporter = create_app(clock=clock).test_client()
        for event in EVENTS:
            exporter.post("/webhook", data=body(event))
        clock.now = late
        assert differences(exporter.get("/metrics").text, late) == []
        assert differences(fresh, late)[0] == Difference("Desk 01 zone_a", "ZONE_OCCUPANCY count", "none", "3")

    def test_on_the_edge_both_is_right(self) -> None:
        """A count that becomes stale during the scrape may be present or absent."""
        edge = NOW + 9 * MINUTE
        assert differences(exposed(Clock()), edge, edge + SECOND) == []
        assert differences(exposed(Clock(edge + SECOND)), edge, edge + SECOND) == []


class TestScrape:
    """Scrapes over HTTP."""

    def test_a_real_exporter(self) -> None:
        """The metrics of a real exporter are read."""
        with Threaded(build().ports[0].service) as (port, _):
            scraped = uvloop.run(scrape(Target(f"http://127.0.0.1:{port}/metrics", {}, "GET")))
        assert scraped["butlr_exporter_spaces"]
        assert 0 < time.time() - process_start_ms(scraped) / 1000 < 3600

    @pytest.mark.parametrize(
        ("path", "reason"),
        [("/metric", "404 Not Found"), ("/", "shows no metrics of butlr-exporter"), ("/-/healthy", "shows no metrics")],
    )
    def test_what_is_no_exposition(self, path: str, reason: str) -> None:
        """An answer that is no exposition is reported with its URL and a reason."""
        with Threaded(build().ports[0].service) as (port, _), pytest.raises(ScrapeFailed) as not_scraped:
            uvloop.run(scrape(Target(f"http://127.0.0.1:{port}{path}", {}, "GET")))
        assert str(not_scraped.value).startswith(f"http://127.0.0.1:{port}{path}: {reason}")

    def test_nobody_there(self) -> None:
        """A refused connection is reported without the password of the URL."""
        port = free_port()
        with pytest.raises(ScrapeFailed) as not_scraped:
            uvloop.run(scrape(Target(f"http://user:secret@127.0.0.1:{port}/metrics", {}, "GET")))
        assert str(not_scraped.value) == f"http://127.0.0.1:{port}/metrics: Connection refused"

    def test_what_it_tells_of_before(self) -> None:
        """A scrape gives the newest reading of each zone and measure, and the start of the process if it is there."""
        assert newest_readings_ms(parse(exposed(Clock()))) == {(e.space_id, e.measure): e.timestamp for e in EVENTS}
        assert process_start_ms(parse("process_start_time_seconds 17.5\n")) == 17_500
        assert process_start_ms(parse("")) == 0


def test_answers() -> None:
    """An answer other than the expected one is a difference."""
    judgements = [Judgement(EVENTS[0], "new", "new"), Judgement(EVENTS[0], "new", "late")]
    difference = Difference("Desk 01 zone_a", f"answer to {EVENTS[0].id}", "new", "late")
    assert list(answer_differences(judgements)) == [difference]
