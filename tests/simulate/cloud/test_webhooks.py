"""The simulated cloud's webhooks: butlr.md, the webhook GraphQL schema."""

import base64
from typing import Any

import pytest

from tests.support.clouds import SimulatedCloud

FIELDS = """id org_id status name event_types filters send_on_value_change
endpoint_config { url http_timeout api_key { key value } basic_auth { username password } }"""
LIST = f"{{ webhooks {{ {FIELDS} }} }}"
CREATE = f"mutation ($input: [WebhookCreateInput!]!) {{ createWebhooks(input: $input) {{ {FIELDS} }} }}"
UPDATE = f"mutation ($input: [WebhookUpdateInput!]!) {{ updateWebhooks(input: $input) {{ {FIELDS} }} }}"
DELETE = "mutation ($ids: [ID!]!) { deleteWebhooks(ids: $ids) }"

ENDPOINT: dict[str, Any] = {
    "url": "http://localhost:9728/webhook",
    "httpTimeout": 5,
    "apiKey": {"key": "x-api-key", "value": "0123456789abcdef"},
}
INPUT: dict[str, Any] = {"name": "exporter", "eventTypes": ["ZONE_OCCUPANCY", "TRAFFIC"], "endpointConfig": ENDPOINT}

SHOWN: dict[str, Any] = {
    "status": True,
    "name": "exporter",
    "event_types": ["ZONE_OCCUPANCY", "TRAFFIC"],
    "endpoint_config": {
        "url": "http://localhost:9728/webhook",
        "http_timeout": 5,
        "api_key": {"key": "x-api-key", "value": "0123456789abcdef"},
        "basic_auth": None,
    },
    "filters": None,
    "send_on_value_change": False,
}


def listed(cloud: SimulatedCloud) -> list[dict[str, Any]]:
    """Return all webhooks."""
    webhooks: list[dict[str, Any]] = cloud.query(LIST).json["data"]["webhooks"]
    return webhooks


def created(cloud: SimulatedCloud, **changes: object) -> dict[str, Any]:
    """Create a webhook, and return it."""
    answer = cloud.query(CREATE, input=[INPUT | changes])
    assert "errors" not in answer.json, answer.json
    webhook: dict[str, Any] = answer.json["data"]["createWebhooks"][0]
    return webhook


def test_an_account_has_a_webhook_of_somebody_else() -> None:
    """The account begins with a webhook of somebody else, which is not active."""
    (webhook,) = listed(SimulatedCloud())
    assert webhook["endpoint_config"]["url"] == "https://lobby.example.com/butlr"
    assert webhook["status"] is False
    assert webhook["id"].startswith("webhook_")
    assert webhook["org_id"].startswith("org_")


def test_the_life_of_a_webhook() -> None:
    """A webhook is created, listed, updated field by field, and deleted."""
    cloud = SimulatedCloud()
    webhook = created(cloud)
    assert {name: webhook[name] for name in SHOWN} == SHOWN
    assert listed(cloud)[1] == webhook
    endpoint = ENDPOINT | {"apiKey": None, "basicAuth": {"username": "butlr", "password": "hush"}}
    for change, shown in (
        ({"eventTypes": ["ZONE_OCCUPANCY_1MIN"]}, {"event_types": ["ZONE_OCCUPANCY_1MIN"]}),
        ({"name": "other"}, {"name": "other"}),
        ({"filters": {"zone_ids": ["zone_1"]}}, {"filters": {"zone_ids": ["zone_1"]}}),
        ({"send_on_value_change": True}, {"send_on_value_change": True}),
        ({"name": None, "filters": None}, {"filters": None}),
        (
            {"endpointConfig": endpoint},
            {
                "endpoint_config": SHOWN["endpoint_config"]
                | {"api_key": None, "basic_auth": {"username": "butlr", "password": "hush"}}
            },
        ),
    ):
        webhook |= shown
        answer = cloud.query(UPDATE, input=[{"id": webhook["id"]} | change])
        assert answer.json == {"data": {"updateWebhooks": [webhook]}}
    assert listed(cloud)[1] == webhook
    assert cloud.query(DELETE, ids=[webhook["id"]]).json == {"data": {"deleteWebhooks": True}}
    assert len(listed(cloud)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"name": " "},
        {"eventTypes": []},
        {"endpointConfig": ENDPOINT | {"url": "http://exporter.example.com/webhook"}},
        {"endpointConfig": ENDPOINT | {"url": "exporter.example.com/webhook"}},
        {"endpointConfig": ENDPOINT | {"url": "https://"}},
        {"endpointConfig": ENDPOINT | {"httpTimeout": 0}},
        {"endpointConfig": ENDPOINT | {"httpTimeout": 16}},
        {"endpointConfig": ENDPOINT | {"apiKey": {"key": "x", "value": "a\r\nb"}}},
        {"filters": ["zone_1"]},
        {"filters": {"tags": ["desk"]}},
        {"filters": {"zone_ids": "zone_1"}},
        {"filters": {"occupancy": {"comparison": "above", "value": 0}}},
        {"filters": {"occupancy": {"comparison": "gt"}}},
    ],
    ids=str,
)
def test_refused_webhooks(change: dict[str, object]) -> None:
    """A webhook with a refused value is neither created nor updated: an error in a 200 says why."""
    cloud = SimulatedCloud()
    webhook = created(cloud)
    for answer in (
        cloud.query(CREATE, input=[INPUT, INPUT | change]),
        cloud.query(UPDATE, input=[{"id": webhook["id"]} | change]),
    ):
        assert answer.status == 200
        assert answer.json["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert listed(cloud)[1:] == [webhook]


def test_unknown_webhooks() -> None:
    """A webhook that does not exist is neither updated nor deleted, nor is another in the same request."""
    cloud = SimulatedCloud()
    webhook = created(cloud)
    assert cloud.query(UPDATE, input=[{"id": "webhook_0", "name": "x"}]).json["errors"]
    assert cloud.query(DELETE, ids=[webhook["id"], "webhook_0"]).json["errors"]
    assert listed(cloud)[1:] == [webhook]


def test_the_schema_refuses_other_types_and_fields() -> None:
    """An unknown event type, and the output's spelling of a field in the input, are refused by the schema."""
    cloud = SimulatedCloud()
    assert cloud.query(CREATE, input=[INPUT | {"eventTypes": ["ZONE_OCCUPANCY_1M"]}]).status == 422
    refused = cloud.query(CREATE, input=[INPUT | {"event_types": ["TRAFFIC"]}])
    assert refused.status == 422
    assert "event_types" in refused.json["errors"][0]["message"]


EVENT = {"data": 3, "metadata": {"org_id": "org_1", "floor_id": "space_1", "zone_id": "zone_1"}}


@pytest.mark.parametrize(
    ("filters", "is_wanted"),
    [
        (None, True),
        ({}, True),
        ({"zone_ids": ["zone_0", "zone_1"]}, True),
        ({"zone_ids": ["zone_0"]}, False),
        ({"zone_ids": []}, False),
        ({"zone_ids": ["zone_1"], "floor_ids": ["space_1"]}, True),
        ({"zone_ids": ["zone_1"], "floor_ids": ["space_2"]}, False),
        ({"mac_addresses": ["00"]}, False),
        ({"occupancy": {"comparison": "gt", "value": 3}}, False),
        ({"occupancy": {"comparison": "gte", "value": 3}}, True),
        ({"occupancy": {"comparison": "ne", "value": 3}, "zone_ids": ["zone_1"]}, False),
    ],
    ids=str,
)
def test_filters(filters: dict[str, object] | None, is_wanted: bool) -> None:
    """Ids in one filter are alternatives, and all filters must hold; the one of occupancy suppresses values."""
    cloud = SimulatedCloud()
    created(cloud, filters=filters)
    webhook = list(cloud.account.webhooks)[1]
    assert webhook.wants("ZONE_OCCUPANCY", EVENT) is is_wanted
    assert not webhook.wants("ROOM_OCCUPANCY", EVENT)
    assert webhook.wants("TRAFFIC", EVENT) is (is_wanted or "occupancy" in (filters or {}))


def test_credentials_of_deliveries() -> None:
    """A delivery has the header of the API key, or basic authentication, or both."""
    cloud = SimulatedCloud()
    login = {"username": "butlr", "password": "hush"}
    created(cloud, endpointConfig=ENDPOINT | {"basicAuth": login})
    request = list(cloud.account.webhooks)[1].target.request(b"{}").decode()
    assert "\r\nx-api-key: 0123456789abcdef\r\n" in request
    assert f"\r\nAuthorization: Basic {base64.b64encode(b'butlr:hush').decode()}\r\n" in request
