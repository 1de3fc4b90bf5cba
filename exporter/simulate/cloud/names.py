"""Names and numbers of Butlr's API that its public pages do not give.

All that was inferred stands here and in `schema.graphql`, where each inferred field is marked: the places to correct
when a live account answers otherwise.
"""

from exporter.simulate.cloud.answers import Answer

REFUSED_TOKEN_STATUS = 401
"""Status of the answer to a request with a wrong, expired or missing token. Butlr's own client treats 403 alike."""

UNAUTHENTICATED = "UNAUTHENTICATED"
"""Code of the error in a GraphQL answer with the status 200 whose token was refused; from Butlr's own client."""

REFUSED_CREDENTIALS = {"error": "access_denied", "error_description": "Unauthorized"}
"""The answer to wrong credentials, with the status 401: as Auth0 gives it, which issues Butlr's tokens."""

REFUSED_QUERY_STATUS = 422
"""Status of the answer to a query that the schema refuses: as gqlgen gives it, with which Butlr's server is made."""

PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
"""Codes of the errors in that answer: gqlgen's."""

BAD_USER_INPUT = "BAD_USER_INPUT"
"""Code of an error about a value that the schema allows but the server refuses."""

SENSOR_PREFIX = "sensor_"
"""Beginning of a sensor's id in GraphQL; the rest is taken to be the id in its events, which has no prefix."""

VIRTUAL_SENSORS = ("mi-rr-or-00-00-01", "fa-ke-00-00-00-02")
"""MAC addresses of sensors that are none; Butlr's own client skips addresses that begin like these."""

VIRTUAL_HIVE = "FAKE-000001"
"""Serial number of a hive that is none; Butlr's own client skips those that begin with `fake`, in any case."""


def is_delivered(status: int) -> bool:
    """Return whether an answer with this status ends the retries of a delivery; Butlr does not say which do."""
    return 200 <= status < 300


def refused_report(message: str) -> Answer:
    """Return the answer to a Reporting request that is refused; its form stands only in a draft of Butlr's."""
    return Answer(400, {"error": "invalid request", "code": "INVALID_REQUEST", "details": message})


MAX_SPACES_AT_ONCE = 160
MAX_SPACE_HOURS = 240
MAX_MINUTE_HOURS = 24
"""Limits beyond which a Reporting request is answered with nothing: spaces, spaces times hours, and hours in windows of
a minute or less. From a table of Butlr's support pages, which calls its numbers theoretical: 160 at 1 h, 10 at 24 h."""


def lag_ms(interval_ms: int) -> int:
    """Return the time from a window's end until the window is reported.

    In one recording the newest minute had ended a minute and three quarters before, so two minutes were not there yet.
    """
    return interval_ms


def page_info(page: int | None, limit: int, number: int) -> dict[str, int]:
    """Return the field of this name: its counts are 0 in full answers too unless pages are asked for.

    So it was in every recording, none of which asked for pages; with pages, the counts are inferred.
    """
    if page is None:
        return {"page": 1, "page_item_count": 0, "total_item_count": 0, "total_pages": 1}
    shown = max(0, min(limit, number - (page - 1) * limit))
    return {
        "page": page,
        "page_item_count": shown,
        "total_item_count": number,
        "total_pages": -(-number // limit),
    }
