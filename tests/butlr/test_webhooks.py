"""Webhooks: the documented answer read, and inputs spelled as the schema has them."""

from typing import Any

import pytest
from pydantic import SecretStr

from exporter.butlr.errors import BadAnswer, Refused, SchemaRefused, TimedOut
from exporter.butlr.transport import Reply
from exporter.butlr.webhooks import Login, Wanted, Webhook, Webhooks, filters_of
from tests.support.butlr import SECRET, ScriptedCloud, data, refused, sample

WANTED = Wanted(
    "butlr-exporter",
    "https://butlr.example.com/webhook",
    frozenset({"ZONE_OCCUPANCY", "ROOM_OCCUPANCY"}),
    Login("X-API-Key", SecretStr(SECRET)),
    filters={"zone_ids": ("zone_1",)},
)
CLOSED = refused("introspection is disabled")


def field(name: str, *inside: Any) -> dict[str, Any]:
    """Return an input field as introspection shows it."""
    return {"name": name, "type": {"name": None, "inputFields": None, "ofType": {"inputFields": [*inside] or None}}}


def sent(cloud: ScriptedCloud) -> Any:
    """Return the only input of the last mutation."""
    (found,) = cloud.requests[-1].document["variables"]["input"]
    return found


def webhooks_of(cloud: ScriptedCloud) -> list[Webhook]:
    """Return the webhooks of an account."""
    return Webhooks(cloud.graphql()).all()


def test_the_documented_answer() -> None:
    """Every field of the documented answer is read; an event type that nobody knows stays as it is."""
    ours, theirs = webhooks_of(ScriptedCloud(sample("webhooks")))
    assert ours == Webhook(
        "webhook_2oqujQF2pRZO8BqPgT8dWkf4Swb",
        "Prometheus",
        "https://butlr.example.com/webhook",
        frozenset({"ZONE_OCCUPANCY"}),
        10,
        Login("X-API-Key", SecretStr("0123456789abcdef")),
        None,
        {},
        False,
        True,
        "org_2oUBiRES2AmpczNM5yLu7pChz8o",
    )
    assert theirs.types == {"TRAFFIC", "SOMETHING_NEW"}
    assert theirs.filters == {"occupancy": {"comparison": "gt", "value": 0}}
    assert (theirs.only_changes, theirs.is_active) == (True, False)
    assert "theirs" not in repr(theirs)


def test_spellings_of_one_type() -> None:
    """An event type that Butlr lists in another of its spellings is the same."""
    row = {"id": "webhook_1", "endpoint_config": {"url": "https://a/webhook"}}
    listed = [row | {"event_types": ["ZONE_OCCUPANCY_1M", "traffic", "SOMETHING_NEW"]}]
    (webhook,) = webhooks_of(ScriptedCloud(data({"webhooks": listed})))
    assert webhook.types == {"ZONE_OCCUPANCY_1MIN", "TRAFFIC", "SOMETHING_NEW"}


def test_a_schema_without_the_undocumented_fields() -> None:
    """`status` and `org_id`, which no public page has, are left out where the schema refuses them."""
    cloud = ScriptedCloud(
        refused('Cannot query field "status" on type "Webhook".', 'Cannot query field "org_id" on type "Webhook".'),
        data({"webhooks": [{"id": "webhook_1", "endpoint_config": {"url": "https://a/webhook"}}]}),
    )
    (webhook,) = webhooks_of(cloud)
    assert "status" not in cloud.requests[-1].document["query"]
    assert (webhook.is_active, webhook.org_id) == (None, "")


def test_no_webhooks() -> None:
    """An account without webhooks may answer null; with errors, null is no empty list."""
    assert webhooks_of(ScriptedCloud(data({"webhooks": None}))) == []
    with pytest.raises(Refused):
        webhooks_of(ScriptedCloud(refused("resolver failed", data={"webhooks": None})))


@pytest.mark.parametrize("webhooks", [{}, "none", [None], [{"id": "webhook_1"}], [{"id": 7, "endpoint_config": {}}]])
def test_wrong_types(webhooks: Any) -> None:
    """A list with wrong types is rejected as a whole."""
    with pytest.raises(BadAnswer, match="read the webhooks has the wrong form"):
        webhooks_of(ScriptedCloud(data({"webhooks": webhooks})))


def test_the_inferred_spelling() -> None:
    """A schema that may not be asked gets the spelling of the public pages, and of their neighbours."""
    cloud = ScriptedCloud(CLOSED, data({"createWebhooks": [{"id": "webhook_1"}]}))
    assert Webhooks(cloud.graphql()).create(WANTED) == "webhook_1"
    assert sent(cloud) == {
        "name": "butlr-exporter",
        "eventTypes": ["ROOM_OCCUPANCY", "ZONE_OCCUPANCY"],
        "endpointConfig": {
            "url": "https://butlr.example.com/webhook",
            "httpTimeout": 10,
            "apiKey": {"key": "X-API-Key", "value": SECRET},
        },
        "filters": {"zone_ids": ["zone_1"]},
        "send_on_value_change": False,
    }


def test_the_spelling_of_the_schema() -> None:
    """A schema that spells an input otherwise gets its own spelling, also inside other inputs; it is asked once."""
    endpoint = [field("url"), field("http_timeout"), field("basicAuth", field("userName"), field("passWord"))]
    inputs = [field("name"), field("event_types"), field("endpoint_config", *endpoint), field("sendOnValueChange")]
    cloud = ScriptedCloud(
        data({"__type": {"inputFields": inputs}}),
        data({"createWebhooks": [{"id": "webhook_1"}]}),
        data({"createWebhooks": [{"id": "webhook_2"}]}),
    )
    webhooks = Webhooks(cloud.graphql())
    wanted = WANTED._replace(api_key=None, basic_auth=Login("butlr", SecretStr(SECRET)), timeout_seconds=5, filters={})
    webhooks.create(wanted)
    webhooks.create(wanted)
    assert len(cloud.requests) == 3
    assert sent(cloud) == {
        "name": "butlr-exporter",
        "event_types": ["ROOM_OCCUPANCY", "ZONE_OCCUPANCY"],
        "endpoint_config": {
            "url": "https://butlr.example.com/webhook",
            "http_timeout": 5,
            "basicAuth": {"userName": "butlr", "passWord": SECRET},
        },
        "sendOnValueChange": False,
    }


@pytest.mark.parametrize("answer", [data({"__type": None}), data({"__type": {"inputFields": [None, {}, 7]}}), data({})])
def test_an_odd_schema(answer: Reply) -> None:
    """A schema that answers nothing usable leaves the inferred spelling."""
    cloud = ScriptedCloud(answer, data({"createWebhooks": [{"id": "webhook_1"}]}))
    Webhooks(cloud.graphql()).create(WANTED)
    assert "endpointConfig" in sent(cloud)


def test_an_update_leaves_the_name_and_the_timeout() -> None:
    """An update sends neither the name nor another timeout; filters that are not wanted are emptied."""
    _, theirs = webhooks_of(ScriptedCloud(sample("webhooks")))
    status = data({"__type": {"inputFields": [field("status")]}})
    cloud = ScriptedCloud(status, data({"updateWebhooks": [{"id": theirs.id}]}))
    Webhooks(cloud.graphql()).update(theirs, WANTED._replace(filters={}))
    update = sent(cloud)
    assert update["id"] == theirs.id
    assert "name" not in update
    assert update["endpointConfig"]["httpTimeout"] == 5
    assert update["filters"] == {}
    assert update["status"] is True


def test_a_refused_field_is_named_without_the_key() -> None:
    """A field that the schema refuses is named, and the key in the server's message is not shown."""
    message = (
        f"Variable '$input' got invalid value {{'apiKey': {{'key': 'X-API-Key', 'value': '{SECRET}'}}}} at 'input[0]'; "
        "Field 'apiKey' is not defined by type 'EndpointConfigInput'. Did you mean 'api_key'?"
    )
    cloud = ScriptedCloud(CLOSED, refused(message))
    with pytest.raises(SchemaRefused, match="has no apiKey in EndpointConfigInput") as caught:
        Webhooks(cloud.graphql()).create(WANTED)
    assert SECRET not in str(caught.value)


def test_a_creation_that_timed_out_is_not_repeated() -> None:
    """A creation without an answer is not sent again: it would be there twice."""
    cloud = ScriptedCloud(CLOSED, TimedOut("no answer"))
    with pytest.raises(TimedOut):
        Webhooks(cloud.graphql()).create(WANTED)
    assert len(cloud.requests) == 2


@pytest.mark.parametrize("rows", [None, []])
def test_nothing_was_created(rows: Any) -> None:
    """An answer without the new webhook is an error."""
    with pytest.raises(BadAnswer, match="has not created the webhook"):
        Webhooks(ScriptedCloud(CLOSED, data({"createWebhooks": rows})).graphql()).create(WANTED)


def test_deletion() -> None:
    """A deletion sends the id, and one that Butlr denies is an error."""
    cloud = ScriptedCloud(data({"deleteWebhooks": True}), data({"deleteWebhooks": False}))
    webhooks = Webhooks(cloud.graphql())
    webhooks.delete("webhook_1")
    assert cloud.requests[0].document["variables"] == {"ids": ["webhook_1"]}
    with pytest.raises(Refused, match="has not deleted"):
        webhooks.delete("webhook_1")


@pytest.mark.parametrize(
    ("value", "filters"),
    [
        (None, {}),
        ("", {}),
        ({}, {}),
        ([], {}),
        ({"zone_ids": [], "room_ids": None}, {}),
        ({"zone_ids": ["b", "a"]}, {"zone_ids": ("a", "b")}),
        ('{"zone_ids": ["b", "a"]}', {"zone_ids": ("a", "b")}),
        ("none", {"filters": "none"}),
        ("[" * 100_000, {"filters": "[" * 100_000}),
        (7, {"filters": "7"}),
        ({"occupancy": {"comparison": "gt", "value": 0}}, {"occupancy": {"comparison": "gt", "value": 0}}),
    ],
)
def test_filters(value: Any, filters: Any) -> None:
    """Filters compare alike whether they are an object or JSON text, and in any order; odd ones stay visible."""
    assert filters_of(value) == filters
