"""The settings: each from its flag or its variable, every mistake told at once."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import (
    SETTINGS,
    Address,
    Settings,
    SettingsError,
    doubts,
    load,
    parse_duration,
    parse_size,
    show_duration,
    show_size,
)

VALID = {
    "listen": ("[::1]:80", Address("::1", 80)),
    "journal": ("/data/journal.db", "/data/journal.db"),
    "window": ("1h30m", timedelta(minutes=90)),
    "stale_after": ("0", timedelta()),
    "forget_after": ("1d", timedelta(days=1)),
    "future_tolerance": ("1500ms", timedelta(seconds=1.5)),
    "max_zones": ("5", 5),
    "max_body": ("512KiB", 512 * 1024),
    "labels": (" zone_name , floor_id,", ("zone_name", "floor_id", "zone_id")),
    "log_level": ("DEBUG", "debug"),
    "log_format": ("json", "json"),
}

MISTAKES = {
    "listen": ["", "localhost", "localhost:http", ":65536", ":99999999999", "::1:80", ":٣", "1.2.3.4:-1"],
    "journal": ["redis://localhost/0"],
    "window": ["0", "0s", "15", "m", "-5m", "5m3h", "1.5h", "15 m", "٣m", "9" * 30 + "d", "9" * 5000 + "s"],
    "stale_after": ["10", "ten minutes"],
    "forget_after": ["1month"],
    "future_tolerance": ["-1s"],
    "max_zones": ["0", "-1", "1.5", "many", "1" + "0" * 20, "٣"],
    "max_body": ["0", "0MiB", "1MB", "1.5MiB", "big", "9" * 20],
    "labels": ["zone_nmae", "zone_name,zone_name"],
    "log_level": ["loud"],
    "log_format": ["xml"],
}


class TestLoad:
    """Where a value comes from."""

    def test_defaults(self) -> None:
        """The contract's numbers."""
        assert load({}, {}) == Settings()
        assert Settings().show() == {
            "listen": "0.0.0.0:9728",
            "journal": "none",
            "window": "15m",
            "stale_after": "10m",
            "forget_after": "24h",
            "future_tolerance": "5m",
            "max_zones": "100000",
            "max_body": "1MiB",
            "labels": "site_name, building_name, floor_name, room_name, zone_name, zone_id",
            "log_level": "info",
            "log_format": "logfmt",
        }

    @pytest.mark.parametrize("name", [setting.name for setting in SETTINGS])
    def test_each_setting_from_flag_and_variable(self, name: str) -> None:
        """The two are the same setting, and the flag wins."""
        text, value = VALID[name]
        variable = f"BUTLR_EXPORTER_{name.upper()}"
        default = next(setting.default for setting in SETTINGS if setting.name == name)
        assert getattr(load({name: text}, {}), name) == value
        assert getattr(load({}, {variable: text}), name) == value
        assert getattr(load({name: text}, {variable: default}), name) == value
        assert getattr(load({name: None}, {variable: text}), name) == value

    def test_an_empty_variable_is_not_set(self) -> None:
        """Compose files leave such behind."""
        assert load({}, {"BUTLR_EXPORTER_WINDOW": ""}) == Settings()

    @pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in MISTAKES.items() for text in texts])
    def test_mistakes(self, name: str, text: str) -> None:
        """Each is refused and told with its source and its text."""
        with pytest.raises(SettingsError) as caught:
            load({name: text}, {})
        (mistake,) = caught.value.mistakes
        assert mistake.startswith(f"--{name.replace('_', '-')} ")
        assert mistake.endswith(f", not {text!r}")

    def test_all_mistakes_together(self) -> None:
        """From flags and variables, in the order of the settings, each saying what to do."""
        with pytest.raises(SettingsError) as caught:
            load(
                {"stale_after": "10", "labels": "room"},
                {"BUTLR_EXPORTER_LISTEN": "9728", "BUTLR_EXPORTER_MAX_BODY": "1MB", "BUTLR_EXPORTER_WINDOW": "0"},
            )
        assert caught.value.mistakes == [
            "BUTLR_EXPORTER_LISTEN must be HOST:PORT such as 0.0.0.0:9728, :9728 or [::1]:9728, not '9728'",
            "BUTLR_EXPORTER_WINDOW must be longer than 0, not '0'",
            "--stale-after must be a duration such as 90s, 10m or 24h, not '10'",
            "BUTLR_EXPORTER_MAX_BODY must be a size such as 512KiB or 1MiB, not '1MB'",
            "--labels must be some of org_id, org_name, site_id, site_name, building_id, "
            "building_name, floor_id, floor_name, floor_custom_id, room_id, room_name, room_custom_id, zone_id, "
            "zone_name, zone_custom_id, not 'room'",
        ]
        assert str(caught.value).splitlines() == caught.value.mistakes


class TestDoubts:
    """What is no mistake and hardly meant."""

    def test_variables_that_are_no_settings(self) -> None:
        """Told, with what was meant if that is plain; what Kubernetes sets for a service of this name is not."""
        environ = {
            "BUTLR_EXPORTER_STALE_AFER": "1m",
            "BUTLR_EXPORTER_RETENTION": "1d",
            "BUTLR_EXPORTER_WINDOW": "10m",
            "BUTLR_EXPORTER_PORT": "tcp://10.0.0.1:9728",
            "BUTLR_EXPORTER_SERVICE_HOST": "10.0.0.1",
            "BUTLR_EXPORTER_PORT_9728_TCP_ADDR": "10.0.0.1",
            "HOME": "/",
        }
        assert doubts(Settings(), environ) == [
            "BUTLR_EXPORTER_RETENTION is not a setting",
            "BUTLR_EXPORTER_STALE_AFER is not a setting; did you mean BUTLR_EXPORTER_STALE_AFTER?",
        ]

    @pytest.mark.parametrize(
        ("flags", "doubt"),
        [
            ({"window": "299s"}, "window is shorter than the 5m"),
            ({"stale_after": "0"}, "forget_after 0 keeps it"),
            ({"stale_after": "1h", "forget_after": "1h"}, "vanishes without being stale"),
        ],
    )
    def test_settings_at_odds(self, flags: dict[str, str], doubt: str) -> None:
        """Each is told once."""
        (told,) = doubts(load(flags, {}), {})
        assert doubt in told

    @pytest.mark.parametrize(
        "flags", [{}, {"window": "5m"}, {"stale_after": "0", "forget_after": "0"}, {"forget_after": "11m"}]
    )
    def test_sensible_settings(self, flags: dict[str, str]) -> None:
        """No doubt about the defaults, nor at the edges."""
        assert doubts(load(flags, {}), {}) == []


class TestUnits:
    """Durations as Prometheus writes them, and sizes."""

    @given(st.integers(0, 10**12))
    def test_durations_round_trip(self, milliseconds: int) -> None:
        """To the millisecond."""
        duration = timedelta(milliseconds=milliseconds)
        assert parse_duration(show_duration(duration)) == duration

    def test_every_unit(self) -> None:
        """From years to milliseconds, in that order."""
        assert parse_duration("1y1w1d1h1m1s1ms") == timedelta(
            days=365 + 7 + 1, hours=1, minutes=1, seconds=1, milliseconds=1
        )
        assert show_duration(timedelta()) == "0s"
        assert show_duration(timedelta(hours=36, seconds=1)) == "36h1s"

    @given(st.integers(0, 10**12))
    def test_sizes_round_trip(self, size: int) -> None:
        """To the byte."""
        assert parse_size(show_size(size)) == size

    def test_sizes(self) -> None:
        """Plain numbers are bytes."""
        assert parse_size("10") == parse_size("10B") == 10
        assert parse_size("2GiB") == 2 << 30
        assert show_size(1536) == "1536B"
        assert show_size(0) == "0B"

    def test_addresses(self) -> None:
        """An empty host is every interface; IPv6 stands in brackets."""
        for text in (":9728", "[::]:9728", "localhost:1", "0.0.0.0:0"):
            assert load({"listen": text}, {}).show()["listen"] == text
