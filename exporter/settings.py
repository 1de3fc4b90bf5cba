"""Every setting, declared once: name, default, help and validation.

A setting `stale_after` is the environment variable `BUTLR_EXPORTER_STALE_AFTER` and the flag
`--stale-after` (or `--stale_after`); the flag wins. A secret may also come from a file, named by the same
with `_FILE` or `-file` at the end. A leaf: it knows nothing of what the settings are for.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from exporter import capacity
from exporter.capacity import CapacityError
from exporter.kinds import (
    ADDRESS,
    COUNT,
    DURATION,
    FILE,
    HEADER,
    JOURNAL,
    LABELS,
    POSITIVE_DURATION,
    SECRET,
    SECRETS,
    SIZE,
    USERNAME,
    ZERO,
    Address,
    Kind,
    one_of,
    optional,
    show_duration,
    shown_path,
)
from exporter.tls import Certificate, TlsError

PREFIX = "BUTLR_EXPORTER_"

LONG_ENOUGH = 16
"""Characters of an API key that nobody guesses."""

RECOMPUTED = timedelta(minutes=5)
"""How long Butlr computes a reading anew (docs.butlr.io, zone occupancy)."""


CADENCE = timedelta(minutes=1)
"""From one reading of a zone to the next."""


TAKEN = timedelta(hours=1)
"""How old a sample may be for Prometheus to take it."""


class SettingsError(ValueError):
    """Settings that cannot be taken; `mistakes` has a line for each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def _setting(default: str, kind: Kind, description: str) -> Any:
    return field(default=kind.parse(default), metadata={"kind": kind, "default": default, "help": description})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The effective settings; times are `timedelta`s, sizes are bytes."""

    listen: Address = _setting(
        "0.0.0.0:9728", ADDRESS, "address that serves everything, or what metrics_listen leaves; port 0: a free one"
    )
    metrics_listen: Address | None = _setting(
        "none", optional(ADDRESS), "address of everything but /webhook; listen then serves that and health only"
    )
    journal: str | None = _setting(
        "none", optional(JOURNAL), "SQLite file that keeps what is known over a restart; none: it is forgotten"
    )
    window: timedelta = _setting(
        "15m", POSITIVE_DURATION, "how long a zone's readings are kept, counted back from its newest"
    )
    stale_after: timedelta = _setting(
        "10m", DURATION, "age of its newest reading at which a zone's count is no longer shown; 0: never"
    )
    forget_after: timedelta = _setting("24h", DURATION, "silence after which a zone is forgotten; 0: never")
    settle_after: timedelta = _setting(
        "6m", DURATION, "age from which a reading is final, and shown at its own time on /metrics/settled"
    )
    settled_points: int = _setting(
        "1", COUNT, "how many settled readings of a zone are shown at a time; more outlast longer gaps in scraping"
    )
    future_tolerance: timedelta = _setting(
        "5m", DURATION, "how far a reading may be ahead of this machine's clock before it is refused"
    )
    max_zones: int = _setting("100000", COUNT, "most zones known at a time; events of further ones are refused")
    max_body: int = _setting("1MiB", SIZE, "largest request body")
    labels: tuple[str, ...] = _setting(
        "site_name, building_name, floor_name, room_name, zone_name, zone_id",
        LABELS,
        "metadata fields that label each zone; zone_id is always one",
    )
    capacity_file: str | None = _setting(
        "none", optional(FILE), "YAML file with how many people each zone is meant for; read again on SIGHUP"
    )
    webhook_api_key_header: str = _setting("X-API-Key", HEADER, "header in which Butlr sends the key")
    webhook_api_keys: tuple[SecretStr, ...] | None = _setting(
        "none", optional(SECRETS), "keys of which an event must bring one; several, for the time of a change"
    )
    webhook_username: str | None = _setting(
        "none", optional(USERNAME), "name for HTTP basic authentication of events; beside keys, either is enough"
    )
    webhook_password: SecretStr | None = _setting("none", optional(SECRET), "password that goes with webhook_username")
    metrics_username: str | None = _setting(
        "none", optional(USERNAME), "name for HTTP basic authentication of everything that reads"
    )
    metrics_password: SecretStr | None = _setting("none", optional(SECRET), "password that goes with metrics_username")
    tls_cert: str | None = _setting(
        "none", optional(FILE), "PEM file with the certificate of listen and its chain; none: no TLS"
    )
    tls_key: str | None = _setting("none", optional(FILE), "PEM file with the private key of tls_cert")
    log_level: str = _setting("info", one_of("debug", "info", "warning", "error"), "least severe level that is logged")
    log_format: str = _setting("logfmt", one_of("logfmt", "json"), "how a log line is written")

    def show(self) -> dict[str, str]:
        """Return every setting by name, as it would be written."""
        return {setting.name: setting.kind.show(getattr(self, setting.name)) for setting in SETTINGS}


class Setting(NamedTuple):
    """The declaration of one setting."""

    name: str
    kind: Kind
    default: str
    help: str

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """Its flag, as documented."""
        return "--" + self.name.replace("_", "-")

    @property
    def file(self) -> "Setting | None":
        """What names the file it may come from, if it is a secret."""
        if not self.kind.secret:
            return None
        return Setting(f"{self.name}_file", FILE, "none", f"file that holds {self.name}")


SETTINGS = [Setting(f.name, **f.metadata) for f in fields(Settings)]
"""All settings, in the order of the documentation."""

GIVEN = [given for setting in SETTINGS for given in (setting, setting.file) if given]
"""All settings with those that name the file of a secret: what flags and variables there are."""

TOGETHER = (
    ("webhook_username", "webhook_password"),
    ("metrics_username", "metrics_password"),
    ("tls_cert", "tls_key"),
)
"""Settings of which one without the other is a mistake."""


def load(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> Settings:
    """Work out the settings from flags (by setting name) and environment variables.

    An empty variable is taken as not set, but for a secret. Raises SettingsError with every mistake.
    """
    values: dict[str, Any] = {}
    mistakes: dict[str, str] = {}
    for setting in SETTINGS:
        try:
            source, text = _given(setting, flags, environ)
        except ValueError as error:
            mistakes[setting.name] = str(error)
            continue
        if text is None:
            continue
        try:
            values[setting.name] = setting.kind.parse(text)
        except ValueError as error:
            mistakes[setting.name] = f"{source} {error}" + (f", not {text!r}" if setting.kind.echoes else "")
    for pair in TOGETHER:
        missing = [name for name in pair if values.get(name) is None]
        if len(missing) == 1 and not set(pair) & mistakes.keys():
            (given,) = set(pair) - set(missing)
            mistakes[given] = f"{given} is set and {missing[0]} is not; they go together"
    listen: Address = values.get("listen", Settings.listen)
    if listen.port and values.get("metrics_listen") == listen:
        mistakes["metrics_listen"] = "metrics_listen and listen are the same address"
    mistakes |= {name: f"{name} is not a setting{nearest(name)}" for name in _credentials_misspelt(environ)}
    if values.get("tls_cert") and values.get("tls_key"):
        try:
            Certificate(values["tls_cert"], values["tls_key"])
        except TlsError as error:
            mistakes["tls_cert"] = str(error)
    if values.get("capacity_file"):
        try:
            capacity.read(values["capacity_file"])
        except CapacityError as error:
            mistakes |= {f"capacity_file {n}": f"capacity_file: {m}" for n, m in enumerate(error.mistakes)}
    if mistakes:
        raise SettingsError(list(mistakes.values()))
    return Settings(**values)


def _given(setting: Setting, flags: Mapping[str, str | None], environ: Mapping[str, str]) -> tuple[str, str | None]:
    """Return where a setting comes from, and its text if it is given. Raises ValueError."""
    for source, text, file_source, path in _places(setting, flags, environ):
        if text is not None and path is not None:
            raise ValueError(f"{source} and {file_source} are both set; one is enough")
        if setting.kind.secret and path is None and environ.get(source) == "":
            raise ValueError(f"{source} is empty; leave it out if there is to be none")
        if path is not None:
            return file_source, _read(file_source, path)
        if text is not None:
            return source, text if setting.kind.secret else text.strip()
    return "", None


def _places(
    setting: Setting, flags: Mapping[str, str | None], environ: Mapping[str, str]
) -> Iterator[tuple[str, str | None, str, str | None]]:
    """Give each place a setting may come from, the stronger first: name and text, and those of the file."""
    file = setting.file
    yield (
        setting.flag,
        flags.get(setting.name),
        file.flag if file else "",
        flags.get(file.name) if file else None,
    )
    yield (
        setting.variable,
        environ.get(setting.variable) or None,
        file.variable if file else "",
        (environ.get(file.variable) or None) if file else None,
    )


def _read(source: str, path: str) -> str:
    if not path:
        raise ValueError(f"{source} must not be empty")
    try:
        text = Path(path).read_text("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{source} names {shown_path(path)}, which is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "that is no path"
        raise ValueError(f"{source} names {shown_path(path)}, which cannot be read: {reason}") from None
    if text.strip().lower() == "none":
        raise ValueError(f"{source} names {shown_path(path)}, which holds no secret but the word none")
    return text


def doubts(settings: Settings, environ: Mapping[str, str]) -> list[str]:
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
    for name in get_close_matches(plain, [setting.name for setting in GIVEN], n=1, cutoff=0.75):
        meant = next(setting for setting in GIVEN if setting.name == name)
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
        and variable not in [given.variable for given in GIVEN]
    )
