"""The token of Butlr's API: requested with the client's id and secret, kept, and renewed before it ends.

Source: docs.butlr.io, authentication. After rejected credentials nothing is sent for minutes: requests to log in that
go on keep an account locked.
"""

import math
import re
import threading
from typing import NamedTuple

import msgspec
from pydantic import SecretStr

from exporter.butlr.calls import Api, Call, Caller
from exporter.butlr.errors import TOKEN_PAGE, BadAnswer, Forbidden, Unauthorized, unreadable
from exporter.butlr.names import AUDIENCE, LOGIN_PATH
from exporter.butlr.transport import Reply

DEFAULT_LIFE_SECONDS = 300.0
"""Life of a token whose answer does not say it."""

MAX_LIFE_SECONDS = 86_400.0

MAX_RESERVE_SECONDS = 60.0
"""Longest time before its end at which a token is renewed; for a short life it is a tenth of that."""

FIRST_PAUSE_SECONDS = 60.0
MAX_PAUSE_SECONDS = 900.0
"""Time without a request to log in after rejected credentials; it doubles with each rejection."""

_TOKEN = re.compile(r"[!-~]{1,8192}")
"""Text that can stand in a header."""


class Credentials(NamedTuple):
    """The id and secret of an API token."""

    client_id: str
    client_secret: SecretStr


class _Issued(NamedTuple):
    """A token and its life (s)."""

    value: str
    life_seconds: float


class Token:
    """The current token. Thread-safe: several threads that need one cause one request."""

    def __init__(self, caller: Caller, credentials: Credentials) -> None:
        self._caller = caller
        self._credentials = credentials
        self._lock = threading.Lock()
        self._value = ""
        self._renew_at = -math.inf
        self._rejection: Unauthorized | None = None
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._paused_until = -math.inf

    def get(self) -> str:
        """Return a token that is valid for a while. Raises CloudError."""
        with self._lock:
            if self._caller.clock() >= self._renew_at:
                self._renew()
            return self._value

    def replaced(self, rejected: str) -> str:
        """Return another token than the one that Butlr rejected. Raises CloudError."""
        with self._lock:
            if self._value == rejected:  # else another thread has replaced it
                self._renew()
            return self._value

    def _renew(self) -> None:
        if self._rejection and self._caller.clock() < self._paused_until:
            raise self._rejection
        self._value, self._renew_at = "", -math.inf
        requested = self._caller.clock()
        try:
            issued = self._caller.make(self._login(), None)
        except (Unauthorized, Forbidden):
            self._rejection = Unauthorized(
                "Butlr rejected butlr_client_id or butlr_client_secret; compare both with the API token in "
                f"{TOKEN_PAGE}, or create a new one there"
            )
            self._paused_until = self._caller.clock() + self._pause_seconds
            self._pause_seconds = min(2 * self._pause_seconds, MAX_PAUSE_SECONDS)
            raise self._rejection from None
        self._rejection, self._pause_seconds = None, FIRST_PAUSE_SECONDS
        reserve = min(MAX_RESERVE_SECONDS, issued.life_seconds / 10)
        self._value, self._renew_at = issued.value, requested + issued.life_seconds - reserve

    def _login(self) -> Call[_Issued]:
        body = {
            "client_id": self._credentials.client_id,
            "client_secret": self._credentials.client_secret.get_secret_value(),
            "audience": AUDIENCE,
            "grant_type": "client_credentials",
        }
        return Call(Api.TOKEN, LOGIN_PATH, msgspec.json.encode(body), "log in", _read)


def _read(reply: Reply) -> _Issued:
    """Return the token of an answer. Raises BadAnswer, without the token."""
    try:
        answer = msgspec.json.decode(reply.body, type=dict)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise unreadable(reply.body, "Butlr's answer to the request to log in") from None
    value, life = answer.get("access_token"), answer.get("expires_in")
    if not isinstance(value, str) or _TOKEN.fullmatch(value) is None:
        raise BadAnswer("Butlr's answer to the log-in has no access_token; check butlr_api_url")
    if isinstance(life, bool) or not isinstance(life, int | float) or life <= 0:
        return _Issued(value, DEFAULT_LIFE_SECONDS)
    return _Issued(value, min(life, MAX_LIFE_SECONDS))
