"""Requests that are repeated where that helps: after a time-out, a failure inside Butlr's cloud, or too many requests.

It knows no token. Every try is reported to an observer, by the result of the whole call.
"""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from exporter.butlr.errors import (
    BadAnswer,
    CallOutcome,
    CloudError,
    Forbidden,
    Throttled,
    TimedOut,
    Unauthorized,
    Unavailable,
    shown,
)
from exporter.butlr.transport import Limits, Reply, Transport

MAX_TRIES = 4
"""Tries of one call."""

THROTTLED_SECONDS = 60.0
"""Wait after 429 without `Retry-After`, as Butlr's own MCP server waits."""

MAX_WAIT_SECONDS = 120.0
"""Longest wait inside a call; where Butlr asks for more, the call fails."""

MAX_HELD_SECONDS = 21_600.0
"""Longest time without a request for which Butlr can ask: a wrong date must not end all polls."""

_backoff = wait_exponential_jitter(initial=1, max=30, jitter=1)

_T = TypeVar("_T")


class Api(StrEnum):
    """A part of Butlr's API, as its requests are counted."""

    TOKEN = "token"  # noqa: S105 - a name
    GRAPHQL = "graphql"
    REPORTING = "reporting"


LIMITS = {
    Api.TOKEN: Limits(seconds=30, max_bytes=1 << 16),
    Api.GRAPHQL: Limits(seconds=60, max_bytes=1 << 25),
    Api.REPORTING: Limits(seconds=60, max_bytes=1 << 23),
}


class Call(NamedTuple, Generic[_T]):
    """One call of the API."""

    api: Api
    path: str
    body: bytes
    purpose: str
    """The call for people, such as `read the webhooks`."""
    read: Callable[[Reply], _T]
    """Turns an accepted reply into a value. Raises CloudError."""
    accepts: frozenset[int] = frozenset({200})
    """Statuses of replies that `read` understands."""
    is_repeatable: bool = True
    """Whether Butlr may get the request twice."""


class Observation(NamedTuple):
    """One try of a call."""

    api: Api
    outcome: CallOutcome
    seconds: float


class _Held(NamedTuple):
    """The calls of an API that Butlr asked to wait."""

    error: CloudError
    """The error of the call to which Butlr answered so."""
    until: float
    """The end of the wait, by the clock of the caller."""


class Caller:
    """Makes calls, and repeats them."""

    def __init__(
        self,
        transport: Transport,
        *,
        observe: Callable[[Observation], None] = lambda _: None,
        pause: Callable[[float], None] = time.sleep,
        before_pause: Callable[[CloudError, float], None] = lambda *_: None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Report each try to `observe`, and each wait (s) to `before_pause`, before `pause` waits."""
        self._transport = transport
        self._observe = observe
        self._pause = pause
        self._before_pause = before_pause
        self.clock = clock
        self._now = now
        self._held: dict[Api, _Held] = {}

    def make(self, call: Call[_T], bearer: str | None) -> _T:
        """Make a call, with a token if there is one; repeat it if that helps. Raises CloudError.

        Send nothing while the time lasts for which Butlr asked in an earlier call of the same API.
        """
        held = self._held.get(call.api)
        if held is not None and (wait_seconds := held.until - self.clock()) > 0:
            raise type(held.error)(str(held.error), wait_seconds=wait_seconds, was_sent=False)
        retrying = Retrying(
            retry=retry_if_exception(lambda error: _helps(call, error)),
            stop=stop_after_attempt(MAX_TRIES),
            wait=_wait_seconds,
            sleep=self._pause,
            before_sleep=self._report,
            reraise=True,
        )
        try:
            value: _T = retrying(self._once, call, bearer)
        except CloudError as error:
            if error.wait_seconds:
                self._held[call.api] = _Held(error, self.clock() + min(error.wait_seconds, MAX_HELD_SECONDS))
            raise
        return value

    def _report(self, state: RetryCallState) -> None:
        self._before_pause(_error_of(state), state.upcoming_sleep)

    def _once(self, call: Call[_T], bearer: str | None) -> _T:
        begin = self.clock()
        outcome = CallOutcome.ERROR
        try:
            reply = self._transport.post(call.path, call.body, bearer, LIMITS[call.api])
            if reply.status not in call.accepts:
                raise self._rejection(call, reply)
            value = call.read(reply)
            outcome = CallOutcome.OK
        except CloudError as error:
            outcome = error.outcome
            raise
        finally:
            self._observe(Observation(call.api, outcome, self.clock() - begin))
        return value

    def _rejection(self, call: Call[_T], reply: Reply) -> CloudError:
        """Return the error that a status means."""
        status, wait_seconds = reply.status, self._wait_of(reply)
        failed = f"Butlr answered {status} to the request to {call.purpose}"
        if status == 401:
            return Unauthorized(failed)
        if status == 403:
            return Forbidden(failed)
        if status == 429:
            seconds = THROTTLED_SECONDS if wait_seconds is None else wait_seconds
            return Throttled(f"{failed}: too many requests, wait {seconds:.0f} s", wait_seconds=seconds)
        if status in (408, 504):
            return TimedOut(f"{failed}: it took Butlr too much time", wait_seconds=wait_seconds)
        if status >= 500:
            return Unavailable(f"{failed}: a failure inside Butlr's cloud; try again later", wait_seconds=wait_seconds)
        if 300 <= status < 400:
            return BadAnswer(f"{failed}, a redirect; set butlr_api_url to the address of the API itself")
        if status == 404:
            return BadAnswer(f"{failed}: the address has no such API; check butlr_api_url")
        # The body of a rejected log-in may repeat the secret.
        return BadAnswer(failed if call.api is Api.TOKEN else f"{failed}{_detail(reply.body)}")

    def _wait_of(self, reply: Reply) -> float | None:
        """Return the seconds of `Retry-After`, a number or a date (RFC 9110 section 10.2.3); None without one."""
        text = reply.retry_after.strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._now())
        except (ValueError, OverflowError):
            return None


def _detail(body: bytes) -> str:
    """Return the message of an error's body, behind a colon; empty without one."""
    try:
        document = msgspec.json.decode(body, type=dict)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return ""
    found = [document.get(name) for name in ("error", "message", "details")]
    texts = [shown(text) for text in found if isinstance(text, str) and text]
    return f": {'; '.join(texts)}" if texts else ""


def _helps(call: Call[_T], error: BaseException) -> bool:
    """Tell whether the same call again is allowed, and may succeed."""
    if not isinstance(error, CloudError) or not error.is_temporary or (error.wait_seconds or 0) > MAX_WAIT_SECONDS:
        return False
    # A request that Butlr counts as too many is not carried out.
    return call.is_repeatable or not error.was_sent or isinstance(error, Throttled)


def _wait_seconds(state: RetryCallState) -> float:
    """Return the wait that Butlr asks for and up to a second more, or one that grows with each try."""
    asked = _error_of(state).wait_seconds
    backoff = _backoff(state)
    return backoff if asked is None else asked + backoff % 1


def _error_of(state: RetryCallState) -> CloudError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, CloudError)  # noqa: S101 - no other is repeated
    return error
