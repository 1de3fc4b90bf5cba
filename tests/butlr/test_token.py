"""The token: requested once, kept, renewed before its end, and not requested again and again with wrong credentials."""

import threading
from typing import Any

import pytest

from exporter.butlr.errors import BadAnswer, Throttled, Unauthorized, Unreachable
from exporter.butlr.names import AUDIENCE
from exporter.butlr.token import DEFAULT_LIFE_SECONDS, Token
from exporter.butlr.transport import Reply
from tests.support.butlr import CREDENTIALS, SECRET, ScriptedCloud, json_reply

REJECTED = json_reply({"error": "access_denied"}, 401)


def token_of(cloud: ScriptedCloud) -> Token:
    """Return a token that is not yet requested."""
    return Token(cloud.caller, CREDENTIALS)


def test_the_request_is_the_documented_one() -> None:
    """The body has the client's id, its secret, the audience and the grant type of the public page."""
    cloud = ScriptedCloud()
    assert token_of(cloud).get() == "t1"
    assert cloud.log_ins == [
        {
            "client_id": "client_1",
            "client_secret": SECRET,
            "audience": AUDIENCE,
            "grant_type": "client_credentials",
        }
    ]


@pytest.mark.parametrize(("life", "reserve"), [(1000, 60), (3666, 60), (100, 10), (10, 1)])
def test_a_token_is_kept_until_shortly_before_its_end(life: float, reserve: float) -> None:
    """A token is renewed 60 s before its end, or a tenth of its life if that is less."""
    cloud = ScriptedCloud(life_seconds=life)
    token = token_of(cloud)
    assert token.get() == "t1"
    cloud.now += life - reserve - 0.5
    assert token.get() == "t1"
    cloud.now += 1
    assert token.get() == "t2"


@pytest.mark.parametrize("life", [None, "soon", -5, 0, True, [1]])
def test_a_life_that_is_no_number(life: Any) -> None:
    """A token without a usable `expires_in` is kept for five minutes."""
    cloud = ScriptedCloud(life_seconds=life)
    token = token_of(cloud)
    token.get()
    cloud.now += DEFAULT_LIFE_SECONDS * 0.9 - 1
    assert token.get() == "t1"
    cloud.now += 2
    assert token.get() == "t2"


def test_wrong_credentials_are_not_sent_again_for_minutes() -> None:
    """Rejected credentials cause one request, then none for a minute, then for two; the error names the settings."""
    cloud = ScriptedCloud(logins=[REJECTED, REJECTED])
    token = token_of(cloud)
    for wait_seconds in (0, 59, 2, 119):
        cloud.now += wait_seconds
        with pytest.raises(Unauthorized, match="butlr_client_id or butlr_client_secret; compare both"):
            token.get()
    assert len(cloud.log_ins) == 2
    cloud.now += 2
    assert token.get() == "t3"


def test_a_throttled_log_in_is_not_called_wrong_credentials() -> None:
    """A log-in that Butlr throttles waits as long as it asks; a longer wait is an error of its own, and is kept."""
    cloud = ScriptedCloud(logins=[Reply(429, b"", "7"), Reply(429, b"", "3600")])
    token = token_of(cloud)
    for _ in range(2):
        with pytest.raises(Throttled, match="too many requests, wait 3600 s"):
            token.get()
    assert [int(seconds) for seconds in cloud.pauses] == [7]
    assert len(cloud.log_ins) == 2
    cloud.now += 3600
    assert token.get() == "t3"


def test_a_failed_renewal_leaves_no_old_token() -> None:
    """A token whose renewal failed is not used again, and the next call renews it."""
    cloud = ScriptedCloud()
    token = token_of(cloud)
    token.get()
    cloud.now += 2000
    cloud.logins = [Unreachable("gone")] * 4
    with pytest.raises(Unreachable):
        token.get()
    assert token.get() == "t6"


def test_one_rejection_causes_one_log_in() -> None:
    """Callers whose common token was rejected get the same new one."""
    cloud = ScriptedCloud()
    token = token_of(cloud)
    old = token.get()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(token.replaced(old))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["t2"] * 4


@pytest.mark.parametrize(
    "body",
    [
        b"<html>sign in</html>",
        b'{"access_token": ',
        b"[]",
        b"{}",
        b'{"access_token": 7}',
        b'{"access_token": ""}',
        b'{"access_token": "a\\r\\nHost: b"}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_an_answer_without_a_token(body: bytes) -> None:
    """An answer that holds no token, or one that no header can carry, is an error that shows nothing of it."""
    with pytest.raises(BadAnswer, match="check butlr_api_url") as caught:
        token_of(ScriptedCloud(logins=[Reply(200, body)] * 4)).get()
    assert "Host" not in str(caught.value)
    assert caught.value.__cause__ is None
