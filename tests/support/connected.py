"""An exporter with a client id for Butlr's cloud that asks nobody, and the assets that Butlr lists to it."""

import re

from flask.testing import FlaskClient

from exporter.events.measures import Kind
from exporter.events.model import Metadata
from exporter.inventory import Asset
from tests.support.deliveries import NOW, body, delivery
from tests.support.inventories import FLOOR, ROOM

CONNECTED = {"butlr_client_id": "client_1", "butlr_client_secret": "secret"}
"""The settings of such an exporter."""

POD = ROOM._replace(zone_id="zone_pod", zone_name="Pod")
"""A zone in a room."""


def named(
    kind: Kind,
    space_id: str,
    name: str,
    metadata: Metadata = FLOOR,
    tags: tuple[str, ...] = (),
    capacity: float | None = None,
) -> Asset:
    """Return a space of Butlr's assets with a name."""
    there = metadata._replace(**{kind.id_field: space_id, f"{kind}_name": name})
    return Asset(kind, there, capacity, tags)


def send(client: FlaskClient, *zones: str, timestamp: int = NOW) -> None:
    """Post one reading of each of these zones."""
    for zone in zones:
        client.post("/webhook", data=body(delivery(timestamp, 3, zone=zone)))


def text(page: str) -> str:
    """Return the words of a page."""
    return " ".join(re.sub("<[^>]*>", " ", page.replace("<bdi>", "").replace("</bdi>", "")).split())
