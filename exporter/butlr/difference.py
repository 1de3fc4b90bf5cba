"""The difference between the webhooks of an account and the one that the exporter needs; pure.

A webhook is the exporter's if it has its address, else if it has its name. No other is ever changed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from exporter.butlr.names import OCCUPANCY_FILTER
from exporter.butlr.webhooks import Login, Wanted, Webhook

_HIDDEN = re.compile("[*\N{BULLET}]{3}|^$")
"""A secret that Butlr does not show in full."""


class Ambiguous(Exception):  # noqa: N818 - the name reads as the mistake
    """Several webhooks may be the exporter's; the text is for people."""


class Difference(NamedTuple):
    """One difference, for people; no text holds a secret."""

    subject: str
    now: str
    wanted: str


ACTIVE = "active"
"""The subject of a difference that not every account's schema lets an update mend."""


def find(webhooks: Sequence[Webhook], wanted: Wanted) -> Webhook | None:
    """Return the webhook that is the exporter's; None if there is none. Raises Ambiguous."""
    address = _address(wanted.url)
    for found in (
        [webhook for webhook in webhooks if _address(webhook.url) == address],
        [webhook for webhook in webhooks if webhook.name == wanted.name],
    ):
        if len(found) > 1:
            ids = ", ".join(webhook.id for webhook in found)
            raise Ambiguous(
                f"{len(found)} webhooks have the address {wanted.url} or the name {wanted.name}: {ids}; delete all but "
                "one of them, or give another --name"
            )
        if found:
            return found[0]
    return None


def differences(webhook: Webhook, wanted: Wanted, *, send_key: bool = False) -> list[Difference]:
    """Return all differences between a webhook and the wanted one; with `send_key` the key is one in any case."""
    return [*_differences(webhook, wanted, send_key=send_key)]


def _differences(webhook: Webhook, wanted: Wanted, *, send_key: bool) -> Iterator[Difference]:
    if _address(webhook.url) != _address(wanted.url):
        yield Difference("address", shown_url(webhook.url), wanted.url)
    if webhook.types != wanted.types:
        yield Difference("event types", ", ".join(sorted(webhook.types)), ", ".join(sorted(wanted.types)))
    for subject, now, then in (
        ("key", webhook.api_key, wanted.api_key),
        ("password", webhook.basic_auth, wanted.basic_auth),
    ):
        if (now and now.name) != (then and then.name):
            yield Difference(subject, _login(now), _login(then))
        elif now and then and (send_key or not (is_hidden(now) or _same(now, then))):
            yield Difference(subject, f"another one in {now.name}", f"that of this exporter in {then.name}")
    if webhook.filters != wanted.filters:
        yield Difference("filters", filters_text(webhook.filters), filters_text(wanted.filters))
    if webhook.only_changes != wanted.only_changes:
        yield Difference("values", _values(webhook.only_changes), _values(wanted.only_changes))
    if wanted.timeout_seconds and webhook.timeout_seconds != wanted.timeout_seconds:
        yield Difference("timeout", f"{webhook.timeout_seconds} s", f"{wanted.timeout_seconds} s")
    if webhook.is_active is False:
        yield Difference(ACTIVE, "no", "yes")


def is_hidden(login: Login) -> bool:
    """Tell whether Butlr shows only a mask in place of a secret."""
    return _HIDDEN.search(login.secret.get_secret_value()) is not None


def also_receiving(webhooks: Sequence[Webhook], own: Webhook | None, wanted: Wanted) -> list[Webhook]:
    """Return other webhooks that receive a wanted event type: Butlr documents one subscription for each type."""
    return [
        webhook
        for webhook in webhooks
        if webhook != own and webhook.is_active is not False and webhook.types & wanted.types
    ]


def filters_text(filters: Mapping[str, Any]) -> str:
    """Return filters for people; the one that suppresses zeros says so."""
    if not filters:
        return "none"
    texts = []
    for name, value in filters.items():
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        texts.append(f"{name}: {shown}{' (suppresses zeros)' if name == OCCUPANCY_FILTER else ''}")
    return "; ".join(texts)


def shown_url(url: str) -> str:
    """Return an address for people, without its password and without everything behind the `?`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "not an address"
    place = parts.netloc.rpartition("@")
    netloc = f"<secret>@{place[2]}" if place[1] else parts.netloc
    return parts._replace(netloc=netloc, query="<hidden>" if parts.query else "", fragment="").geturl()


def _address(url: str) -> tuple[str, str, int | None, str]:
    """Return an address in a form in which equal ones are equal."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return (url, "", None, "")
    scheme = parts.scheme.lower()
    rest = f"{parts.path or '/'}?{parts.query}"
    return (scheme, parts.hostname or "", port or {"https": 443, "http": 80}.get(scheme), rest)


def _same(now: Login, then: Login) -> bool:
    return now.secret.get_secret_value() == then.secret.get_secret_value()


def _login(login: Login | None) -> str:
    return "none" if login is None else f"one in {login.name}"


def _values(only_changes: bool) -> str:
    return "only when they change" if only_changes else "every one"
