"""`python -m exporter.probe`: asks the exporter of this container whether it serves, for Docker's HEALTHCHECK.

The address comes from the same environment variables as for `serve`; flags are unknown here. No other setting and no
file is read, so a file that has become bad since the start does not make a service unhealthy that goes on without it.
"""

import http.client
import os
import ssl
import sys
from typing import Any

from exporter.settings.declared import SETTINGS, Settings
from exporter.settings.types import Address

TIMEOUT = 2.0
"""Seconds until the exporter must have answered."""

_HERE = {"": "localhost", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to connect to, not to listen on


def main() -> int:
    """Return 0 if the exporter serves; else return 1, and print the reason on standard error."""
    try:
        metrics_listen = _value("metrics_listen")
        address: Address = metrics_listen or _value("listen")
        host = _HERE.get(address.host, address.host)
        if _value("tls_cert") and not metrics_listen:
            # The certificate is for the name that clients use, which is not that of this container.
            unverified = ssl._create_unverified_context()  # noqa: S323
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, address.port, timeout=TIMEOUT, context=unverified
            )
        else:
            connection = http.client.HTTPConnection(host, address.port, timeout=TIMEOUT)
        connection.request("GET", "/-/healthy")
        status = connection.getresponse().status
        connection.close()
    except (ValueError, OSError, http.client.HTTPException) as error:
        print(f"butlr-exporter: {error}", file=sys.stderr)  # noqa: T201
        return 1
    if status != http.client.OK:
        print(f"butlr-exporter: /-/healthy answered {status}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _value(name: str) -> Any:
    """Return the value that a setting has by its environment variable. Raises ValueError."""
    setting = next(setting for setting in SETTINGS if setting.name == name)
    text = os.environ.get(setting.variable, "").strip()
    try:
        return setting.type.parse(text) if text else getattr(Settings, name)
    except ValueError as error:
        raise ValueError(f"{setting.variable} {error}, not {text!r}") from None


if __name__ == "__main__":
    sys.exit(main())
