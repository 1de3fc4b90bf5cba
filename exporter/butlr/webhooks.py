"""The webhooks of a Butlr account: listed, created, updated, deleted.

Source: docs.butlr.io, manage webhooks. The answers spell names in snake_case, the inputs mostly in camelCase: the
schema is asked for the spelling, and `names.INPUT` is used where it does not answer.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from pydantic import SecretStr

from exporter.butlr.errors import BadAnswer, Forbidden, Refused
from exporter.butlr.graphql import Graphql
from exporter.butlr.names import (
    CREATE_INPUT,
    CREATE_WEBHOOKS,
    DELETE_WEBHOOKS,
    INPUT,
    INPUT_TYPES,
    STATUS,
    UPDATE_INPUT,
    UPDATE_WEBHOOKS,
    WEBHOOKS,
)
from exporter.events.measures import name_of

DEFAULT_TIMEOUT_SECONDS = 10
"""The time for which a new webhook waits for an answer; Butlr accepts 1 to 15 s."""


class Login(NamedTuple):
    """The header of an API key and its value, or a username and its password."""

    name: str
    secret: SecretStr


class Webhook(NamedTuple):
    """A webhook, as Butlr lists it."""

    id: str
    name: str
    url: str
    types: frozenset[str]
    timeout_seconds: int | None
    api_key: Login | None
    basic_auth: Login | None
    filters: Mapping[str, Any]
    """By name; lists of ids are sorted tuples. Empty for none."""
    only_changes: bool
    """Whether Butlr sends a value only when it differs from the one before."""
    is_active: bool | None
    """None if Butlr does not say."""
    org_id: str


NO_FILTERS: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Wanted(NamedTuple):
    """A webhook as the exporter needs it."""

    name: str
    """The name of a new webhook."""
    url: str
    types: frozenset[str]
    api_key: Login | None = None
    basic_auth: Login | None = None
    filters: Mapping[str, tuple[str, ...]] = NO_FILTERS
    only_changes: bool = False
    timeout_seconds: int | None = None
    """None: that of the webhook, or the default for a new one."""


class _Login(msgspec.Struct):
    key: str | None = None
    value: str | None = None
    username: str | None = None
    password: str | None = None

    def login(self) -> Login | None:
        name = self.key or self.username
        return Login(name, SecretStr(self.value or self.password or "")) if name else None


class _Endpoint(msgspec.Struct):
    url: str
    http_timeout: int | None = None
    api_key: _Login | None = None
    basic_auth: _Login | None = None


class _Webhook(msgspec.Struct):
    id: str
    endpoint_config: _Endpoint
    name: str | None = None
    event_types: list[str] | None = None
    filters: Any = None
    send_on_value_change: bool | None = None
    status: bool | None = None
    org_id: str | None = None


class _List(msgspec.Struct):
    webhooks: list[_Webhook] | None


class _Id(msgspec.Struct):
    id: str


class _Created(msgspec.Struct):
    rows: list[_Id] | None = msgspec.field(name="createWebhooks")


class _Updated(msgspec.Struct):
    rows: list[_Id] | None = msgspec.field(name="updateWebhooks")


class _Deleted(msgspec.Struct):
    done: bool = msgspec.field(name="deleteWebhooks")


class Webhooks:
    """The webhooks of an account."""

    def __init__(self, graphql: Graphql) -> None:
        self._graphql = graphql
        self._spellings: dict[str, Mapping[str, str]] = {}

    def all(self) -> list[Webhook]:
        """Return every webhook, those of other programs too. Raises CloudError."""
        rows = self._graphql.query(WEBHOOKS, _List, "read the webhooks").webhooks
        return [_webhook(row) for row in rows or ()]

    def create(self, wanted: Wanted) -> str:
        """Create a webhook; return its id. Raises CloudError."""
        document = self._input(CREATE_INPUT, wanted, wanted.timeout_seconds or DEFAULT_TIMEOUT_SECONDS)
        named = {self._spelling(CREATE_INPUT)["name"]: wanted.name, **document}
        variables = {"input": [named]}
        rows = self._graphql.mutate(CREATE_WEBHOOKS, variables, _Created, "create a webhook", _secrets(wanted)).rows
        if not rows:
            raise BadAnswer("Butlr has not created the webhook, and does not say why")
        return rows[0].id

    def update(self, webhook: Webhook, wanted: Wanted) -> None:
        """Change a webhook to the wanted one, except for its name. Raises CloudError."""
        timeout_seconds = wanted.timeout_seconds or webhook.timeout_seconds or DEFAULT_TIMEOUT_SECONDS
        spelling = self._spelling(UPDATE_INPUT)
        document = {"id": webhook.id, **self._input(UPDATE_INPUT, wanted, timeout_seconds)}
        if webhook.filters and not wanted.filters:
            document[spelling["filters"]] = {}
        if webhook.is_active is False and STATUS in spelling:
            document[spelling[STATUS]] = True
        self._graphql.mutate(UPDATE_WEBHOOKS, {"input": [document]}, _Updated, "update a webhook", _secrets(wanted))

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook for good. Raises CloudError."""
        answer = self._graphql.mutate(DELETE_WEBHOOKS, {"ids": [webhook_id]}, _Deleted, "delete a webhook")
        if not answer.done:
            raise Refused("Butlr has not deleted the webhook, and does not say why")

    def can_switch_on(self) -> bool:
        """Tell whether an update can make a webhook active."""
        return STATUS in self._spelling(UPDATE_INPUT)

    def _input(self, input_type: str, wanted: Wanted, timeout_seconds: int) -> dict[str, Any]:
        """Return the fields of a create or update, spelled as the schema has them."""
        spelling = self._spelling(input_type)
        endpoint: dict[str, Any] = {"url": wanted.url, "http_timeout": timeout_seconds}
        if wanted.api_key:
            pair = {"key": wanted.api_key.name, "value": wanted.api_key.secret.get_secret_value()}
            endpoint["api_key"] = _spelled(pair, spelling)
        if wanted.basic_auth:
            pair = {"username": wanted.basic_auth.name, "password": wanted.basic_auth.secret.get_secret_value()}
            endpoint["basic_auth"] = _spelled(pair, spelling)
        document: dict[str, Any] = {
            "event_types": sorted(wanted.types),
            "endpoint_config": _spelled(endpoint, spelling),
            "send_on_value_change": wanted.only_changes,
        }
        if wanted.filters:
            document["filters"] = {name: list(ids) for name, ids in wanted.filters.items()}
        return _spelled(document, spelling)

    def _spelling(self, input_type: str) -> Mapping[str, str]:
        """Return the spelling of each field of an input and of the inputs inside it, by its name in answers."""
        if input_type not in self._spellings:
            try:
                answer = self._graphql.ask_with(INPUT_TYPES, {"name": input_type}, dict, "read the schema")
                found = {_folded(name): name for name in _field_names(answer.get("__type"))}
            except (Refused, BadAnswer, Forbidden):  # an account may not let anybody ask
                found = {}
            spelling = {name: found.get(_folded(name), default) for name, default in INPUT.items()}
            if STATUS in found:
                spelling[STATUS] = found[STATUS]
            self._spellings[input_type] = spelling
        return self._spellings[input_type]


def _webhook(row: _Webhook) -> Webhook:
    endpoint = row.endpoint_config
    return Webhook(
        row.id,
        row.name or "",
        endpoint.url,
        frozenset(name_of(each) or each for each in row.event_types or ()),
        endpoint.http_timeout,
        endpoint.api_key.login() if endpoint.api_key else None,
        endpoint.basic_auth.login() if endpoint.basic_auth else None,
        filters_of(row.filters),
        bool(row.send_on_value_change),
        row.status,
        row.org_id or "",
    )


def filters_of(value: Any) -> Mapping[str, Any]:
    """Return filters in one form: an object may come as JSON text, and a list of ids in any order."""
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {"filters": value}
    if not value:
        return {}
    if not isinstance(value, dict):
        return {"filters": json.dumps(value)}
    return {
        str(name): tuple(sorted(map(str, each))) if isinstance(each, list) else each
        for name, each in sorted(value.items())
        if each not in (None, [], {})
    }


def _spelled(document: Mapping[str, Any], spelling: Mapping[str, str]) -> dict[str, Any]:
    return {spelling[name]: value for name, value in document.items()}


def _folded(name: str) -> str:
    """Return a name without the difference between snake_case and camelCase."""
    return name.replace("_", "").lower()


def _field_names(schema_type: Any) -> Iterator[str]:
    """Return the names of the fields of an introspected type and of the types inside it."""
    if not isinstance(schema_type, dict):
        return
    yield from _field_names(schema_type.get("ofType"))
    for each in schema_type.get("inputFields") or ():
        if isinstance(each, dict) and isinstance(each.get("name"), str):
            yield each["name"]
            yield from _field_names(each.get("type"))


def _secrets(wanted: Wanted) -> Sequence[SecretStr]:
    return [login.secret for login in (wanted.api_key, wanted.basic_auth) if login]
