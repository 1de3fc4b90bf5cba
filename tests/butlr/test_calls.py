"""Calls: repetitions, waits, and the observation of each try."""

import pytest

from exporter.butlr.calls import MAX_HELD_SECONDS, MAX_TRIES, THROTTLED_SECONDS, Api, Call
from exporter.butlr.errors import (
    BadAnswer,
    CallOutcome,
    CloudError,
    Forbidden,
    Throttled,
    TimedOut,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from exporter.butlr.transport import Reply
from tests.support.butlr import Answer, ScriptedCloud

CALL = Call(Api.GRAPHQL, "/graphql", b"{}", "read the sites", lambda reply: reply.body)
ONCE = CALL._replace(is_repeatable=False)
OK = Reply(200, b"ok")


def test_a_call_that_succeeds() -> None:
    """A good answer is returned and observed once."""
    cloud = ScriptedCloud(OK)
    assert cloud.client().make(CALL) == b"ok"
    assert [(each.api, each.outcome) for each in cloud.observed] == [
        (Api.TOKEN, CallOutcome.OK),
        (Api.GRAPHQL, CallOutcome.OK),
    ]
    assert cloud.requests[0].bearer == "t1"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Reply(500, b""), CallOutcome.ERROR),
        (Reply(502, b"<html>"), CallOutcome.ERROR),
        (Reply(503, b""), CallOutcome.ERROR),
        (Reply(504, b""), CallOutcome.TIMEOUT),
        (Reply(408, b""), CallOutcome.TIMEOUT),
        (Reply(429, b""), CallOutcome.THROTTLED),
        (TimedOut("slow"), CallOutcome.TIMEOUT),
        (Unreachable("gone"), CallOutcome.ERROR),
    ],
)
def test_what_may_be_repeated_is(answer: Answer, outcome: CallOutcome) -> None:
    """A call is made again after a failure that passes, and each try is counted by its own outcome."""
    cloud = ScriptedCloud(answer, OK)
    assert cloud.client().make(CALL) == b"ok"
    assert [each.outcome for each in cloud.observed[1:]] == [outcome, CallOutcome.OK]
    assert len(cloud.pauses) == 1


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, BadAnswer, "answered 400 to the request to read the sites"),
        (404, BadAnswer, "no such API; check butlr_api_url"),
        (302, BadAnswer, "a redirect; set butlr_api_url"),
        (204, BadAnswer, "answered 204"),
    ],
)
def test_what_would_fail_again_is_not_repeated(status: int, error: type[CloudError], words: str) -> None:
    """A call that would fail again is made once, and its error tells the remedy."""
    cloud = ScriptedCloud(Reply(status, b""))
    with pytest.raises(error, match=words):
        cloud.client().make(CALL)
    assert cloud.pauses == []


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        (
            b'{"error": "INVALID_FILTER", "code": 7, "details": "zones:  unknown\\n"}',
            ": INVALID_FILTER; zones: unknown",
        ),
        (b'{"message": 7}', "read the sites"),
        (b"<html>", "read the sites"),
        (b"[" * 100_000, "read the sites"),
    ],
)
def test_a_rejection_with_a_reason(body: bytes, ending: str) -> None:
    """The reason in a rejection's body is shown on one line, if there is one."""
    with pytest.raises(BadAnswer) as caught:
        ScriptedCloud(Reply(400, body)).client().make(CALL)
    assert str(caught.value).endswith(ending)


def test_a_rejected_log_in_shows_no_body() -> None:
    """The body of a rejected log-in, which may repeat the secret, is not shown."""
    with pytest.raises(BadAnswer) as caught:
        ScriptedCloud(logins=[Reply(400, b'{"error": "hush-hush-hush"}')]).client().make(CALL)
    assert "hush" not in str(caught.value)


def test_tries_end() -> None:
    """A call is tried four times, with growing waits, and fails with the last error."""
    cloud = ScriptedCloud(*[Reply(503, b"")] * MAX_TRIES)
    with pytest.raises(Unavailable, match="failure inside Butlr's cloud; try again later"):
        cloud.client().make(CALL)
    assert cloud.answers == []
    first, second, third = cloud.pauses
    assert 1 <= first <= 2 <= second <= 3 <= third <= 5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("12", 12),
        ("0", 0),
        ("Mon, 12 Jan 1970 13:47:10 GMT", 30),
        ("Mon, 12 Jan 1970 13:00:00 GMT", 0),
        ("", THROTTLED_SECONDS),
        ("soon", THROTTLED_SECONDS),
        ("-5", THROTTLED_SECONDS),
        ("\N{SUPERSCRIPT TWO}", THROTTLED_SECONDS),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    """A throttled call waits as long as `Retry-After` says in seconds or as a date, a minute without it."""
    cloud = ScriptedCloud(Reply(429, b"", header), OK)
    cloud.client().make(CALL)
    (pause,) = cloud.pauses
    assert seconds <= pause <= seconds + 1


def test_a_long_wait_is_left_to_the_caller() -> None:
    """A call does not wait longer than two minutes: its error has the time for which Butlr asks."""
    cloud = ScriptedCloud(Reply(503, b"", "86400"))
    with pytest.raises(Unavailable) as caught:
        cloud.client().make(CALL)
    assert caught.value.wait_seconds == 86400
    assert cloud.pauses == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_wait_outlasts_the_call(status: int) -> None:
    """Until the time of `Retry-After` is over, further calls of the same API fail without a request, and no other's."""
    cloud = ScriptedCloud(Reply(status, b"", "300"), OK, OK)
    client = cloud.client()
    with pytest.raises(CloudError, match=f"answered {status}"):
        client.make(CALL)
    observed = len(cloud.observed)
    cloud.now += 299
    with pytest.raises(CloudError, match=f"answered {status}") as caught:
        client.make(CALL)
    assert (len(cloud.requests), len(cloud.observed), caught.value.wait_seconds) == (1, observed, 1)
    assert client.make(CALL._replace(api=Api.REPORTING)) == b"ok"
    cloud.now += 1
    assert client.make(CALL) == b"ok"


def test_the_wait_after_the_last_try_is_kept() -> None:
    """A call that was throttled at its last try is followed by the wait that Butlr asks for, as at the others."""
    cloud = ScriptedCloud(*[Reply(429, b"", "90")] * MAX_TRIES, OK)
    client = cloud.client()
    for _ in range(2):
        with pytest.raises(Throttled):
            client.make(CALL)
    cloud.now += 90
    assert client.make(CALL) == b"ok"


def test_a_wait_of_years_is_not_believed() -> None:
    """A `Retry-After` far in the future stops the calls for six hours."""
    cloud = ScriptedCloud(Reply(429, b"", "Wed, 21 Oct 2099 07:28:00 GMT"), OK)
    client = cloud.client()
    with pytest.raises(Throttled):
        client.make(CALL)
    cloud.now += MAX_HELD_SECONDS
    assert client.make(CALL) == b"ok"


@pytest.mark.parametrize("answer", [TimedOut("slow"), Unreachable("broken"), Reply(502, b""), Reply(504, b"")])
def test_a_change_that_may_have_been_made_is_not_sent_again(answer: Answer) -> None:
    """A call that changes something is not repeated where Butlr may have carried it out."""
    cloud = ScriptedCloud(answer)
    with pytest.raises(CloudError):
        cloud.client().make(ONCE)
    assert len(cloud.requests) == 1


@pytest.mark.parametrize("answer", [Unreachable("refused", was_sent=False), Reply(429, b"", "1")])
def test_a_change_that_was_not_made_is_sent_again(answer: Answer) -> None:
    """A call that changes something is repeated where it did not reach Butlr, or was one too many."""
    cloud = ScriptedCloud(answer, OK)
    assert cloud.client().make(ONCE) == b"ok"


@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_token_is_replaced_once(status: int) -> None:
    """After 401 or 403 the call is made again with a new token, and only once."""
    cloud = ScriptedCloud(Reply(status, b""), OK)
    assert cloud.client().make(ONCE) == b"ok"
    assert [request.bearer for request in cloud.requests] == ["t1", "t2"]
    assert cloud.pauses == []
    assert cloud.observed[1].outcome is CallOutcome.UNAUTHORIZED


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, Unauthorized, "rejects the token that it has just issued .* see whether the API token still exists"),
        (403, Forbidden, "the API token has no right to read the sites; create one that has in app.butlr.io"),
    ],
)
def test_a_token_that_is_rejected_twice(status: int, error: type[CloudError], words: str) -> None:
    """A call that is rejected twice fails, and says whether the token or a right is missing."""
    cloud = ScriptedCloud(Reply(status, b""), Reply(status, b""))
    with pytest.raises(error, match=words):
        cloud.client().make(CALL)
    assert len(cloud.log_ins) == 2


def test_throttling_is_not_called_a_matter_of_credentials() -> None:
    """429 is reported as too many requests, also after the last try."""
    cloud = ScriptedCloud(*[Reply(429, b"", "1")] * MAX_TRIES)
    with pytest.raises(Throttled, match="429 to the request to read the sites: too many requests, wait 1 s"):
        cloud.client().make(CALL)
    assert len(cloud.log_ins) == 1
