"""The simulated cloud's token endpoint: butlr.md, API authentication."""

import pytest

from exporter.simulate.cloud.service import GRAPHQL_PATH, TOKEN_PATH
from tests.support.clouds import CREDENTIALS, SimulatedCloud

QUERY = {"query": "{ sites { data { id } } }"}


def test_a_token_opens_the_api_until_it_expires() -> None:
    """A token is accepted for the time that its answer announces, and refused with 401 after it."""
    cloud = SimulatedCloud()
    answer = cloud.post(TOKEN_PATH, CREDENTIALS)
    assert answer.status == 200
    assert set(answer.json) == {"access_token", "scope", "expires_in", "token_type"}
    assert answer.json["token_type"] == "Bearer"  # noqa: S105
    token, life = answer.json["access_token"], answer.json["expires_in"]
    assert cloud.post(GRAPHQL_PATH, QUERY, token).status == 200
    cloud.now_seconds += life - 1
    assert cloud.post(GRAPHQL_PATH, QUERY, token).status == 200
    cloud.now_seconds += 1
    assert cloud.post(GRAPHQL_PATH, QUERY, token).status == 401
    assert cloud.post(GRAPHQL_PATH, QUERY, cloud.token()).status == 200


@pytest.mark.parametrize("token", [None, "", "made up"])
def test_other_tokens_are_refused(token: str | None) -> None:
    """A request without a token that was issued is refused with 401."""
    assert SimulatedCloud().post(GRAPHQL_PATH, QUERY, token).status == 401


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"client_id": "another"}, 401),
        ({"client_secret": "guessed"}, 401),
        ({"client_secret": None}, 401),
        ({"audience": "https://butlrauth"}, 400),
        ({"grant_type": "password"}, 400),
    ],
)
def test_wrong_credentials_are_refused(wrong: dict[str, object], status: int) -> None:
    """Wrong credentials get no token; neither does another audience, such as one without its last slash."""
    answer = SimulatedCloud().post(TOKEN_PATH, CREDENTIALS | wrong)
    assert answer.status == status
    assert "access_token" not in answer.json


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", TOKEN_PATH, CREDENTIALS, 405),
        ("POST", "/api/v3/graphqls", QUERY, 404),
        ("POST", TOKEN_PATH, b"client_id=simulated", 400),
        ("POST", TOKEN_PATH, [CREDENTIALS], 400),
        ("POST", TOKEN_PATH, b" " * (1 << 20) + b"{}", 413),
    ],
)
def test_other_requests_are_refused(method: str, path: str, body: object, status: int) -> None:
    """Other paths and methods, bodies that are no JSON object, and long ones are refused."""
    assert SimulatedCloud().post(path, body, method=method).status == status
