"""Credentials, sent in every right way and in many wrong ways."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.auth import Guard
from tests.support.credentials import KEYS, RIGHT_BASIC, RIGHT_KEYS, WRONG_BASIC, WRONG_KEYS, wire


@pytest.fixture
def guard() -> Guard:
    """Return a guard that admits keys and a name with its password."""
    return Guard("here", ("butlr", "pä:ss"), KEYS, "X-Butlr-Key")


class TestKeys:
    """API keys."""

    @pytest.mark.parametrize("key", RIGHT_KEYS)
    def test_right(self, guard: Guard, key: str | bytes) -> None:
        """Each key is admitted, in UTF-8 and in Latin-1, even beside wrong basic credentials."""
        assert guard.admits({"HTTP_X_BUTLR_KEY": wire(key)})
        assert guard.admits({"HTTP_X_BUTLR_KEY": wire(key), "HTTP_AUTHORIZATION": "Basic nonsense"})

    @pytest.mark.parametrize("key", WRONG_KEYS)
    def test_wrong(self, guard: Guard, key: str | bytes) -> None:
        """A part of a key, another case, two keys at once, nothing, and other bytes are not admitted."""
        assert not guard.admits({"HTTP_X_BUTLR_KEY": wire(key)})

    def test_in_another_header(self, guard: Guard) -> None:
        """A key in another header than the configured one is not admitted."""
        assert not guard.admits({"HTTP_X_API_KEY": "old-key", "X-Butlr-Key": "old-key"})

    def test_in_authorization(self) -> None:
        """The header of the key may be `Authorization`."""
        guard = Guard("here", keys=["Bearer abc"], header="Authorization")
        assert guard.admits({"HTTP_AUTHORIZATION": "Bearer abc"})
        assert not guard.admits({"HTTP_AUTHORIZATION": "abc"})


class TestBasic:
    """HTTP basic credentials."""

    @pytest.mark.parametrize("environ", RIGHT_BASIC)
    def test_right(self, guard: Guard, environ: dict[str, str]) -> None:
        """A name and password are admitted in UTF-8 and Latin-1, the scheme in any case, the password with colons."""
        assert guard.admits(environ)
        assert guard.admits(environ | {"HTTP_X_BUTLR_KEY": "nonsense"})

    @pytest.mark.parametrize("environ", WRONG_BASIC)
    def test_wrong(self, guard: Guard, environ: dict[str, str]) -> None:
        """A part of the credentials, another case, another scheme, and garbage are not admitted."""
        assert not guard.admits(environ)


class TestGuard:
    """The challenge of a guard."""

    def test_no_credentials(self) -> None:
        """A guard without credentials admits every request and has no challenge."""
        guard = Guard("here")
        assert guard.admits({})
        assert guard.admits({"HTTP_AUTHORIZATION": "Basic nonsense"})
        assert (guard.challenges, guard.wanted) == ([], "")

    @pytest.mark.parametrize(
        ("wanted", "schemes", "arguments"),
        [
            (
                "an API key in the header X-Key or HTTP basic credentials",
                ["ApiKey", "Basic"],
                (("u", "p"), ["k"], "X-Key"),
            ),
            ("an API key in the header X-Key", ["ApiKey"], (None, ["k"], "X-Key")),
            ("HTTP basic credentials", ["Basic"], (("u", "p"),)),
        ],
    )
    def test_the_challenge(self, wanted: str, schemes: list[str], arguments: Any) -> None:
        """The challenges name the schemes for programs, `wanted` names the header for people."""
        guard = Guard("here", *arguments)
        assert guard.wanted == wanted
        assert [challenge.split()[0] for challenge in guard.challenges] == schemes
        assert all('realm="here"' in challenge for challenge in guard.challenges)

    @given(st.text(), st.text(), st.text())
    def test_any_header(self, key: str, scheme: str, token: str) -> None:
        """No header raises an error, and only the right one is admitted."""
        guard = Guard("here", ("butlr", "secret"), ["long-key"])
        environ = {"HTTP_X_API_KEY": key, "HTTP_AUTHORIZATION": f"{scheme} {token}"}
        assert guard.admits(environ) is (key == "long-key")
        assert not guard.admits({"HTTP_AUTHORIZATION": f"Basic {token}"})
