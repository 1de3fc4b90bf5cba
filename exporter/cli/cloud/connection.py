"""A connection to Butlr's API for one command, and its errors for people."""

from collections.abc import Callable

from exporter.butlr.calls import Caller
from exporter.butlr.client import Client
from exporter.butlr.errors import CloudError
from exporter.butlr.graphql import Graphql
from exporter.butlr.token import Credentials, Token
from exporter.butlr.transport import Transport
from exporter.cli.arguments import print_error
from exporter.settings.advice import unencrypted
from exporter.settings.declared import Settings


def connected(settings: Settings, work: Callable[[Graphql], int]) -> int:
    """Return the exit status of `work`, which gets the GraphQL API; 1 after printing why the API failed."""
    return connected_client(settings, lambda client: work(Graphql(client)))


def connected_client(
    settings: Settings, work: Callable[[Client], int], report: Callable[[str], None] = print_error
) -> int:
    """Return the exit status of `work`, which gets a client; 1 after printing why the API failed.

    `report` gets a sentence before each wait for another try.
    """
    for warning in unencrypted(settings.butlr_api_url):
        print_error(f"warning: {warning}")
    assert settings.butlr_client_id is not None  # noqa: S101 - the command line has checked it
    assert settings.butlr_client_secret is not None  # noqa: S101 - the settings come in pairs
    transport = Transport(settings.butlr_api_url)
    caller = Caller(
        transport,
        before_pause=lambda error, seconds: report(f"{error}; trying again in {seconds:.0f} s"),
    )
    token = Token(caller, Credentials(settings.butlr_client_id, settings.butlr_client_secret))
    try:
        return work(Client(caller, token))
    except CloudError as error:
        print_error(str(error))
        return 1
    finally:
        transport.close()
