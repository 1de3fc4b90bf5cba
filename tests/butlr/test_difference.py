"""The difference between webhooks, and the one that is the exporter's."""

from typing import Any

import pytest
from pydantic import SecretStr

from exporter.butlr.difference import Ambiguous, also_receiving, differences, find, is_hidden, shown_url
from exporter.butlr.webhooks import Login, Wanted, Webhook

KEY = Login("X-API-Key", SecretStr("hush"))
OURS = Webhook(
    "webhook_1",
    "butlr-exporter",
    "https://butlr.example.com/webhook",
    frozenset({"ZONE_OCCUPANCY"}),
    10,
    KEY,
    None,
    {},
    False,
    True,
    "org_1",
)
WANTED = Wanted("butlr-exporter", OURS.url, OURS.types, KEY)
OTHER = OURS._replace(id="webhook_2", name="Signage", url="https://signage.example.com/in")


def test_nothing_differs() -> None:
    """A webhook as it is wanted has no difference; a status that Butlr does not say is none."""
    assert differences(OURS, WANTED) == []
    assert differences(OURS._replace(is_active=None, timeout_seconds=None), WANTED) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"url": "https://old.example.com/webhook"}, ("address", "https://old.example.com/webhook", OURS.url)),
        (
            {"types": frozenset({"TRAFFIC", "SOMETHING_NEW"})},
            ("event types", "SOMETHING_NEW, TRAFFIC", "ZONE_OCCUPANCY"),
        ),
        ({"api_key": None}, ("key", "none", "one in X-API-Key")),
        ({"api_key": Login("X-Key", KEY.secret)}, ("key", "one in X-Key", "one in X-API-Key")),
        (
            {"api_key": Login("X-API-Key", SecretStr("old-hush"))},
            ("key", "another one in X-API-Key", "that of this exporter in X-API-Key"),
        ),
        ({"basic_auth": Login("user", SecretStr("hush"))}, ("password", "one in user", "none")),
        (
            {"filters": {"occupancy": {"comparison": "gt", "value": 0}}},
            ("filters", "occupancy: {'comparison': 'gt', 'value': 0} (suppresses zeros)", "none"),
        ),
        ({"filters": {"zone_ids": ("zone_1", "zone_2")}}, ("filters", "zone_ids: zone_1, zone_2", "none")),
        ({"only_changes": True}, ("values", "only when they change", "every one")),
        ({"is_active": False}, ("active", "no", "yes")),
    ],
)
def test_each_difference(change: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """Each property that decides over the deliveries is compared, and no text has a secret."""
    found = differences(OURS._replace(**change), WANTED)
    assert found == [expected]
    assert "hush" not in str(found)


def test_the_timeout_is_compared_only_if_it_is_wanted() -> None:
    """A timeout that was not asked for is left as it is."""
    assert differences(OURS._replace(timeout_seconds=3), WANTED) == []
    assert differences(OURS, WANTED._replace(timeout_seconds=3)) == [("timeout", "10 s", "3 s")]


@pytest.mark.parametrize("secret", ["", "****", "abcd****", "\N{BULLET}\N{BULLET}\N{BULLET}"])
def test_a_key_that_butlr_hides(secret: str) -> None:
    """A masked key is no difference, so that a second run does nothing; `send_key` makes it one."""
    hidden = Login("X-API-Key", SecretStr(secret))
    assert is_hidden(hidden)
    assert not is_hidden(KEY)
    assert differences(OURS._replace(api_key=hidden), WANTED) == []
    assert [each.subject for each in differences(OURS._replace(api_key=hidden), WANTED, send_key=True)] == ["key"]


@pytest.mark.parametrize(
    "url", ["HTTPS://Butlr.Example.com/webhook", "https://butlr.example.com:443/webhook", OURS.url]
)
def test_equal_addresses(url: str) -> None:
    """An address is the same with its default port, and in any case of its host."""
    assert find([OTHER, OURS._replace(url=url, name="x")], WANTED) is not None
    assert differences(OURS._replace(url=url), WANTED) == []


@pytest.mark.parametrize(
    "url",
    [
        "http://butlr.example.com/webhook",
        "https://butlr.example.com/Webhook",
        "https://butlr.example.com/webhook?a",
        "",
    ],
)
def test_other_addresses(url: str) -> None:
    """An address with another scheme, path or query is another one, and so is a text that is none."""
    assert find([OURS._replace(url=url, name="x")], WANTED) is None
    assert find([OURS._replace(url="https://[", name="x")], WANTED) is None


def test_somebody_elses_webhook_is_not_found() -> None:
    """A webhook with neither the address nor the name is never the exporter's, whichever events it delivers."""
    assert find([OTHER], WANTED) is None
    assert find([OTHER._replace(name="Butlr-Exporter", api_key=KEY)], WANTED) is None


def test_the_address_comes_before_the_name() -> None:
    """A webhook with the address is the exporter's rather than one with its name."""
    named = OTHER._replace(name=WANTED.name)
    assert find([named, OURS._replace(name="x")], WANTED) == OURS._replace(name="x")
    assert find([named], WANTED) == named


def test_two_that_may_be_ours() -> None:
    """Two webhooks with the address, or with the name, are left to a person."""
    for url in (OURS.url, "https://old.example.com/webhook"):
        both = [OURS._replace(url=url), OURS._replace(url=url, id="webhook_3")]
        with pytest.raises(Ambiguous, match="webhook_1, webhook_3; delete all but one"):
            find(both, WANTED)


def test_others_that_receive_the_same() -> None:
    """Other active webhooks with a wanted type are named, as Butlr documents one subscription for each type."""
    webhooks = [OURS, OTHER, OTHER._replace(is_active=False), OTHER._replace(types=frozenset({"TRAFFIC"}))]
    assert also_receiving(webhooks, OURS, WANTED) == [OTHER]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (OURS.url, OURS.url),
        ("https://user:hush@a:8443/in?token=hush#hush", "https://<secret>@a:8443/in?<hidden>"),
        ("https://[", "not an address"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, shown: str) -> None:
    """Neither a password in an address nor the text behind the question mark is shown."""
    assert shown_url(url) == shown
