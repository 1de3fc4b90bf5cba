"""An app with zones in several places, for tests of pages."""

from flask.testing import FlaskClient

from exporter.app import create_app
from exporter.settings.declared import Settings
from tests.support.deliveries import HOUR, NOW, Clock, delivery, payload


def three_zones(clock: Clock) -> FlaskClient:
    """Return a client of an app with three zones, of which one is stale."""
    client = create_app(clock=clock).test_client()
    post(client, 5, "Desk 01", floor="1st Floor", age=12_500)
    post(client, 2, "Hall", floor="Ground Floor", age=30_000)
    post(client, 9, "Cellar", floor="Basement", age=HOUR)
    return client


def post(client: FlaskClient, value: float, name: str, floor: str = "1st Floor", age: int = 0) -> None:
    """Post one reading of a zone with this name."""
    item = payload(delivery(NOW - age, value, zone=f"zone_{name}", name=name, id=f"event_{name}_{age}"))
    item["metadata"] |= {"floor_name": floor, "building_name": "HQ", "site_name": "SF"}
    assert client.post("/webhook", json=item).status_code == 200


def with_capacity(clock: Clock, capacity_file: str) -> FlaskClient:
    """Return a client of an app with this capacity file."""
    return create_app(Settings(capacity_file=capacity_file), clock).test_client()
