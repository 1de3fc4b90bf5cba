"""The names of polled spaces."""

from datetime import timedelta
from itertools import groupby

from exporter.events.measures import Kind, Measure
from exporter.events.model import Metadata
from exporter.rule.outcome import Outcome
from tests.support.deliveries import MINUTE, delivery
from tests.support.polling import START_MS, Polling


def test_names_of_the_inventory() -> None:
    """A space that only polls bring has the names that Butlr lists, also after it was renamed."""
    cloud = Polling()
    cloud.list_zones(floor_name="1st Floor", zone_name="Desk")
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 60))
    cloud.begin()
    cloud.work()
    assert cloud.names("zone_0") == Metadata(floor_name="1st Floor", zone_id="zone_0", zone_name="Desk")
    cloud.list_zones(floor_name="1st Floor", zone_name="Sofa")
    cloud.run(60)
    assert cloud.names("zone_0") == Metadata(floor_name="1st Floor", zone_id="zone_0", zone_name="Sofa")


def test_webhooks_and_polls_alternate() -> None:
    """Where webhooks bring other names than Butlr lists, the labels change once, not with each reading."""
    cloud = Polling(zones=1)
    cloud.list_zones(zone_name="Desk")
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 60))
    cloud.reporting.lag_ms = MINUTE
    cloud.begin()
    seen = []
    for n in range(12):
        cloud.run(41)
        seen.append(cloud.names("zone_0"))
        newest = cloud.now_ms // MINUTE * MINUTE - 2 * MINUTE
        event = delivery(newest, n + 2, generation=int(cloud.now), zone="zone_0", name="Desk one")
        assert cloud.deliver(event._replace(measure=Measure.ZONE_OCCUPANCY_1MIN)) == [Outcome.CORRECTED]
        seen.append(cloud.names("zone_0"))
    assert seen == [seen[0], *[event.metadata] * 23]
    assert seen[0] != event.metadata


def test_new_names_of_the_inventory_win_over_an_older_event() -> None:
    """A rename in Butlr shows at the next poll, and events fill its gaps for the same places."""
    cloud = Polling(zones=1)
    cloud.list_zones(floor_id="space_a", zone_name="Desk")
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 60))
    names = Metadata(org_name="Acme", floor_id="space_a", floor_name="1st", zone_id="zone_0", zone_name="Desk")
    cloud.deliver(delivery(START_MS - 9 * MINUTE, 1, zone="zone_0")._replace(metadata=names))
    cloud.begin()
    cloud.work()
    assert cloud.names("zone_0") == names
    cloud.list_zones(floor_id="space_a", zone_name="Sofa")
    cloud.run(60)
    assert cloud.names("zone_0") == names._replace(zone_name="Sofa")
    cloud.list_zones(floor_id="space_b", zone_name="Sofa")
    cloud.run(60)
    assert cloud.names("zone_0") == Metadata(org_name="Acme", floor_id="space_b", zone_id="zone_0", zone_name="Sofa")


def test_a_rename_outlasts_a_newer_event() -> None:
    """A rename in Butlr that comes beside a newer event shows once a polled reading is the newest."""
    cloud = Polling(zones=1)
    cloud.list_zones(zone_name="Desk")
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 60))
    cloud.begin()
    cloud.work()
    cloud.run(60)
    cloud.deliver(delivery(cloud.now_ms + MINUTE, 3, generation=int(cloud.now), zone="zone_0", name="Desk"))
    cloud.list_zones(zone_name="Sofa")
    seen = []
    for _ in range(5):
        cloud.run(60)
        names = cloud.names("zone_0")
        assert isinstance(names, Metadata)
        seen.append(names.zone_name)
    assert seen[0] == "Desk"
    assert seen[-1] == "Sofa"
    assert len([*groupby(seen)]) == 2


def test_a_space_without_data_is_named_when_it_has_some() -> None:
    """New names wait for the first reading of their space."""
    cloud = Polling(zones=2)
    cloud.list_zones(zone_name="Desk")
    cloud.reporting.fill(Kind.ZONE, ["zone_0"], range(-7, 60))
    cloud.begin(recover=timedelta())
    cloud.run(120)
    cloud.deliver(delivery(cloud.now_ms - 20 * MINUTE, 3, generation=int(cloud.now), zone="zone_1", name="Other"))
    cloud.reporting.fill(Kind.ZONE, ["zone_1"], range(60))
    cloud.run(400)
    assert cloud.names("zone_1") == Metadata(floor_name="1st Floor", zone_id="zone_1", zone_name="Desk")


def test_a_space_that_butlr_lists_no_longer() -> None:
    """A space that leaves the inventory is no longer asked for, and keeps its names."""
    cloud = Polling(zones=2)
    cloud.list_zones(zone_name="Desk")
    cloud.reporting.fill(Kind.ZONE, cloud.zones, range(-7, 60))
    cloud.begin(recover=timedelta())
    cloud.work()
    cloud.zones = ["zone_0"]
    cloud.list_zones(zone_name="Desk")
    cloud.reporting.queries.clear()
    cloud.run(60)
    assert not cloud.reporting.asked(Kind.ZONE, "zone_1")
    assert cloud.names("zone_1") == Metadata(zone_id="zone_1", zone_name="Desk")
