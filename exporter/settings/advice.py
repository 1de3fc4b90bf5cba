"""Advice about settings."""

import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches

from exporter.settings.declared import INPUTS, PREFIX, Settings
from exporter.settings.types import ZERO, Address, show_duration

LONG_ENOUGH = 16
"""Characters of an API key that nobody guesses."""

RECOMPUTED = timedelta(minutes=5)
"""How long Butlr computes a reading anew (docs.butlr.io, zone occupancy)."""


CADENCE = timedelta(minutes=1)
"""From one reading of a zone to the next."""


TAKEN = timedelta(hours=1)
"""How old a sample may be for Prometheus to take it."""


def warnings(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each thing that is no mistake and hardly meant."""
    found = [f"{name} is not a setting{nearest(name)}" for name in sorted(filter(_is_no_setting, environ))]
    if settings.window < RECOMPUTED:
        found.append(f"window is shorter than the {show_duration(RECOMPUTED)} in which Butlr corrects a reading")
    if (settings.window - settings.settle_after) // CADENCE < settings.settled_points:
        found.append(
            "window is too short for settle_after and a minute for each of settled_points; "
            "/metrics/settled then shows readings too briefly, or never"
        )
    if settings.window > TAKEN:
        found.append(
            f"window is longer than {show_duration(TAKEN)}, and Prometheus refuses settled readings that are older"
        )
    if settings.settle_after < RECOMPUTED:
        found.append(f"settle_after is shorter than the {show_duration(RECOMPUTED)} in which Butlr corrects a reading")
    if settings.stale_after == ZERO < settings.forget_after:
        found.append("with stale_after 0 a zone that does not change is still forgotten; forget_after 0 keeps it")
    if ZERO < settings.forget_after <= settings.stale_after:
        found.append("with forget_after no longer than stale_after a silent zone vanishes without being stale first")
    if any(len(key.get_secret_value()) < LONG_ENOUGH for key in settings.webhook_api_keys or ()):
        found.append(
            f"a key in webhook_api_keys has less than {LONG_ENOUGH} characters; openssl rand -hex 32 makes one"
        )
    return found


def opened(settings: Settings) -> str:
    """Return what everyone may do who reaches the port, for want of credentials; empty if nothing."""
    anyone = []
    if not settings.webhook_api_keys and not settings.webhook_username:
        anyone.append(f"send events to {settings.listen} (no webhook_api_keys, no webhook_username)")
    address = settings.metrics_listen or settings.listen
    if not settings.metrics_username and not _is_loopback(address):
        anyone.append(f"read every count at {address} (no metrics_username)")
    return f"everyone may {' and '.join(anyone)}" if anyone else ""


def _is_loopback(address: Address) -> bool:
    return address.host == "localhost" or address.host.startswith("127.") or address.host == "::1"


def nearest(name: str) -> str:
    """Return the end of a sentence on a flag or variable that there is not: what may have been meant, if anything."""
    variable = name.startswith(PREFIX)
    plain = name.removeprefix(PREFIX).strip("-\N{EN DASH}\N{EM DASH}").replace("-", "_").lower()
    for name in get_close_matches(plain, [setting.name for setting in INPUTS], n=1, cutoff=0.75):
        meant = next(setting for setting in INPUTS if setting.name == name)
        return f"; did you mean {meant.variable if variable else meant.flag}?"
    return ""


def _credentials_misspelt(environ: Mapping[str, str]) -> list[str]:
    """Return the variables that are no settings but meant to be of those that keep strangers out."""
    return [
        name
        for name in sorted(filter(_is_no_setting, environ))
        if re.search("WEBHOOK|METRICS|TLS|KEY|PASSWORD|SECRET", name.removeprefix(PREFIX))
        # Kubernetes again, for a service whose name has one of these words.
        and not name.endswith("_PORT")
    ]


def _is_no_setting(variable: str) -> bool:
    # Kubernetes gives every container variables of the second kind for a service whose name begins so.
    return (
        variable.startswith(PREFIX)
        and re.search("(^|_)(SERVICE_(HOST|PORT)|PORT_[0-9]+_)|^PORT$", variable.removeprefix(PREFIX)) is None
        and variable not in [given.variable for given in INPUTS]
    )
