"""A valid text of each setting, and the value that it stands for."""

from datetime import timedelta

from pydantic import SecretStr

from exporter.settings.load import PAIRS
from exporter.settings.types import Address

VALID = {
    "listen": ("[::1]:80", Address("::1", 80)),
    "metrics_listen": ("127.0.0.1:9729", Address("127.0.0.1", 9729)),
    "journal": ("/data/journal.db", "/data/journal.db"),
    "window": ("1h30m", timedelta(minutes=90)),
    "traffic_window": ("12h", timedelta(hours=12)),
    "stale_after": ("0", timedelta()),
    "detections_stale_after": ("45s", timedelta(seconds=45)),
    "forget_after": ("1d", timedelta(days=1)),
    "motion_forget_after": ("4w", timedelta(weeks=4)),
    "settle_after": ("7m", timedelta(minutes=7)),
    "settled_points": ("3", 3),
    "future_tolerance": ("1500ms", timedelta(seconds=1.5)),
    "max_spaces": ("5", 5),
    "max_body": ("512KiB", 512 * 1024),
    "labels": (" zone_name , floor_id,", ("zone_name", "floor_id")),
    "webhook_api_key_header": ("Authorization", "Authorization"),
    "webhook_api_keys": ("old key,, new-key ,", (SecretStr("old key"), SecretStr("new-key"))),
    "webhook_username": ("butlr", "butlr"),
    "webhook_password": (" p:a,ss ", SecretStr(" p:a,ss ")),
    "metrics_username": ("prometheus", "prometheus"),
    "metrics_password": ("pässword", SecretStr("pässword")),
    "butlr_client_id": ("client_2oUBiSXgx48RtbZKXHm5ekpAzFe", "client_2oUBiSXgx48RtbZKXHm5ekpAzFe"),
    "butlr_client_secret": ("s,e cret", SecretStr("s,e cret")),
    "butlr_api_url": ("http://[::1]:9729/api/", "http://[::1]:9729/api"),
    "poll": ("30s", timedelta(seconds=30)),
    "poll_measurements": ("Zone_Occupancy, floor_occupancy", ("zone_occupancy", "floor_occupancy")),
    "assets_interval": ("1h", timedelta(hours=1)),
    "recover": ("0", timedelta()),
    "log_level": ("DEBUG", "debug"),
    "log_format": ("json", "json"),
}


def partner(name: str) -> dict[str, str]:
    """Return a valid flag for the setting that another one needs beside it; empty if it needs none."""
    if name == "poll":
        return {one: VALID[one][0] for one in ("butlr_client_id", "butlr_client_secret")}
    return {one: VALID[one][0] for pair in PAIRS if name in pair for one in pair if one != name}
