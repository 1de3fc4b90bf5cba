"""Settings come from flags and variables; every mistake and every warning is reported."""

import re

import pytest

from exporter.settings.advice import exposure, warnings
from exporter.settings.declared import SETTINGS, Settings, SettingsError
from exporter.settings.load import PAIRS, load
from tests.support.values import VALID, partner

MISTAKES = {
    "listen": ["", "localhost", "localhost:http", ":65536", ":99999999999", "::1:80", ":٣", "1.2.3.4:-1"],
    "metrics_listen": ["", "9729"],
    "journal": ["", "redis://localhost/0"],
    "window": ["0", "0s", "15", "m", "-5m", "5m3h", "1.5h", "15 m", "٣m", "9" * 30 + "d", "9" * 5000 + "s"],
    "stale_after": ["10", "ten minutes"],
    "detections_stale_after": ["-1s", "30"],
    "forget_after": ["1month"],
    "motion_forget_after": ["14", "a fortnight"],
    "settle_after": ["soon", "-1m"],
    "settled_points": ["0", "-1", "all"],
    "future_tolerance": ["-1s"],
    "max_spaces": ["0", "-1", "1.5", "many", "1" + "0" * 20, "٣"],
    "max_body": ["0", "0MiB", "1MB", "1.5MiB", "big", "9" * 20],
    "labels": ["zone_nmae", "zone_name,zone_name"],
    "webhook_api_key_header": [
        "",
        "X API Key",
        "x_api_key",
        "Host",
        "content-length",
        "X-API-Key:",
        "Schlüssel",
        "0123456789abcdef",
        "X" * 41,
    ],
    "webhook_username": ["", "but:lr"],
    "metrics_username": ["", ":", "\udcff"],
    "capacity_file": [""],
    "tls_cert": [""],
    "tls_key": [""],
    "butlr_client_id": ["", "\udcff"],
    "butlr_api_url": ["", "api.butlr.io"],
    "poll": ["", "0", "1"],
    "poll_measurements": ["", ",", "zones", "zone_occupancy, zone_occupancy"],
    "assets_interval": ["", "0", "ten minutes"],
    "recover": ["", "1"],
    "log_level": ["loud"],
    "log_format": ["xml"],
}


class TestLoad:
    """Values come from flags and variables, or are rejected."""

    def test_defaults(self) -> None:
        """Each setting has the default of the contract."""
        assert load({}, {}) == Settings()
        assert Settings().show() == {
            "listen": "0.0.0.0:9728",
            "metrics_listen": "none",
            "journal": "none",
            "window": "15m",
            "traffic_window": "24h",
            "stale_after": "10m",
            "detections_stale_after": "30s",
            "forget_after": "24h",
            "motion_forget_after": "336h",
            "settle_after": "6m",
            "settled_points": "1",
            "future_tolerance": "5m",
            "max_spaces": "100000",
            "max_body": "1MiB",
            "labels": "site_name, building_name, floor_name, room_name, zone_name",
            "capacity_file": "none",
            "webhook_api_key_header": "X-API-Key",
            "webhook_api_keys": "none",
            "webhook_username": "none",
            "webhook_password": "none",
            "metrics_username": "none",
            "metrics_password": "none",
            "tls_cert": "none",
            "tls_key": "none",
            "butlr_client_id": "none",
            "butlr_client_secret": "none",
            "butlr_api_url": "https://api.butlr.io",
            "poll": "none",
            "poll_measurements": "zone_occupancy",
            "assets_interval": "10m",
            "recover": "24h",
            "log_level": "info",
            "log_format": "logfmt",
        }

    @pytest.mark.parametrize("name", VALID)
    def test_each_setting_from_flag_and_variable(self, name: str) -> None:
        """A flag and its variable are the same setting, and the flag wins."""
        text, value = VALID[name]
        variable = f"BUTLR_EXPORTER_{name.upper()}"
        default = next(setting.default for setting in SETTINGS if setting.name == name)
        other = partner(name)
        assert getattr(load(other | {name: text}, {}), name) == value
        assert getattr(load(other, {variable: text}), name) == value
        assert getattr(load(other | {name: text}, {variable: default}), name) == value
        assert getattr(load(other | {name: None}, {variable: text}), name) == value

    def test_every_setting_is_tried(self) -> None:
        """Every setting is tried here, except those that need a file: test_tls and test_capacity try them."""
        assert {setting.name for setting in SETTINGS} == {*VALID, "capacity_file", "tls_cert", "tls_key"}

    def test_an_empty_variable_is_not_set(self) -> None:
        """An empty variable, as Compose files leave it behind, counts as not set."""
        assert load({}, {"BUTLR_EXPORTER_WINDOW": ""}) == Settings()

    @pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in MISTAKES.items() for text in texts])
    def test_mistakes(self, name: str, text: str) -> None:
        """A mistake is reported with its flag, and with the rejected text unless that may be a secret."""
        with pytest.raises(SettingsError) as caught:
            load({name: text}, {})
        (mistake,) = caught.value.mistakes
        assert mistake.startswith(f"--{name.replace('_', '-')} ")
        echoes = next(setting.type.echoes for setting in SETTINGS if setting.name == name)
        assert (f", not {text!r}" in mistake) is echoes

    def test_all_mistakes_together(self) -> None:
        """All mistakes of flags and variables are reported together, in the order of the settings."""
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
            "zone_name, zone_custom_id, hive_id, hive_serial, hive_model, hive_version, sensor_id, mac_address, "
            "sensor_mode, sensor_model, not 'room'",
        ]
        assert str(caught.value).splitlines() == caught.value.mistakes


class TestConflicts:
    """Some settings need each other, and others exclude each other."""

    @pytest.mark.parametrize("pair", PAIRS)
    def test_one_without_the_other(self, pair: tuple[str, str]) -> None:
        """A setting without its partner is a mistake, unless the partner has a mistake of its own."""
        for name in pair:
            for text in (__file__, None):  # a file that can be read
                with pytest.raises(SettingsError) as caught:
                    load({name: text or ""}, {})
                (mistake,) = caught.value.mistakes
                missing = pair[0] if name == pair[1] else pair[1]
                assert (mistake == f"{name} is set and {missing} is not; they go together") is bool(text)
            with pytest.raises(SettingsError) as caught:
                load(dict.fromkeys(pair, __file__) | {name: ""}, {})
            assert caught.value.mistakes == [f"--{name.replace('_', '-')} must not be empty"]

    @pytest.mark.parametrize(
        ("flags", "mistake"),
        [
            ({"metrics_listen": "0.0.0.0:9728"}, "metrics_listen and listen are the same address"),
            ({"metrics_listen": ":1", "listen": ":1"}, "metrics_listen and listen are the same address"),
            ({"metrics_listen": ":0", "listen": ":0"}, None),
            ({"metrics_listen": "127.0.0.1:9728"}, None),
        ],
    )
    def test_same_address_twice(self, flags: dict[str, str], mistake: str | None) -> None:
        """Both ports on one address are a mistake, except for port 0, which is another port each time."""
        if mistake is None:
            assert load(flags, {}).metrics_listen
            return
        with pytest.raises(SettingsError) as caught:
            load(flags, {})
        assert caught.value.mistakes == [mistake]

    def test_polling_without_a_token(self) -> None:
        """An exporter that polls needs the id of a client of Butlr's API."""
        with pytest.raises(SettingsError, match="poll is set and butlr_client_id is not"):
            load({"poll": "1m"}, {})


class TestSuggestion:
    """A misspelt name or word brings a suggestion."""

    @pytest.mark.parametrize(
        ("variable", "meant"),
        [
            ("BUTLR_EXPORTER_LISTN", "LISTEN"),
            ("BUTLR_EXPORTER_METRICS_LISEN", "METRICS_LISTEN"),
            ("BUTLR_EXPORTER_STALE", "STALE_AFTER"),
            ("BUTLR_EXPORTER_FORGET-AFTER", "FORGET_AFTER"),
            ("butlr_exporter_listen", "LISTEN"),
            ("BUTLER_EXPORTER_LISTEN", "LISTEN"),
            ("BUTLREXPORTER_LOG_LEVEL", "LOG_LEVEL"),
            ("BUTLR_EXPORTERS_LABEL", "LABELS"),
        ],
    )
    def test_a_misspelt_variable_is_reported(self, variable: str, meant: str) -> None:
        """A variable with a mistake in the setting's name or in front of it brings a warning with the right name."""
        assert warnings(Settings(), {variable: "x"}) == [
            f"{variable} is not a setting; did you mean BUTLR_EXPORTER_{meant}?"
        ]

    def test_a_variable_of_another_program(self) -> None:
        """A variable that only resembles ours is another program's."""
        for variable in ("BUTLR_LISTEN", "EXPORTER_LISTEN", "MY_BUTLR_EXPORTER_LISTEN", "BUTLR_EXPORTER"):
            assert warnings(Settings(), {variable: "x"}) == []

    @pytest.mark.parametrize(
        ("name", "text", "meant"),
        [
            ("log_level", "warn", "warning"),
            ("log_level", "ERR", "error"),
            ("log_level", "loud", None),
            ("log_format", "jsn", "json"),
            ("labels", "zone_name,building-nmae", "building_name"),
            ("labels", "room", None),
        ],
    )
    def test_a_misspelt_word(self, name: str, text: str, meant: str | None) -> None:
        """A value that is none of the allowed words brings the closest of them."""
        with pytest.raises(SettingsError) as caught:
            load({name: text}, {})
        assert caught.value.mistakes[0].endswith(f", not {text!r}" + (f"; did you mean {meant}?" if meant else ""))


class TestWarnings:
    """Valid settings that are hardly intended bring a warning."""

    def test_unknown_variables(self) -> None:
        """An unknown variable is reported with a suggestion, unless Kubernetes sets it for a service of this name."""
        environ = {
            "BUTLR_EXPORTER_STALE_AFER": "1m",
            "BUTLR_EXPORTER_RETENTION": "1d",
            "BUTLR_EXPORTER_WINDOW": "10m",
            "BUTLR_EXPORTER_PORT": "tcp://10.0.0.1:9728",
            "BUTLR_EXPORTER_SERVICE_HOST": "10.0.0.1",
            "BUTLR_EXPORTER_PORT_9728_TCP_ADDR": "10.0.0.1",
            "HOME": "/",
        }
        assert warnings(Settings(), environ) == [
            "BUTLR_EXPORTER_RETENTION is not a setting",
            "BUTLR_EXPORTER_STALE_AFER is not a setting; did you mean BUTLR_EXPORTER_STALE_AFTER?",
        ]

    @pytest.mark.parametrize(
        ("flags", "expected"),
        [
            ({"window": "299s", "settle_after": "239s"}, "window is shorter than the 5m"),
            ({"window": "299s", "settle_after": "239s"}, "settle_after is shorter than the 5m"),
            ({"window": "61m"}, "window is longer than 1h"),
            ({"settle_after": "299s"}, "settle_after is shorter than the 5m"),
            ({"window": "419s"}, "window is shorter than settle_after and a minute for each of settled_points"),
            (
                {"settled_points": "999999999999999"},
                "window is shorter than settle_after and a minute for each of settled_points",
            ),
            ({"stale_after": "0"}, "forget_after 0 keeps it"),
            ({"stale_after": "1h", "forget_after": "1h"}, "is forgotten before it is silent"),
            ({"motion_forget_after": "23h"}, "a room with motion is forgotten before one without"),
            ({"forget_after": "15d"}, "a room with motion is forgotten before one without"),
            ({"webhook_api_keys": "0123456789abcdef,0123456789abcde"}, "fewer than 16 characters; openssl"),
            ({"poll": "60s", "butlr_client_id": "c", "butlr_client_secret": "s"}, "shorter than the 8m"),
            ({"poll": "421s", "butlr_client_id": "c", "butlr_client_secret": "s"}, "shorter than poll and the 3m"),
            ({"assets_interval": "4s"}, "assets_interval is shorter than 5s"),
            ({"butlr_api_url": "http://cloud:9729"}, "anybody on the way can read the secret"),
        ],
    )
    def test_unlikely_settings(self, flags: dict[str, str], expected: str) -> None:
        """Each unlikely setting brings one warning."""
        assert len([warning for warning in warnings(load(flags, {}), {}) if expected in warning]) == 1

    @pytest.mark.parametrize(
        ("text", "warning"),
        [
            ('"a/b"', "is in quotes; quotes count as a part of a value"),
            ("'a/b'", "is in quotes; quotes count as a part of a value"),
            ("a/b # here", "contains a #; docker --env-file keeps a comment behind a value"),
            ('"a', None),
            ("a#b", None),
        ],
    )
    @pytest.mark.parametrize("name", ["journal", "webhook_username", "metrics_username"])
    def test_a_text_as_a_shell_would_read_it(self, name: str, text: str, warning: str | None) -> None:
        """Quotes around a text, and a comment behind it, bring a warning that names the setting."""
        environ = {f"BUTLR_EXPORTER_{name.upper()}": text}
        found = [each for each in warnings(load(partner(name), environ), environ) if name in each]
        assert [each.startswith(f"the value of {name} {warning}") for each in found] == [True] * bool(warning)

    @pytest.mark.parametrize("name", ["listen", "window", "max_spaces", "max_body", "labels", "log_level"])
    def test_quotes_in_a_value_that_is_rejected(self, name: str) -> None:
        """A value that is rejected for its quotes brings the same advice."""
        default = next(setting.default for setting in SETTINGS if setting.name == name)
        with pytest.raises(SettingsError, match="quotes count as a part of a value"):
            load({}, {f"BUTLR_EXPORTER_{name.upper()}": f'"{default}"'})

    def test_line_ends_of_windows(self) -> None:
        """Spaces and carriage returns around a value, as in a file written on Windows, are removed."""
        environ = {"BUTLR_EXPORTER_JOURNAL": "j.db\r", "BUTLR_EXPORTER_WINDOW": " 30m \r"}
        settings = load({}, environ)
        assert (settings.journal, settings.window.total_seconds()) == ("j.db", 1800)
        assert warnings(settings, environ) == []

    @pytest.mark.parametrize(
        "flags",
        [
            {},
            {"window": "7m"},
            {"settled_points": "9"},
            {"settle_after": "5m", "window": "6m"},
            {"stale_after": "0", "forget_after": "0"},
            {"forget_after": "11m"},
            {"motion_forget_after": "24h", "detections_stale_after": "1s"},
            {"motion_forget_after": "0", "detections_stale_after": "0"},
        ],
    )
    def test_sensible_settings(self, flags: dict[str, str]) -> None:
        """The defaults, and values just inside each limit, bring no warning."""
        assert warnings(load(flags, {}), {}) == []

    @pytest.mark.parametrize(
        ("flags", "allowed"),
        [
            ({}, ["send events to 0.0.0.0:9728", "read every count and forget any space at 0.0.0.0:9728"]),
            ({"webhook_api_keys": "k"}, ["read every count and forget any space at 0.0.0.0:9728"]),
            ({"webhook_api_keys": "k", "listen": "127.0.0.1:9728"}, []),
            ({"listen": "127.0.0.1:9728"}, ["send events to 127.0.0.1:9728"]),
            ({"metrics_username": "u", "metrics_password": "p"}, ["send events to 0.0.0.0:9728"]),
            (
                {"metrics_listen": ":9729"},
                ["send events to 0.0.0.0:9728", "read every count and forget any space at :9729"],
            ),
            ({"metrics_listen": "[::1]:9729"}, ["send events to 0.0.0.0:9728"]),
            ({"metrics_listen": "localhost:9729", "webhook_username": "u", "webhook_password": "p"}, []),
            (
                {"metrics_listen": "10.0.0.5:1", "webhook_api_keys": "k"},
                ["read every count and forget any space at 10.0.0.5:1"],
            ),
        ],
    )
    def test_exposure(self, flags: dict[str, str], allowed: list[str]) -> None:
        """Everything that is open without credentials is reported, except reading from this machine alone."""
        found = exposure(load(flags, {}))
        assert re.findall(r"(?:send|read)[^(]+(?= \()", found) == allowed
        assert bool(found) is bool(allowed)
