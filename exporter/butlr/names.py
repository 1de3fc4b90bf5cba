"""The names of Butlr's API. No live account was asked: the names below "Inferred" stand in no public page.

Source: docs.butlr.io, Butlr's public MCP server (github.com/butlrtechnologies/butlr-mcp), and notes in its history. A
name in a query that begins with `?Type.` is optional: `graphql` leaves it out where the account's schema refuses it.
"""

from typing import NamedTuple

from exporter.events.measures import Kind

LOGIN_PATH = "/api/v2/clients/login"
GRAPHQL_PATH = "/api/v3/graphql"
REPORTING_PATH = "/api/v3/reporting"

AUDIENCE = "https://butlrauth/"
"""The audience of a token, also where `butlr_api_url` is another region."""

SITES = """{
  sites { data {
    id name ?Site.timezone ?Site.customID ?Site.org_id
    buildings {
      id name ?Building.customID ?Building.capacity { max }
      floors {
        id name ?Floor.floorNumber ?Floor.timezone ?Floor.customID ?Floor.tags { name } ?Floor.capacity { max }
        rooms { id name ?Room.customID ?Room.tags { name } ?Room.capacity { max } }
        zones { id name ?Zone.room_id ?Zone.customID ?Zone.tags { name } ?Zone.capacity { max } }
      }
    }
  } }
}"""

SENSORS = """{
  sensors { data {
    id ?Sensor.name ?Sensor.mac_address ?Sensor.mode ?Sensor.model ?Sensor.floor_id ?Sensor.room_id ?Sensor.hive_serial
    ?Sensor.is_online ?Sensor.last_heartbeat
  } }
}"""

VIRTUAL_MACS = ("mi-rr-or", "fa-ke")
"""The beginnings of the mac addresses of virtual and test sensors, in lower case."""

TEST_SERIALS = ("fake",)
"""The beginnings of the serial numbers of test hives, in lower case."""

WEBHOOKS = """{
  webhooks {
    id name event_types
    endpoint_config { url http_timeout api_key { key value } basic_auth { username password } }
    ?Webhook.filters ?Webhook.send_on_value_change ?Webhook.status ?Webhook.org_id
  }
}"""

CREATE_WEBHOOKS = "mutation ($input: [WebhookCreateInput!]!) { createWebhooks(input: $input) { id } }"
UPDATE_WEBHOOKS = "mutation ($input: [WebhookUpdateInput!]!) { updateWebhooks(input: $input) { id } }"
DELETE_WEBHOOKS = "mutation ($ids: [ID!]!) { deleteWebhooks(ids: $ids) }"

CREATE_INPUT = "WebhookCreateInput"
UPDATE_INPUT = "WebhookUpdateInput"

FILTERS = ("org_ids", "site_ids", "building_ids", "floor_ids", "room_ids", "zone_ids", "mac_addresses")
"""The filters of a webhook that are lists of ids."""

OCCUPANCY_FILTER = "occupancy"
"""A filter by the number of people: with it, Butlr delivers no zeros."""

MINUTE, MEDIAN = "1m", "median"
"""The window and the function that Butlr advises for minutes."""


class Measurement(NamedTuple):
    """The names of one kind of space in the Reporting API."""

    name: str
    ids_filter: str
    """The filter that lists ids."""
    id_field: str
    """The field of a point with the id: a zone's point has the ids of its room and floor too."""


MEASUREMENTS = {
    Kind.ZONE: Measurement("zone_occupancy", "zones", "zone_id"),
    Kind.ROOM: Measurement("room_occupancy", "rooms", "room_id"),
    Kind.FLOOR: Measurement("floor_occupancy", "spaces", "space_id"),
}

# Inferred.

_SENSOR_PREFIX = "sensor_"
"""The beginning of a sensor's id in GraphQL; the rest is taken to be the id in its events, which has no prefix."""


def id_in_events(device_id: str) -> str:
    """Return the id of a sensor or hive in events; a hive has the same everywhere."""
    return device_id.removeprefix(_SENSOR_PREFIX)


HIVE_SERIAL, HIVE_ONLINE, HIVE_HEARTBEAT = "serialNumber", "isOnline", "lastHeartbeat"

HIVES = f"""{{
  hives {{ data {{
    id ?Hive.name ?Hive.{HIVE_SERIAL} ?Hive.floor_id ?Hive.{HIVE_ONLINE} ?Hive.{HIVE_HEARTBEAT}
  }} }}
}}"""
"""The fields of a hive beside its id, which no page lists."""

STATUS = "status"
"""The field that tells whether a webhook is active, and may switch it on; only notes of Butlr's engineers name it."""

INPUT = {
    "name": "name",
    "event_types": "eventTypes",
    "endpoint_config": "endpointConfig",
    "url": "url",
    "http_timeout": "httpTimeout",
    "api_key": "apiKey",
    "key": "key",
    "value": "value",
    "basic_auth": "basicAuth",
    "username": "username",
    "password": "password",
    "filters": "filters",
    "send_on_value_change": "send_on_value_change",
}
"""The fields of a webhook as a mutation spells them, where the schema cannot be asked. The output has the names on the
left; pages show `eventTypes`, `endpointConfig`, `httpTimeout` in inputs; `apiKey` and `basicAuth` follow these."""

INPUT_TYPES = """query ($name: String!) {
  __type(name: $name) { inputFields { name type { ...Type } } }
}
fragment Type on __Type {
  name inputFields { name type { ...Inner } }
  ofType { name inputFields { name type { ...Inner } } ofType { name } }
}
fragment Inner on __Type { name inputFields { name } ofType { name inputFields { name } } }"""
"""Asks the schema for the fields of an input type and of the types inside it."""
