"""Every setting, declared once: name, default, help and validation.

A setting `stale_after` is the environment variable `BUTLR_EXPORTER_STALE_AFTER` and the flag
`--stale-after` (or `--stale_after`); the flag wins. A secret may also come from a file, named by the same
with `_FILE` or `-file` at the end. A leaf: it knows nothing of what the settings are for.
"""

from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, NamedTuple

from pydantic import SecretStr

from exporter.settings.types import (
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
    Address,
    ValueType,
    one_of,
    optional,
)

PREFIX = "BUTLR_EXPORTER_"


class SettingsError(ValueError):
    """Settings that cannot be taken; `mistakes` has a line for each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def _setting(default: str, kind: ValueType, description: str) -> Any:
    return field(default=kind.parse(default), metadata={"kind": kind, "default": default, "help": description})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The effective settings; times are `timedelta`s, sizes are bytes."""

    listen: Address = _setting(
        "0.0.0.0:9728", ADDRESS, "address that serves everything that metrics_listen does not; port 0: a free port"
    )
    metrics_listen: Address | None = _setting(
        "none", optional(ADDRESS), "address of everything but /webhook; listen then serves that and health only"
    )
    journal: str | None = _setting(
        "none", optional(JOURNAL), "SQLite file that keeps all counts over a restart; none: a restart forgets them"
    )
    window: timedelta = _setting(
        "15m", POSITIVE_DURATION, "how long the readings of a space are kept, counted back from its newest"
    )
    stale_after: timedelta = _setting(
        "10m", DURATION, "age of its newest reading at which the count of a space is no longer exported; 0: never"
    )
    forget_after: timedelta = _setting("24h", DURATION, "silence after which a space is forgotten; 0: never")
    settle_after: timedelta = _setting(
        "6m", DURATION, "age from which a reading is final, and exported at its own time on /metrics/settled"
    )
    settled_points: int = _setting(
        "1", COUNT, "settled readings of a space that are exported at a time; more outlast longer gaps in scraping"
    )
    future_tolerance: timedelta = _setting(
        "5m", DURATION, "how far a reading may be ahead of this machine's clock before it is rejected"
    )
    max_spaces: int = _setting("100000", COUNT, "most spaces known at a time; events of further ones are rejected")
    max_body: int = _setting("1MiB", SIZE, "largest request body")
    labels: tuple[str, ...] = _setting(
        "site_name, building_name, floor_name, room_name, zone_name",
        LABELS,
        "metadata fields that label each space, besides its own id",
    )
    capacity_file: str | None = _setting(
        "none", optional(FILE), "YAML file with the capacity of each space in people; read again on SIGHUP"
    )
    webhook_api_key_header: str = _setting("X-API-Key", HEADER, "header in which Butlr sends the key")
    webhook_api_keys: tuple[SecretStr, ...] | None = _setting(
        "none", optional(SECRETS), "keys, one of which each request must bring; several while one replaces another"
    )
    webhook_username: str | None = _setting(
        "none", optional(USERNAME), "name for HTTP basic authentication of senders; a key is enough as well"
    )
    webhook_password: SecretStr | None = _setting("none", optional(SECRET), "password that goes with webhook_username")
    metrics_username: str | None = _setting("none", optional(USERNAME), "name for HTTP basic authentication of readers")
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
    kind: ValueType
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

INPUTS = [given for setting in SETTINGS for given in (setting, setting.file) if given]
"""All settings with those that name the file of a secret: what flags and variables there are."""
