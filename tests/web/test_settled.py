"""`GET /metrics/settled`: the corrected history, as a scrape reads it."""

import gzip
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporter.app import create_app
from exporter.events.measures import Measure
from exporter.metrics.counters import SETTLING
from exporter.settings.declared import Settings
from tests.support.deliveries import MINUTE, NOW, Clock, G, body, delivery
from tests.support.responses import samples


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves."""
    return Clock()


def scraped(client: FlaskClient) -> dict[str, list[tuple[str, float, float]]]:
    """Return for each family its samples: zone name, value and time (ms)."""
    text = client.get("/metrics/settled").text
    return {
        family.name: [(s.labels["zone_name"], s.value, round(float(s.timestamp) * 1000)) for s in family.samples]
        for family in text_string_to_metric_families(text)
    }


class TestScrape:
    """Scrapes of one app."""

    @pytest.mark.parametrize("accept", ["", "text/plain", "text/plain;version=0.0.4", "application/json", "*/*"])
    def test_always_openmetrics(self, clock: Clock, accept: str) -> None:
        """The format is OpenMetrics for every `Accept`: the text format does not define several points of a series."""
        response = create_app(clock=clock).test_client().get("/metrics/settled", headers={"Accept": accept})
        assert response.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert response.text.endswith("# EOF\n")
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Vary"] == "Accept-Encoding"

    def test_gzip(self, clock: Clock) -> None:
        """The body is compressed for a client that accepts gzip."""
        client = create_app(clock=clock).test_client()
        client.post("/webhook", data=body(delivery(NOW - 7 * MINUTE)))
        response = client.get("/metrics/settled", headers={"Accept-Encoding": "gzip"})
        assert response.content_encoding == "gzip"
        assert gzip.decompress(response.data) == client.get("/metrics/settled").data

    def test_the_newest_settled_reading(self, clock: Clock) -> None:
        """The newest settled reading of each measure has its own time, its last value, and the zone's present name."""
        client = create_app(clock=clock).test_client()
        client.post(
            "/webhook",
            data=body(
                delivery(NOW - 8 * MINUTE, 1, name="old"),
                delivery(NOW - 7 * MINUTE, 2, name="old", generation=G - 400),
                delivery(NOW - 7 * MINUTE, 3, name="old", generation=G - 300),
                delivery(NOW - 7 * MINUTE, 9, name="old", measure=Measure.ZONE_OCCUPANCY_1MIN),
                delivery(NOW, 4, name="new"),
            ),
        )
        assert {family: samples for family, samples in scraped(client).items() if samples} == {
            "butlr_zone_occupancy_settled": [("new", 3, NOW - 7 * MINUTE)],
            "butlr_zone_occupancy_1min_settled": [("new", 9, NOW - 7 * MINUTE)],
        }
        clock.now += 6 * MINUTE
        assert scraped(client)["butlr_zone_occupancy_settled"] == [("new", 4, NOW)]

    def test_settings(self, clock: Clock) -> None:
        """`settle_after`, `settled_points`, `window` and `labels` decide the samples."""
        settings = Settings(
            settle_after=Settings.settle_after / 2, settled_points=3, window=Settings.window / 3, labels=("zone_id",)
        )
        client = create_app(settings, clock).test_client()
        client.post("/webhook", data=body(*[delivery(NOW - n * MINUTE, n) for n in range(5)]))
        lines = [line for line in client.get("/metrics/settled").text.splitlines() if not line.startswith("#")]
        assert lines == [
            'butlr_zone_occupancy_settled{zone_id="zone_a"} 4.0 1799999760.0',
            'butlr_zone_occupancy_settled{zone_id="zone_a"} 3.0 1799999820.0',
        ]
        clock.now += (
            2 * MINUTE + 1
        )  # two minutes later, newer readings are settled, and older ones have left the window
        times = [time for *_, time in scraped_ids(client)]
        assert times == [NOW - 2 * MINUTE, NOW - MINUTE]

    def test_a_stale_zone(self, clock: Clock) -> None:
        """The last points of a stale zone stay until they leave the window."""
        client = create_app(replace(Settings(), settled_points=2), clock).test_client()
        client.post("/webhook", data=body(delivery(NOW - MINUTE, 1), delivery(NOW, 2)))
        clock.now += 14 * MINUTE - 1
        assert samples(client, "butlr_zone_occupancy") == []
        assert len(scraped(client)["butlr_zone_occupancy_settled"]) == 2
        clock.now += 1
        assert len(scraped(client)["butlr_zone_occupancy_settled"]) == 1
        clock.now += MINUTE
        assert scraped(client)["butlr_zone_occupancy_settled"] == []


def scraped_ids(client: FlaskClient) -> list[tuple[str, float, int]]:
    """Return zone id, value and time (ms) of every sample of the plain measure."""
    families = text_string_to_metric_families(client.get("/metrics/settled").text)
    family = next(family for family in families if family.name == "butlr_zone_occupancy_settled")
    return [(s.labels["zone_id"], s.value, round(float(s.timestamp) * 1000)) for s in family.samples]


class TestCorrections:
    """`butlr_exporter_settled_corrections_total`."""

    def test_a_correction_of_a_settled_reading(self, clock: Clock) -> None:
        """A correction of a settled reading is applied, and counted by its type; earlier ones are not counted."""
        client = create_app(clock=clock).test_client()
        t, smoothed = NOW - 6 * MINUTE, Measure.ZONE_OCCUPANCY_1MIN
        client.post(
            "/webhook",
            data=body(
                delivery(t + 1, 1, generation=G - 9),
                delivery(t + 1, 2, generation=G - 8),
                delivery(t, 1, generation=G - 9),
                delivery(t, 1, generation=G - 8),
                delivery(t, 7, generation=G - 10),
                delivery(t, 3, generation=G - 7),
                delivery(t, 4, generation=G - 6),
                delivery(t, 4, generation=G - 9, measure=smoothed),
            ),
        )
        family = "butlr_exporter_settled_corrections_total"
        counted = {line.split('"')[1]: line.split()[-1] for line in samples(client, family)}
        assert counted == {name: "2.0" if name == "ZONE_OCCUPANCY" else "0.0" for name in SETTLING}
        client.post("/webhook", data=body(delivery(t, 5, generation=G, measure=smoothed)))
        assert [line.split()[-1] for line in samples(client, family)][:2] == ["2.0", "1.0"]
        assert ("Desk 01", 4, t) in scraped(client)["butlr_zone_occupancy_settled"]
