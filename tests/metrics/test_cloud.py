"""The families of requests to Butlr's cloud and of polled readings, parsed as Prometheus parses them."""

from exporter.events.measures import Measure
from exporter.metrics.counters import Result
from exporter.rule.outcome import Outcome
from tests.support.scraped import Scraped

FAMILIES = (
    "butlr_exporter_cloud_requests_total",
    "butlr_exporter_cloud_request_duration_seconds_count",
    "butlr_exporter_polled_readings_total",
    "butlr_exporter_last_poll_success_timestamp_seconds",
    "butlr_exporter_assets_last_success_timestamp_seconds",
)


def test_before_their_use() -> None:
    """Without a client id none of the families has a sample."""
    assert not set(FAMILIES) & set(Scraped().samples())


def test_requests() -> None:
    """Each combination starts at 0; a request is counted by its outcome, and its duration is observed."""
    scraped = Scraped()
    scraped.metrics.cloud.begin(["token", "graphql"], ["ok", "error"])
    scraped.metrics.cloud.observe("graphql", "ok", 0.3)
    samples = scraped.samples()
    requests = {(labels["api"], labels["outcome"]): v for labels, v in samples["butlr_exporter_cloud_requests_total"]}
    assert requests == {("token", "ok"): 0, ("token", "error"): 0, ("graphql", "ok"): 1, ("graphql", "error"): 0}
    seconds = samples["butlr_exporter_cloud_request_duration_seconds_sum"]
    assert {labels["api"]: v for labels, v in seconds} == {"token": 0, "graphql": 0.3}


def test_polled_readings() -> None:
    """Polled readings start at 0 for each outcome that they can have, and are counted apart from events."""
    scraped = Scraped()
    scraped.metrics.cloud.expect_polled([Measure.ZONE_OCCUPANCY_1MIN])
    polled = "butlr_exporter_polled_readings_total"
    assert {labels["outcome"]: v for labels, v in scraped.samples()[polled]} == {
        outcome.value: 0 for outcome in Outcome if outcome is not Outcome.UNSUPPORTED
    }
    new = Result("ZONE_OCCUPANCY_1MIN", Outcome.NEW, 0.0)
    scraped.metrics.count_polled([new, new])
    samples = scraped.samples()
    label = {"event_type": "ZONE_OCCUPANCY_1MIN", "outcome": "new"}
    assert (label, 2) in samples[polled]
    assert scraped.metrics.cloud.polled() == {"new": 2}
    assert (label, 0) in samples["butlr_exporter_events_total"]
    assert "butlr_exporter_last_event_received_timestamp_seconds" not in samples


def test_times() -> None:
    """The times of the last successes are samples once there are any."""
    scraped = Scraped()
    scraped.metrics.cloud.last_poll_seconds, scraped.metrics.cloud.last_assets_seconds = 5.0, 6.0
    samples = scraped.samples()
    assert samples["butlr_exporter_last_poll_success_timestamp_seconds"] == [({}, 5)]
    assert samples["butlr_exporter_assets_last_success_timestamp_seconds"] == [({}, 6)]
