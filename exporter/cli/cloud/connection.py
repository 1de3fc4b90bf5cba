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
    """Return the exit status of `work`, which gets the API; 1 after printing why the API failed."""
    for warning in unencrypted(settings.butlr_api_url):
        print_error(f"warning: {warning}")
    assert settings.butlr_client_id is not None  # noqa: S101 - the command line has checked it
    assert settings.butlr_client_secret is not None  # noqa: S101 - the settings come in pairs
    transport = Transport(settings.butlr_api_url)
    caller = Caller(transport, before_pause=_report_pause)
    token = Token(caller, Credentials(settings.butlr_client_id, settings.butlr_client_secret))
    try:
        return work(Graphql(Client(caller, token)))
    except CloudError as error:
        print_error(str(error))
        return 1
    finally:
        transport.close()


def _report_pause(error: CloudError, seconds: float) -> None:
    print_error(f"{error}; trying again in {seconds:.0f} s")
