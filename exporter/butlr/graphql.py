"""Queries of Butlr's GraphQL API. The data of an answer with errors are not used: a part of them is missing.

Butlr answers 200 also with errors, and with a part of the data then. A field that the schema of an account does not
have is left out and the query is sent again, if it is marked `?Type.` in the query.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from pydantic import SecretStr

from exporter.butlr.calls import THROTTLED_SECONDS, Api, Call
from exporter.butlr.client import Client
from exporter.butlr.errors import (
    REPAIRS,
    BadAnswer,
    CloudError,
    Forbidden,
    Refused,
    SchemaRefused,
    Throttled,
    Unauthorized,
    Unavailable,
    UnknownName,
    parsed,
    shown,
    unreadable,
)
from exporter.butlr.names import GRAPHQL_PATH
from exporter.butlr.transport import Reply

_OPTIONAL = re.compile(r"\?(\w+)\.(\w+)((?:\s*\{[^{}]*\})?)")

_UNKNOWN = (
    re.compile(r"""Cannot query field ['"](?P<field>\w+)['"] on type ['"](?P<type>\w+)['"]"""),
    re.compile(r"""Field ['"](?P<field>[\w.]+)['"] is not defined by type ['"](?P<type>\w+)['"]"""),
    re.compile(r"""Unknown (?P<type>type|argument) ['"](?P<field>\w+)['"]"""),
    re.compile(r"""Value ['"](?P<field>\w+)['"] does not exist in ['"](?P<type>\w+)['"] enum"""),
)
"""The messages of GraphQL servers about a name that the schema does not have."""

_NO_RIGHT = re.compile("forbidden|permission|not (authori[sz]ed|allowed)|access denied|insufficient", re.IGNORECASE)

_TOO_MANY = {"RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "TOO_MANY_REQUESTS", "THROTTLED"}
_TEMPORARY = {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"}
"""Codes with which GraphQL servers answer 200 in place of 429, and of 5xx."""

_MAX_ERRORS = 5
"""Errors of one answer that are shown."""

_T = TypeVar("_T")


class Graphql:
    """Sends queries. It remembers the optional fields that the schema does not have."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._missing: set[UnknownName] = set()

    def query(self, query: str, answer: type[_T], purpose: str) -> _T:
        """Return the data of a query. Raises CloudError."""
        while True:
            document = self._without_missing(query)
            try:
                return self._send(document, {}, answer, purpose, (), is_repeatable=True)
            except SchemaRefused as error:
                optional = {UnknownName(*match.groups()[:2]) for match in _OPTIONAL.finditer(query)}
                found = (set(error.names) & optional) - self._missing
                if not found or not set(error.names) <= optional:
                    raise
                self._missing |= found

    def mutate(
        self,
        mutation: str,
        variables: Mapping[str, Any],
        answer: type[_T],
        purpose: str,
        secrets: Sequence[SecretStr] = (),
    ) -> _T:
        """Change something, once: Butlr may have done it although no answer came. Raises CloudError.

        `secrets` are those in the variables, which servers repeat in their messages.
        """
        return self._send(mutation, variables, answer, purpose, secrets, is_repeatable=False)

    def ask_with(self, query: str, variables: Mapping[str, Any], answer: type[_T], purpose: str) -> _T:
        """Return the data of a query with variables. Raises CloudError."""
        return self._send(query, variables, answer, purpose, (), is_repeatable=True)

    def _without_missing(self, query: str) -> str:
        return _OPTIONAL.sub(
            lambda match: "" if UnknownName(match[1], match[2]) in self._missing else match[2] + match[3], query
        )

    def _send(
        self,
        document: str,
        variables: Mapping[str, Any],
        answer: type[_T],
        purpose: str,
        secrets: Sequence[SecretStr],
        *,
        is_repeatable: bool,
    ) -> _T:
        body = msgspec.json.encode({"query": document, "variables": variables} if variables else {"query": document})
        return self._client.make(
            Call(
                Api.GRAPHQL,
                GRAPHQL_PATH,
                body,
                purpose,
                lambda reply: _read(reply, answer, purpose, secrets),
                # Servers answer a query that does not fit the schema with one of these.
                accepts=frozenset({200, 400, 422}),
                is_repeatable=is_repeatable,
            )
        )


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")
    errors: Any = None


def _read(reply: Reply, answer: type[_T], purpose: str, secrets: Sequence[SecretStr]) -> _T:
    """Return the data of an answer. Raises CloudError."""
    document = parsed(reply.body, _Answer, f"Butlr's answer to the request to {purpose}")
    if document.errors:
        raise _error(document.errors, purpose, secrets)
    if reply.status != 200:
        raise BadAnswer(f"Butlr answered {reply.status} to the request to {purpose}")
    return decode(document.data, answer, purpose)


def decode(part: msgspec.Raw, form: type[_T], purpose: str) -> _T:
    """Return a part of an answer in its form. Raises BadAnswer.

    A form with `msgspec.Raw` leaves parts of a long answer for later, so that other threads run in between.
    """
    for repair in REPAIRS:
        try:
            return msgspec.json.decode(repair(bytes(part)), type=form)
        except msgspec.ValidationError as error:
            reason = shown(str(error))
            raise BadAnswer(f"Butlr's answer to the request to {purpose} has the wrong form: {reason}") from None
        except (msgspec.MsgspecError, RecursionError, ValueError):
            continue
    raise unreadable(bytes(part), f"Butlr's answer to the request to {purpose}")


def _error(errors: Any, purpose: str, secrets: Sequence[SecretStr]) -> CloudError:
    """Return the error that the `errors` of an answer mean."""
    each = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    messages = [message for error in each if isinstance(message := error.get("message"), str)]
    codes = {_code(error) for error in each}
    if "UNAUTHENTICATED" in codes:
        return Unauthorized(f"Butlr rejected the token of the request to {purpose}")
    if names := [UnknownName(m["type"], m["field"]) for text in messages for p in _UNKNOWN for m in p.finditer(text)]:
        return SchemaRefused(names)
    listed = "; ".join(shown(message, secrets) for message in messages[:_MAX_ERRORS]) or "without a message"
    failed = f"Butlr answered the request to {purpose} with errors: {listed}"
    if codes & _TOO_MANY:
        return Throttled(failed, wait_seconds=THROTTLED_SECONDS)
    if codes & _TEMPORARY:
        return Unavailable(failed)
    if "FORBIDDEN" in codes or any(map(_NO_RIGHT.search, messages)):
        return Forbidden(failed)
    return Refused(failed)


def _code(error: Mapping[str, Any]) -> str:
    extensions = error.get("extensions")
    return str(extensions.get("code", "")).upper() if isinstance(extensions, dict) else ""
