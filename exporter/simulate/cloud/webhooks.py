"""The webhooks of the simulated account: list, create, update and delete.

Source: docs.butlr.io, manage webhooks.
"""

import base64
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from random import Random
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from exporter.events.ids import ksuid
from exporter.simulate.client import Target
from exporter.simulate.cloud.graph import bad_input
from exporter.simulate.world.delivery import EventType

_TIMEOUTS_SECONDS = range(1, 16)

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
"""Hosts for which http is accepted: Butlr accepts https only, but nobody has a certificate for these."""

_FILTERED_FIELDS: Mapping[str, str] = {
    "org_ids": "org_id",
    "site_ids": "site_id",
    "building_ids": "building_id",
    "floor_ids": "floor_id",
    "room_ids": "room_id",
    "zone_ids": "zone_id",
    "mac_addresses": "mac_address",
}
"""The field of an event's metadata that each filter compares."""

_OCCUPANCY = "occupancy"
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "gt": gt, "gte": ge, "lt": lt, "lte": le, "eq": eq, "ne": ne,
}  # fmt: skip

_NO_FILTERS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Webhook:
    """One webhook."""

    id: str
    name: str
    event_types: tuple[str, ...]
    endpoint: Mapping[str, Any]
    """The endpoint as it was configured, with the names of the schema's input."""
    target: Target
    filters: Mapping[str, Any] | None = None
    only_changes: bool = False
    """Whether an event is sent only if its value is not the one before."""
    is_active: bool = True

    @property
    def timeout_seconds(self) -> int:
        """The longest wait for an answer to an event."""
        return int(self.endpoint["httpTimeout"])

    def wants(self, event_type: str, event: Mapping[str, Any]) -> bool:
        """Return whether an event is to be delivered; its type is spelled as in the schema."""
        if not self.is_active or event_type not in self.event_types:
            return False
        filters = dict(self.filters or _NO_FILTERS)
        occupancy = filters.pop(_OCCUPANCY, None)
        if (
            occupancy is not None
            and "_OCCUPANCY" in event_type
            and not _COMPARISONS[occupancy["comparison"]](event["data"], occupancy["value"])
        ):
            return False
        metadata = event["metadata"]
        return all(metadata.get(_FILTERED_FIELDS[name]) in ids for name, ids in filters.items())


class Webhooks:
    """All webhooks of the account."""

    def __init__(
        self,
        org_id: str,
        random: Random,
        now_ms: Callable[[], float],
        tls: ssl.SSLContext | None = None,
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the organisation, the source of all chance, and a clock (milliseconds since the epoch).

        `tls` is the context of https URLs; `on_change` is called with a sentence for people after each change.
        """
        self._org_id = org_id
        self._random = random
        self._now_ms = now_ms
        self._tls = tls
        self._on_change = on_change
        self._webhooks: dict[str, Webhook] = {}
        # Somebody else's webhook, which an exporter must list and must not touch. It is not active, and gets no events.
        self._add(
            {
                "name": "Dashboard in the lobby",
                "eventTypes": [EventType.FLOOR_OCCUPANCY.value],
                "endpointConfig": {
                    "url": "https://lobby.example.com/butlr",
                    "httpTimeout": 5,
                    "apiKey": {"key": "x-api-key", "value": "of-somebody-else"},
                },
            },
            is_active=False,
        )

    def __iter__(self) -> Iterator[Webhook]:
        """Return the webhooks, in the order of their creation."""
        return iter(list(self._webhooks.values()))

    def resolvers(self) -> dict[str, Any]:
        """Return the resolvers of the fields of Query and Mutation about webhooks."""
        return {
            "webhooks": lambda _info: [self._shown(webhook) for webhook in self],
            "createWebhooks": self._create,
            "updateWebhooks": self._update,
            "deleteWebhooks": self._delete,
        }

    def _create(self, _info: object, *, input: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:  # noqa: A002
        for given in input:
            self._checked_target(given)
        created = [self._add(given) for given in input]
        for webhook in created:
            self._on_change(f"webhook created: {_described(webhook)}")
        return [self._shown(webhook) for webhook in created]

    def _update(self, _info: object, *, input: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:  # noqa: A002
        merged = [{**_input_of(self._known(given["id"])), **_set(given)} for given in input]
        targets = [self._checked_target(given) for given in merged]
        updated = []
        for given, target in zip(merged, targets, strict=True):
            webhook = _webhook(given["id"], given, target, is_active=self._known(given["id"]).is_active)
            self._webhooks[webhook.id] = webhook
            self._on_change(f"webhook updated: {_described(webhook)}")
            updated.append(self._shown(webhook))
        return updated

    def _delete(self, _info: object, *, ids: Sequence[str]) -> bool:
        deleted = [self._known(webhook_id) for webhook_id in ids]
        for webhook in deleted:
            self._webhooks.pop(webhook.id, None)
            self._on_change(f"webhook deleted: {_described(webhook)}")
        return True

    def _add(self, given: Mapping[str, Any], *, is_active: bool = True) -> Webhook:
        webhook_id = f"webhook_{ksuid(int(self._now_ms() / 1000), self._random.getrandbits(128))}"
        webhook = _webhook(webhook_id, given, self._checked_target(given), is_active=is_active)
        self._webhooks[webhook_id] = webhook
        return webhook

    def _known(self, webhook_id: str) -> Webhook:
        if webhook_id not in self._webhooks:
            raise bad_input(f"there is no webhook {webhook_id}")
        return self._webhooks[webhook_id]

    def _checked_target(self, given: Mapping[str, Any]) -> Target:
        """Return the target of a webhook. Raises GraphQLError if a value is refused."""
        if not given["name"].strip() or not given["eventTypes"]:
            raise bad_input("a webhook needs a name and at least one event type")
        endpoint = given["endpointConfig"]
        if endpoint["httpTimeout"] not in _TIMEOUTS_SECONDS:
            raise bad_input("httpTimeout must be from 1 to 15 seconds")
        _check_filters(given.get("filters"))
        headers = {"Content-Type": "application/json"}
        if pair := endpoint.get("apiKey"):
            headers[pair["key"]] = pair["value"]
        if login := endpoint.get("basicAuth"):
            encoded = base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()
            headers["Authorization"] = f"Basic {encoded}"
        try:
            parts = urlsplit(endpoint["url"])
            if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
                raise ValueError("must be an HTTPS URL")
            return Target(endpoint["url"], headers, "POST", self._tls)
        except ValueError as error:
            raise bad_input(f"url {error}") from None

    def _shown(self, webhook: Webhook) -> dict[str, Any]:
        """Return a webhook with the names of the schema's output."""
        endpoint = webhook.endpoint
        return {
            "id": webhook.id,
            "org_id": self._org_id,
            "status": webhook.is_active,
            "name": webhook.name,
            "event_types": webhook.event_types,
            "endpoint_config": {
                "url": endpoint["url"],
                "http_timeout": endpoint["httpTimeout"],
                "api_key": endpoint.get("apiKey"),
                "basic_auth": endpoint.get("basicAuth"),
            },
            "filters": webhook.filters,
            "send_on_value_change": webhook.only_changes,
        }


def _webhook(webhook_id: str, given: Mapping[str, Any], target: Target, *, is_active: bool) -> Webhook:
    return Webhook(
        webhook_id,
        given["name"],
        tuple(given["eventTypes"]),
        given["endpointConfig"],
        target,
        given.get("filters"),
        bool(given.get("send_on_value_change")),
        is_active,
    )


def _input_of(webhook: Webhook) -> dict[str, Any]:
    """Return the input that would create this webhook."""
    return {
        "name": webhook.name,
        "eventTypes": webhook.event_types,
        "endpointConfig": webhook.endpoint,
        "filters": webhook.filters,
        "send_on_value_change": webhook.only_changes,
    }


def _set(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that an update sets; a null clears the filters and leaves every other field as it is."""
    return {name: value for name, value in given.items() if value is not None or name == "filters"}


def _check_filters(filters: object) -> None:
    """Raise a GraphQLError unless these are filters."""
    if filters is None:
        return
    if not isinstance(filters, dict):
        raise bad_input("filters must be an object")
    for name, value in filters.items():
        if name == _OCCUPANCY:
            is_valid = (
                isinstance(value, dict)
                and value.get("comparison") in _COMPARISONS
                and isinstance(value.get("value"), int | float)
            )
        else:
            is_valid = name in _FILTERED_FIELDS and isinstance(value, list)
        if not is_valid:
            raise bad_input(f"filters has no valid {name}")


def _described(webhook: Webhook) -> str:
    return f"{webhook.name}, {webhook.target.url}, {', '.join(webhook.event_types)}"
