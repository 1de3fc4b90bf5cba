"""The requests that share one thread, so that no scrape waits for them."""

import pytest

from exporter.app import build
from exporter.settings.load import load


@pytest.mark.parametrize("flags", [{}, {"metrics_listen": "127.0.0.1:9999"}])
def test_people_wait_for_each_other_and_prometheus_for_nobody(flags: dict[str, str]) -> None:
    """Every path that lists spaces, and the reload, is slow; scrapes, events, probes and styles are not."""
    exporter = build(load(flags, {}))
    service = exporter.ports[-1].service
    slow = {
        rule.rule
        for rule in exporter.reading_app.url_map.iter_rules()
        if service.is_slow({"PATH_INFO": rule.rule.replace("<kind:kind>/<id:space_id>", "zone/zone_a")})
    }
    assert slow == {
        "/",
        "/spaces/<kind:kind>/<id:space_id>",
        "/api/v1/spaces",
        "/api/v1/spaces/<kind:kind>/<id:space_id>",
        "/-/reload",
    }
