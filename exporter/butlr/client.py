"""Calls of Butlr's API with a token, which is replaced once where Butlr rejects it."""

from typing import TypeVar

from exporter.butlr.calls import Call, Caller
from exporter.butlr.errors import TOKEN_PAGE, Forbidden, Unauthorized
from exporter.butlr.token import Token

_T = TypeVar("_T")


class Client:
    """Makes calls with a token."""

    def __init__(self, caller: Caller, token: Token) -> None:
        self._caller = caller
        self._token = token

    def make(self, call: Call[_T]) -> _T:
        """Make a call; once more with a new token if Butlr rejects the first. Raises CloudError."""
        token = self._token.get()
        try:
            return self._caller.make(call, token)
        except (Unauthorized, Forbidden):  # 403 may be either
            token = self._token.replaced(token)
        try:
            return self._caller.make(call, token)
        except Unauthorized:
            raise Unauthorized(
                f"Butlr rejects the token that it has just issued for this request to {call.purpose}; "
                f"see whether the API token still exists in {TOKEN_PAGE}"
            ) from None
        except Forbidden as error:
            raise Forbidden(
                f"the API token has no right to {call.purpose}; create one that has in {TOKEN_PAGE}, "
                f"as a person with the right to edit in Butlr Studio ({error})"
            ) from None
