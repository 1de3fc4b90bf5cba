"""The GraphQL engine over `schema.graphql`."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSyntaxError,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from exporter.simulate.cloud.answers import Answer, Refused, json_object
from exporter.simulate.cloud.names import (
    BAD_USER_INPUT,
    PARSE_FAILED,
    REFUSED_QUERY_STATUS,
    VALIDATION_FAILED,
)

_SCHEMA = build_schema(files("exporter.simulate.cloud").joinpath("schema.graphql").read_text())

_MAX_TOKENS = 5000
"""Longest query, in words."""


class Graph:
    """Executes queries and mutations."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        """Take the resolvers of the fields of Query and Mutation, by name."""
        self._root = root

    def answer(self, body: bytes) -> Answer:
        """Return the answer to a request. Raises Refused."""
        request = json_object(body)
        query, variables = request.get("query"), request.get("variables")
        if not isinstance(query, str) or not isinstance(variables, dict | None):
            raise Refused(Answer(400, {"error": "query must be a text, and variables an object"}))
        try:
            document = parse(query, max_tokens=_MAX_TOKENS)
        except GraphQLSyntaxError as error:
            return _refusal([error], PARSE_FAILED)
        if errors := validate(_SCHEMA, document):
            return _refusal(errors, VALIDATION_FAILED)
        result = execute_sync(
            _SCHEMA,
            document,
            self._root,
            variable_values=variables,
            operation_name=request.get("operationName"),
        )
        if result.data is None and all(error.path is None for error in result.errors or ()):
            return _refusal(result.errors or [], VALIDATION_FAILED)
        return Answer(200, _formatted(result))


def bad_input(message: str) -> GraphQLError:
    """Return an error about a value that the schema allows but the server refuses."""
    return GraphQLError(message, extensions={"code": BAD_USER_INPUT})


def _formatted(result: ExecutionResult) -> dict[str, Any]:
    errors = {"errors": [error.formatted for error in result.errors]} if result.errors else {}
    return {**errors, "data": result.data}


def _refusal(errors: Sequence[GraphQLError], code: str) -> Answer:
    """Return the answer to a query that the schema refuses."""
    formatted: list[dict[str, Any]] = [dict(error.formatted) for error in errors]
    for error in formatted:
        error["extensions"] = {"code": code}
    return Answer(REFUSED_QUERY_STATUS, {"errors": formatted, "data": None})
