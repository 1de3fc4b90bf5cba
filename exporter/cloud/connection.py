"""A client of Butlr's API for each thread, with one token for all; every request is counted."""

from collections.abc import Callable

from pydantic import SecretStr

from exporter.butlr.calls import Api, Caller, Observation
from exporter.butlr.client import Client
from exporter.butlr.errors import CallOutcome
from exporter.butlr.token import Credentials, Token
from exporter.butlr.transport import Transport
from exporter.metrics.cloud import CloudFamilies

Pause = Callable[[float], None]
"""Waits so many seconds; it may raise an error that ends the wait."""


class Connection:
    """Makes clients."""

    def __init__(self, api_url: str, client_id: str, client_secret: SecretStr, families: CloudFamilies) -> None:
        families.begin(Api, CallOutcome)
        self._api_url = api_url
        self._credentials = Credentials(client_id, client_secret)
        self._families = families
        self._transports: list[Transport] = []
        self._token: Token | None = None

    def client(self, pause: Pause) -> Client:
        """Return a client for one thread, which waits by `pause`."""
        transport = Transport(self._api_url)
        self._transports.append(transport)
        caller = Caller(transport, observe=self._observe, pause=pause)
        if self._token is None:
            # The log-in has a connection of its own, as each thread may need it.
            login = Transport(self._api_url)
            self._transports.append(login)
            self._token = Token(Caller(login, observe=self._observe, pause=pause), self._credentials)
        return Client(caller, self._token)

    def _observe(self, observation: Observation) -> None:
        self._families.observe(observation.api, observation.outcome, observation.seconds)

    def close(self) -> None:
        """End all connections."""
        for transport in self._transports:
            transport.close()
