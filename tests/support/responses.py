"""Responses of the app to Flask's test client."""

from typing import Any

from flask.testing import FlaskClient


def problem(response: Any, status: int) -> dict[str, Any]:
    """Return the problem of a response, after a check of the members that every problem has."""
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    members: dict[str, Any] = response.get_json()
    assert (members["type"], members["status"]) == ("about:blank", status)
    assert members["title"]
    assert members["detail"]
    return members


def samples(client: FlaskClient, name: str) -> list[str]:
    """Return the lines of one family on `/metrics`."""
    text = client.get("/metrics").get_data(as_text=True)
    return [line for line in text.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
