"""The simulated cloud without a socket: requests to its ASGI application, and its answers."""

import asyncio
import json
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

from exporter.simulate.cloud.account import Account
from exporter.simulate.cloud.faults import Faults
from exporter.simulate.cloud.reports.reporting import shown_time
from exporter.simulate.cloud.service import GRAPHQL_PATH, REPORTING_PATH, TOKEN_PATH
from exporter.simulate.verify.arrivals import Exchange
from exporter.simulate.world.delivery import MINUTE_MS, EventType, Plan
from exporter.simulate.world.sensing import SensedReading

CREDENTIALS = {
    "client_id": "simulated",
    "client_secret": "simulated",
    "audience": "https://butlrauth/",
    "grant_type": "client_credentials",
}

_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Made once, and without the certificates of this machine, which take long to load."""

START_SECONDS = 1_780_000_020.0
"""The begin of the simulation: a whole minute."""


class Reply(NamedTuple):
    """The answer of the cloud."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's JSON value."""
        return json.loads(self.body)


class SimulatedCloud:
    """An account whose clock is set by the test."""

    def __init__(self, zones: int = 20, faults: Faults | None = None) -> None:
        self.now_seconds = START_SECONDS
        self.plan = Plan(zones=zones, types=tuple(EventType))
        self.recorded: list[Exchange] = []
        """The readings that the Reporting API has given, as deliveries."""
        self.account = Account(
            self.plan, lambda: self.now_seconds, _TRUSTS_NOBODY, record=self.recorded.append, faults=faults
        )

    def post(self, path: str, body: object, token: str | None = None, method: str = "POST") -> Reply:
        """Send one request; a body that is not bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = [(b"authorization", f"Bearer {token}".encode())] if token is not None else []
        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": data, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.account.service(scope, receive, send))
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Reply(sent[0]["status"], answered, b"".join(message["body"] for message in sent[1:]))

    def token(self) -> str:
        """Return a new token."""
        return str(self.post(TOKEN_PATH, CREDENTIALS).json["access_token"])

    def sense(self, space_id: str, minute: int, truth: int, error: int = 0) -> None:
        """Sense people in a space in the middle of a minute of the simulation, first computed at once."""
        sensed_ms = int(START_SECONDS * 1000) + minute * MINUTE_MS + MINUTE_MS // 2
        reading = SensedReading(sensed_ms, truth, smoothed=truth, first_error=error, counts_doors=True)
        self.account.readings.add(space_id, sensed_ms, reading)

    def report(self, **changes: Any) -> Reply:
        """Send a request to the Reporting API with a new token: for the last five minutes of all zones, by default.

        A change of `filter` or `window` is added to it; any other is set.
        """
        now_ms = self.now_seconds * 1000
        asked = {
            "measurements": ["zone_occupancy"],
            "start": shown_time(now_ms - 5 * MINUTE_MS),
            "stop": shown_time(now_ms),
            "value": {"gte": 0},
        }
        request: dict[str, Any] = {"filter": asked, "window": {"every": "1m", "function": "median"}}
        for name, change in changes.items():
            request[name] = {**request.get(name, {}), **change}
        return self.post(REPORTING_PATH, request, self.token())

    def query(self, text: str, **variables: object) -> Reply:
        """Send a GraphQL request with a new token."""
        return self.post(GRAPHQL_PATH, {"query": text, "variables": variables}, self.token())
