"""Advice about settings: warnings about unlikely values, missing credentials and misspelt names."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import SecretStr

from exporter.settings.declared import INPUTS, PREFIX, SETTINGS, Settings
from exporter.settings.types import ZERO, Address, is_quoted, show_duration
from exporter.spelling import closest

MIN_KEY_LENGTH = 16
"""Characters of the shortest API key that is hard to guess."""

RECOMPUTED_FOR = timedelta(minutes=5)
"""Time during which Butlr computes a reading again (docs.butlr.io, zone occupancy)."""

POLLED_LATER = timedelta(minutes=3)
"""Time after which Butlr's API has a minute, and a poll has asked for it."""

SHORTEST_ASSETS_INTERVAL = timedelta(seconds=5)
"""Interval between reads of the assets that leaves most of Butlr's requests to others."""

READING_INTERVAL = timedelta(minutes=1)
"""Time between two readings of a space."""

MAX_SAMPLE_AGE = timedelta(hours=1)
"""Age of the oldest sample that Prometheus accepts."""

QUOTES_COUNT = "quotes count as a part of a value, so leave them out; docker --env-file, for instance, keeps them"
"""Advice about a value in quotes."""

_OURS = re.compile("^BUTLE?RS?[_-]?EXPORTERS?[_-]", re.IGNORECASE)
"""The beginning of a variable that is meant for the exporter, however it is spelt."""


def warnings(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return a warning for each unknown variable, and for each setting that is valid but hardly intended."""
    unknown = [f"{name} is not a setting{suggestion(name)}" for name in sorted(filter(_is_unknown, environ))]
    recomputed, max_age = show_duration(RECOMPUTED_FOR), show_duration(MAX_SAMPLE_AGE)
    checks = {
        f"window is shorter than the {recomputed} in which Butlr corrects a reading": settings.window < RECOMPUTED_FOR,
        "window is shorter than settle_after and a minute for each of settled_points; "
        "/metrics/settled then shows final counts too briefly, or never": (
            (settings.window - settings.settle_after) // READING_INTERVAL < settings.settled_points
        ),
        f"window is longer than {max_age}, and Prometheus rejects older final counts": (
            settings.window > MAX_SAMPLE_AGE
        ),
        f"settle_after is shorter than the {recomputed} in which Butlr corrects a reading": (
            settings.settle_after < RECOMPUTED_FOR
        ),
        f"with poll, settle_after is shorter than the {show_duration(RECOMPUTED_FOR + POLLED_LATER)} in which a polled "
        "minute may change; set it to that, or Prometheus stores final counts that are corrected later": (
            settings.poll is not None and settings.settle_after < RECOMPUTED_FOR + POLLED_LATER
        ),
        f"stale_after is shorter than poll and the {show_duration(POLLED_LATER)} after which a minute is polled, "
        "so that spaces are silent between polls": (
            settings.poll is not None and ZERO < settings.stale_after < settings.poll + POLLED_LATER
        ),
        f"assets_interval is shorter than {show_duration(SHORTEST_ASSETS_INTERVAL)}; each read of the assets is three "
        "requests, and Butlr's engineers estimate 100 a minute": settings.assets_interval < SHORTEST_ASSETS_INTERVAL,
        "with stale_after 0 a silent space keeps its count, but forget_after still forgets it; "
        "forget_after 0 keeps it": settings.stale_after == ZERO < settings.forget_after,
        "forget_after is at most stale_after, so that a space is forgotten before it is silent": (
            ZERO < settings.forget_after <= settings.stale_after
        ),
        "motion_forget_after is shorter than forget_after, so a room with motion is forgotten before one without": (
            ZERO < settings.motion_forget_after < settings.forget_after
        ),
        f"a key in webhook_api_keys has fewer than {MIN_KEY_LENGTH} characters; "
        "openssl rand -hex 32 generates a better one": (
            any(len(key.get_secret_value()) < MIN_KEY_LENGTH for key in settings.webhook_api_keys or ())
        ),
    }
    applying = [message for message, applies in checks.items() if applies]
    return [*unknown, *_taken_literally(settings), *applying, *unencrypted(settings.butlr_api_url)]


def unencrypted(api_url: str) -> list[str]:
    """Return a warning if the secret of the API token would cross a network without encryption."""
    parts = urlsplit(api_url)
    if parts.scheme == "https" or _is_loopback(Address(parts.hostname or "", 0)):
        return []
    return ["butlr_api_url begins with http:// and is on another machine: anybody on the way can read the secret"]


def _taken_literally(settings: Settings) -> Iterator[str]:
    """Return a warning for each value with characters that only a shell removes."""
    for setting in SETTINGS:
        texts = _texts(getattr(settings, setting.name))
        if any(map(is_quoted, texts)):
            yield f"the value of {setting.name} is in quotes; {QUOTES_COUNT}"
        if any(text != text.strip() for text in texts):
            yield f"the value of {setting.name} begins or ends with white space, which counts as a part of it"
        if not setting.type.secret and any(re.search(r"\s#", text) for text in texts):
            yield f"the value of {setting.name} contains a #; docker --env-file keeps a comment behind a value"


def _texts(value: object) -> list[str]:
    """Return every text in a value, and the text of a list as a whole."""
    parts = value if isinstance(value, tuple) else (value,)
    plain = [part.get_secret_value() if isinstance(part, SecretStr) else part for part in parts]
    texts = [text for text in plain if isinstance(text, str)]
    return [*texts, ",".join(texts)]


def exposure(settings: Settings) -> str:
    """Return a warning about everything that is open without credentials; empty if nothing is."""
    allowed = []
    if not settings.webhook_api_keys and not settings.webhook_username:
        allowed.append(f"send events to {settings.listen} (no webhook_api_keys, no webhook_username)")
    address = settings.metrics_listen or settings.listen
    if not settings.metrics_username and not _is_loopback(address):
        allowed.append(f"read every count and forget any space at {address} (no metrics_username)")
    return f"everyone may {' and '.join(allowed)}" if allowed else ""


def _is_loopback(address: Address) -> bool:
    return address.host == "localhost" or address.host.startswith("127.") or address.host == "::1"


def suggestion(variable: str) -> str:
    """Return `; did you mean ...?` with the variable closest to an unknown one; empty if none is close."""
    name = closest(_OURS.sub("", variable), [setting.name for setting in INPUTS])
    return "" if name is None else f"; did you mean {PREFIX}{name.upper()}?"


def misspelt_credentials(environ: Mapping[str, str]) -> list[str]:
    """Return the unknown variables that seem meant for a credential or for TLS, sorted."""
    return [
        name
        for name in sorted(filter(_is_unknown, environ))
        if re.search("WEBHOOK|METRICS|TLS|KEY|PASSWORD|SECRET|CLIENT", _OURS.sub("", name), re.IGNORECASE)
        # Kubernetes sets BUTLR_EXPORTER_METRICS_PORT for a service named butlr-exporter-metrics.
        and not name.endswith("_PORT")
    ]


def _is_unknown(variable: str) -> bool:
    # Kubernetes sets variables such as BUTLR_EXPORTER_SERVICE_HOST for a service named butlr-exporter.
    return (
        _OURS.match(variable) is not None
        and re.search("(^|_)(SERVICE_(HOST|PORT)|PORT_[0-9]+_)|^PORT$", _OURS.sub("", variable)) is None
        and variable not in [setting.variable for setting in INPUTS]
    )
