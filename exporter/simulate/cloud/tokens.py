"""The credentials of the simulated account, and its tokens, which soon expire.

Source: docs.butlr.io, authentication.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from exporter.simulate.cloud.answers import Answer, Refused
from exporter.simulate.cloud.names import REFUSED_CREDENTIALS, REFUSED_TOKEN_STATUS

CLIENT_ID = "simulated"
CLIENT_SECRET = "simulated"  # noqa: S105 - it opens a simulation
AUDIENCE = "https://butlrauth/"
GRANT = "client_credentials"

LIFE_SECONDS = 60
"""Life of a token. Butlr's lasts some minutes; a shorter one has to be renewed in a short run too."""

_BEARER = "bearer "


class Tokens:
    """The tokens that are valid."""

    def __init__(self, now_seconds: Callable[[], float], random: Random) -> None:
        """Take a steady clock, and the source of all chance."""
        self._now_seconds = now_seconds
        self._random = random
        self._ends: dict[str, float] = {}
        """When each token expires, by the clock."""

    def issue(self, request: dict[str, Any]) -> Answer:
        """Return a new token for the right credentials. Raises Refused."""
        if request.get("grant_type") != GRANT or request.get("audience") != AUDIENCE:
            raise Refused(
                Answer(400, {"error": "invalid_request", "error_description": f"audience must be {AUDIENCE}"})
            )
        if (request.get("client_id"), request.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise Refused(Answer(401, REFUSED_CREDENTIALS))
        now = self._now_seconds()
        self._ends = {token: end for token, end in self._ends.items() if end > now}
        token = f"{self._random.getrandbits(256):064x}"
        self._ends[token] = now + LIFE_SECONDS
        return Answer(
            200,
            {"access_token": token, "scope": "read:all", "expires_in": LIFE_SECONDS, "token_type": "Bearer"},
        )

    def check(self, authorization: str) -> None:
        """Return if the header `Authorization` has a valid token. Raises Refused."""
        scheme, token = authorization[: len(_BEARER)], authorization[len(_BEARER) :].strip()
        if scheme.lower() != _BEARER or self._ends.get(token, 0) <= self._now_seconds():
            raise Refused(Answer(REFUSED_TOKEN_STATUS, {"message": "Unauthorized"}))

    def expire_all(self) -> None:
        """Make every token invalid, before its time."""
        self._ends.clear()
