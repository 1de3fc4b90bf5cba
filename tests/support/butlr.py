"""Butlr's API in memory: a transport with scripted answers, and the client on top of it."""

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import SecretStr

from exporter.butlr.calls import Caller, Observation
from exporter.butlr.client import Client
from exporter.butlr.errors import CloudError
from exporter.butlr.graphql import Graphql
from exporter.butlr.names import LOGIN_PATH
from exporter.butlr.token import Credentials, Token
from exporter.butlr.transport import Limits, Reply
from tests.support.clouds import SimulatedCloud
from tests.support.paths import SAMPLES

SECRET = "hush-hush-hush"  # noqa: S105 - of no account
CREDENTIALS = Credentials("client_1", SecretStr(SECRET))

Answer = Reply | CloudError


def json_reply(document: Any, status: int = 200, **headers: str) -> Reply:
    """Return a reply with a JSON body."""
    return Reply(status, json.dumps(document).encode(), **headers)


def data(document: Mapping[str, Any]) -> Reply:
    """Return an answer to a GraphQL query."""
    return json_reply({"data": document})


def refused(*messages: str, code: str = "", **more: Any) -> Reply:
    """Return GraphQL errors, with 200 as Butlr answers them."""
    extensions = {"extensions": {"code": code}} if code else {}
    return json_reply({"errors": [{"message": message, **extensions} for message in messages], **more})


def sample(name: str) -> Reply:
    """Return an answer that is a file of `tests/samples/butlr/`."""
    return Reply(200, (SAMPLES / "butlr" / f"{name}.json").read_bytes())


class InMemory:
    """A transport to the simulated cloud, without a connection."""

    def __init__(self, cloud: SimulatedCloud) -> None:
        self._cloud = cloud

    def post(self, path: str, body: bytes, bearer: str | None, _: Limits) -> Reply:
        """Answer a request."""
        status, headers, content = self._cloud.post(path, body, bearer)
        return Reply(status, content, headers.get("retry-after", ""))

    def close(self) -> None:
        """Do nothing."""


class Request(NamedTuple):
    """A request as the transport got it."""

    path: str
    document: Any
    bearer: str | None


class ScriptedCloud:
    """A transport whose answers are given; it issues tokens `t1`, `t2` and so on, unless `logins` has other answers."""

    def __init__(self, *answers: Answer, logins: list[Answer] | None = None, life_seconds: Any = 1000) -> None:
        self.answers = [*answers]
        self.logins = logins
        self.life_seconds = life_seconds
        self.requests: list[Request] = []
        """All requests but those to log in."""
        self.log_ins: list[Any] = []
        self.observed: list[Observation] = []
        self.pauses: list[float] = []
        self.now = 1_000_000.0
        """The time of both clocks, which pauses move."""
        self.react: Callable[[Request], Answer] | None = None
        """Answers a request where no answer is left."""

    def post(self, path: str, body: bytes, bearer: str | None, _: Limits) -> Reply:
        """Answer a request."""
        request = Request(path, json.loads(body), bearer)
        if path == LOGIN_PATH:
            self.log_ins.append(request.document)
            token = {"access_token": f"t{len(self.log_ins)}", "expires_in": self.life_seconds, "token_type": "Bearer"}
            answer: Answer = self.logins.pop(0) if self.logins else json_reply(token)
        else:
            self.requests.append(request)
            answer = self.answers.pop(0) if self.answers or self.react is None else self.react(request)
        if isinstance(answer, CloudError):
            raise answer
        return answer

    def close(self) -> None:
        """Do nothing."""

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    @property
    def caller(self) -> Caller:
        """A caller whose time is that of this object."""
        return Caller(
            self,  # type: ignore[arg-type]
            observe=self.observed.append,
            pause=self._pause,
            clock=lambda: self.now,
            now=lambda: self.now,
        )

    def client(self) -> Client:
        """Return a client without a token."""
        return Client(self.caller, Token(self.caller, CREDENTIALS))

    def graphql(self) -> Graphql:
        """Return a sender of queries without a token."""
        return Graphql(self.client())
