"""Advice about settings: warnings about unlikely values, missing credentials and misspelt names."""

import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches

from exporter.settings.declared import INPUTS, PREFIX, Settings
from exporter.settings.types import ZERO, Address, show_duration

MIN_KEY_LENGTH = 16
"""Characters of the shortest API key that is hard to guess."""

RECOMPUTED_FOR = timedelta(minutes=5)
"""Time during which Butlr computes a reading again (docs.butlr.io, zone occupancy)."""

READING_INTERVAL = timedelta(minutes=1)
"""Time between two readings of a space."""

MAX_SAMPLE_AGE = timedelta(hours=1)
"""Age of the oldest sample that Prometheus accepts."""


def warnings(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each unknown variable, and for each setting that is valid but hardly intended."""
    unknown = [f"{name} is not a setting{suggestion(name)}" for name in sorted(filter(_is_unknown, environ))]
    recomputed, max_age = show_duration(RECOMPUTED_FOR), show_duration(MAX_SAMPLE_AGE)
    checks = {
        f"window is shorter than the {recomputed} in which Butlr corrects a reading": settings.window < RECOMPUTED_FOR,
        "window is shorter than settle_after and a minute for each of settled_points; "
        "/metrics/settled then shows readings too briefly, or never": (
            (settings.window - settings.settle_after) // READING_INTERVAL < settings.settled_points
        ),
        f"window is longer than {max_age}, and Prometheus rejects older settled readings": (
            settings.window > MAX_SAMPLE_AGE
        ),
        f"settle_after is shorter than the {recomputed} in which Butlr corrects a reading": (
            settings.settle_after < RECOMPUTED_FOR
        ),
        "with stale_after 0 a silent space keeps its count, but forget_after still forgets it; "
        "forget_after 0 keeps it": settings.stale_after == ZERO < settings.forget_after,
        "forget_after is at most stale_after, so that a silent space is forgotten before it is stale": (
            ZERO < settings.forget_after <= settings.stale_after
        ),
        f"a key in webhook_api_keys has fewer than {MIN_KEY_LENGTH} characters; "
        "openssl rand -hex 32 generates a better one": (
            any(len(key.get_secret_value()) < MIN_KEY_LENGTH for key in settings.webhook_api_keys or ())
        ),
    }
    return unknown + [message for message, applies in checks.items() if applies]


def exposure(settings: Settings) -> str:
    """Return a warning about everything that is open without credentials; empty if nothing is."""
    allowed = []
    if not settings.webhook_api_keys and not settings.webhook_username:
        allowed.append(f"send events to {settings.listen} (no webhook_api_keys, no webhook_username)")
    address = settings.metrics_listen or settings.listen
    if not settings.metrics_username and not _is_loopback(address):
        allowed.append(f"read every count at {address} (no metrics_username)")
    return f"everyone may {' and '.join(allowed)}" if allowed else ""


def _is_loopback(address: Address) -> bool:
    return address.host == "localhost" or address.host.startswith("127.") or address.host == "::1"


def suggestion(name: str) -> str:
    """Return `; did you mean ...?` with the setting closest to an unknown flag or variable; empty if none is close."""
    is_variable = name.startswith(PREFIX)
    plain = name.removeprefix(PREFIX).strip("-\N{EN DASH}\N{EM DASH}").replace("-", "_").lower()
    for close in get_close_matches(plain, [setting.name for setting in INPUTS], n=1, cutoff=0.75):
        meant = next(setting for setting in INPUTS if setting.name == close)
        return f"; did you mean {meant.variable if is_variable else meant.flag}?"
    return ""


def misspelt_credentials(environ: Mapping[str, str]) -> list[str]:
    """Return the unknown variables that seem meant for a credential or for TLS, sorted."""
    return [
        name
        for name in sorted(filter(_is_unknown, environ))
        if re.search("WEBHOOK|METRICS|TLS|KEY|PASSWORD|SECRET", name.removeprefix(PREFIX))
        # Kubernetes sets BUTLR_EXPORTER_METRICS_PORT for a service named butlr-exporter-metrics.
        and not name.endswith("_PORT")
    ]


def _is_unknown(variable: str) -> bool:
    # Kubernetes sets variables such as BUTLR_EXPORTER_SERVICE_HOST for a service named butlr-exporter.
    return (
        variable.startswith(PREFIX)
        and re.search("(^|_)(SERVICE_(HOST|PORT)|PORT_[0-9]+_)|^PORT$", variable.removeprefix(PREFIX)) is None
        and variable not in [setting.variable for setting in INPUTS]
    )
