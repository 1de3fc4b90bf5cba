"""Every setting, declared once: name, default, help and validation.

A setting `stale_after` is the environment variable `BUTLR_EXPORTER_STALE_AFTER` and the flag
`--stale-after` (or `--stale_after`); the flag wins. A secret may also come from a file: the variable
`..._FILE` or the flag `--...-file` names it. This module does not know the use of any setting.
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
    ID,
    JOURNAL,
    LABELS,
    MEASUREMENTS,
    POSITIVE_DURATION,
    SECRET,
    SECRETS,
    SIZE,
    URL,
    USERNAME,
    Address,
    ValueType,
    one_of,
    optional,
)

PREFIX = "BUTLR_EXPORTER_"


class SettingsError(ValueError):
    """Rejected settings; `mistakes` has a line for each mistake."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


def _setting(default: str, value_type: ValueType, description: str) -> Any:
    metadata = {"type": value_type, "default": default, "help": description}
    return field(default=value_type.parse(default), metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The effective settings; times are `timedelta`s, sizes are bytes."""

    listen: Address = _setting(
        "0.0.0.0:9728",
        ADDRESS,
        "address for every request that metrics_listen does not serve; :PORT is IPv4 and IPv6, port 0 any free port",
    )
    metrics_listen: Address | None = _setting(
        "none", optional(ADDRESS), "second address, for all but /webhook; listen then serves only /webhook and health"
    )
    journal: str | None = _setting(
        "none", optional(JOURNAL), "SQLite file that keeps all counts across restarts; none: a restart forgets them"
    )
    window: timedelta = _setting(
        "15m",
        POSITIVE_DURATION,
        "age up to which readings are kept, counted back from the newest reading of the same measure and space",
    )
    traffic_window: timedelta = _setting(
        "24h",
        POSITIVE_DURATION,
        "time for which the ids of crossings are known, so that each is counted once, counted back from the newest "
        "event of the same sensor",
    )
    stale_after: timedelta = _setting(
        "10m", DURATION, "age of its newest reading after which a space is silent, and its count not exported; 0: never"
    )
    detections_stale_after: timedelta = _setting(
        "30s",
        DURATION,
        "age of its newest message after which a sensor is silent, and its detections not exported; 0: never",
    )
    forget_after: timedelta = _setting(
        "24h", DURATION, "time without a delivery after which a space is forgotten; 0: never"
    )
    motion_forget_after: timedelta = _setting(
        "14d",
        DURATION,
        "time without a delivery after which a space with motion is forgotten, in place of forget_after; 0: never",
    )
    settle_after: timedelta = _setting(
        "6m", DURATION, "age at which a reading is final and is exported with its own timestamp on /metrics/settled"
    )
    settled_points: int = _setting(
        "1", COUNT, "number of newest final counts exported for each space; more survive longer gaps in scraping"
    )
    future_tolerance: timedelta = _setting(
        "5m",
        DURATION,
        "a reading further ahead of this machine's clock is rejected; an id made further ahead has no generation",
    )
    max_spaces: int = _setting(
        "100000", COUNT, "largest number of spaces known at a time; events of further spaces are rejected"
    )
    max_body: int = _setting("1MiB", SIZE, "largest request body that is accepted")
    labels: tuple[str, ...] = _setting(
        "site_name, building_name, floor_name, room_name, zone_name",
        LABELS,
        "metadata fields that label each space that can have them, besides its own id",
    )
    capacity_file: str | None = _setting(
        "none",
        optional(FILE),
        "YAML file with the capacity of each space in people; reloaded on SIGHUP and POST /-/reload",
    )
    webhook_api_key_header: str = _setting("X-API-Key", HEADER, "request header in which Butlr sends an API key")
    webhook_api_keys: tuple[SecretStr, ...] | None = _setting(
        "none", optional(SECRETS), "API keys, one of which each delivery must carry; give several while you rotate them"
    )
    webhook_username: str | None = _setting(
        "none",
        optional(USERNAME),
        "username for HTTP basic authentication of deliveries, instead of or beside API keys",
    )
    webhook_password: SecretStr | None = _setting("none", optional(SECRET), "password of webhook_username")
    metrics_username: str | None = _setting(
        "none", optional(USERNAME), "username for HTTP basic authentication of readers: metrics, pages and API"
    )
    metrics_password: SecretStr | None = _setting("none", optional(SECRET), "password of metrics_username")
    tls_cert: str | None = _setting(
        "none", optional(FILE), "PEM file with the certificate of listen and its chain; none: plain HTTP"
    )
    tls_key: str | None = _setting("none", optional(FILE), "PEM file with the private key of tls_cert")
    butlr_client_id: str | None = _setting(
        "none", optional(ID), "client id of an API token of Butlr, for all that is read from its API"
    )
    butlr_client_secret: SecretStr | None = _setting("none", optional(SECRET), "client secret of butlr_client_id")
    butlr_api_url: str = _setting("https://api.butlr.io", URL, "address of Butlr's API")
    poll: timedelta | None = _setting(
        "none",
        optional(POSITIVE_DURATION),
        "time from one request for the last minutes to the next, where Butlr cannot deliver; none: no requests",
    )
    poll_measurements: tuple[str, ...] = _setting(
        "zone_occupancy", MEASUREMENTS, "measurements to poll: zone_occupancy, room_occupancy, floor_occupancy"
    )
    assets_interval: timedelta = _setting(
        "10m",
        POSITIVE_DURATION,
        "time from one read of Butlr's assets to the next: capacities, tags, missing spaces, sensors, hives",
    )
    recover: timedelta = _setting(
        "24h", DURATION, "age of the oldest missing minute that is asked for at the start and after a gap; 0: none is"
    )
    log_level: str = _setting("info", one_of("debug", "info", "warning", "error"), "lowest level that is logged")
    log_format: str = _setting("logfmt", one_of("logfmt", "json"), "format of log lines")

    def show(self) -> dict[str, str]:
        """Return each setting by name, as text that can be set again; secrets are hidden."""
        return {setting.name: setting.type.show(getattr(self, setting.name)) for setting in SETTINGS}


class Setting(NamedTuple):
    """The declaration of one setting."""

    name: str
    type: ValueType
    default: str
    help: str

    @property
    def variable(self) -> str:
        """The environment variable of the setting."""
        return PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The flag of the setting, as documented."""
        return "--" + self.name.replace("_", "-")

    @property
    def file(self) -> "Setting | None":
        """The setting that names a file with the value; None unless the value is a secret."""
        if not self.type.secret:
            return None
        return Setting(f"{self.name}_file", FILE, "none", f"file that contains {self.name}")


SETTINGS = [Setting(f.name, **f.metadata) for f in fields(Settings)]
"""All settings, in the order of the documentation."""

INPUTS = [one for setting in SETTINGS for one in (setting, setting.file) if one]
"""All settings, each secret followed by the setting that names its file: one for each flag and variable."""
