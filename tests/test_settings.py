"""The settings: each from its flag or its variable, every mistake told at once."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from exporter.kinds import SECRET, Address
from exporter.settings import SETTINGS, TOGETHER, Setting, Settings, SettingsError, doubts, load, opened

VALID = {
    "listen": ("[::1]:80", Address("::1", 80)),
    "metrics_listen": ("127.0.0.1:9729", Address("127.0.0.1", 9729)),
    "journal": ("/data/journal.db", "/data/journal.db"),
    "window": ("1h30m", timedelta(minutes=90)),
    "stale_after": ("0", timedelta()),
    "forget_after": ("1d", timedelta(days=1)),
    "future_tolerance": ("1500ms", timedelta(seconds=1.5)),
    "max_zones": ("5", 5),
    "max_body": ("512KiB", 512 * 1024),
    "labels": (" zone_name , floor_id,", ("zone_name", "floor_id", "zone_id")),
    "webhook_api_key_header": ("Authorization", "Authorization"),
    "webhook_api_keys": ("old key,, new-key ,", (SecretStr("old key"), SecretStr("new-key"))),
    "webhook_username": ("butlr", "butlr"),
    "webhook_password": (" p:a,ss ", SecretStr(" p:a,ss ")),
    "metrics_username": ("prometheus", "prometheus"),
    "metrics_password": ("pässword", SecretStr("pässword")),
    "log_level": ("DEBUG", "debug"),
    "log_format": ("json", "json"),
}

MISTAKES = {
    "listen": ["", "localhost", "localhost:http", ":65536", ":99999999999", "::1:80", ":٣", "1.2.3.4:-1"],
    "metrics_listen": ["", "9729"],
    "journal": ["", "redis://localhost/0"],
    "window": ["0", "0s", "15", "m", "-5m", "5m3h", "1.5h", "15 m", "٣m", "9" * 30 + "d", "9" * 5000 + "s"],
    "stale_after": ["10", "ten minutes"],
    "forget_after": ["1month"],
    "future_tolerance": ["-1s"],
    "max_zones": ["0", "-1", "1.5", "many", "1" + "0" * 20, "٣"],
    "max_body": ["0", "0MiB", "1MB", "1.5MiB", "big", "9" * 20],
    "labels": ["zone_nmae", "zone_name,zone_name"],
    "webhook_api_key_header": ["", "X API Key", "x_api_key", "Host", "content-length", "X-API-Key:", "Schlüssel"],
    "webhook_username": ["", "but:lr"],
    "metrics_username": ["", ":"],
    "capacity_file": [""],
    "tls_cert": [""],
    "tls_key": [""],
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
            "metrics_listen": "none",
            "journal": "none",
            "window": "15m",
            "stale_after": "10m",
            "forget_after": "24h",
            "future_tolerance": "5m",
            "max_zones": "100000",
            "max_body": "1MiB",
            "labels": "site_name, building_name, floor_name, room_name, zone_name, zone_id",
            "capacity_file": "none",
            "webhook_api_key_header": "X-API-Key",
            "webhook_api_keys": "none",
            "webhook_username": "none",
            "webhook_password": "none",
            "metrics_username": "none",
            "metrics_password": "none",
            "tls_cert": "none",
            "tls_key": "none",
            "log_level": "info",
            "log_format": "logfmt",
        }

    @pytest.mark.parametrize("name", VALID)
    def test_each_setting_from_flag_and_variable(self, name: str) -> None:
        """The two are the same setting, and the flag wins."""
        text, value = VALID[name]
        variable = f"BUTLR_EXPORTER_{name.upper()}"
        default = next(setting.default for setting in SETTINGS if setting.name == name)
        other = {one: VALID[one][0] for pair in TOGETHER if name in pair for one in pair if one != name}
        assert getattr(load(other | {name: text}, {}), name) == value
        assert getattr(load(other, {variable: text}), name) == value
        assert getattr(load(other | {name: text}, {variable: default}), name) == value
        assert getattr(load(other | {name: None}, {variable: text}), name) == value

    def test_every_setting_is_tried(self) -> None:
        """Here, or with the files it needs in test_tls and test_capacity."""
        assert {setting.name for setting in SETTINGS} == {*VALID, "capacity_file", "tls_cert", "tls_key"}

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


SECRET_SETTINGS = [setting for setting in SETTINGS if setting.kind.secret]


class TestSecrets:
    """Never seen, and from a file if you like."""

    def test_which_they_are(self) -> None:
        """Keys and passwords."""
        names = [setting.name for setting in SECRET_SETTINGS]
        assert names == ["webhook_api_keys", "webhook_password", "metrics_password"]

    def test_they_are_not_shown(self) -> None:
        """Neither by `show` nor by `repr`; how many keys there are is no secret."""
        settings = load(
            {
                "webhook_api_keys": "hush-1,hush-2",
                "webhook_username": "butlr",
                "webhook_password": "hush-3",
                "metrics_username": "prometheus",
                "metrics_password": "hush-4",
            },
            {},
        )
        assert "hush" not in repr(settings)
        assert settings.show()["webhook_api_keys"] == "<secret>, <secret>"
        assert settings.show()["webhook_password"] == settings.show()["metrics_password"] == SECRET.show(None)

    @pytest.mark.parametrize("name", ["webhook_api_keys", "webhook_password"])
    def test_a_mistake_does_not_tell_it(self, name: str) -> None:
        """Only what is wrong with it."""
        with pytest.raises(SettingsError) as caught:
            load({name: ",", "webhook_username": "but:lr"} if name == "webhook_api_keys" else {name: ""}, {})
        assert any(mistake.endswith(" must not be empty") for mistake in caught.value.mistakes)

    @pytest.mark.parametrize("setting", SECRET_SETTINGS, ids=lambda setting: setting.name)
    def test_from_a_file(self, setting: Setting, tmp_path: Path) -> None:
        """By flag or variable; the newline at its end is not part of it, spaces are."""
        file = tmp_path / "secret"
        file.write_bytes(b" s\xc3\xa4crets and spaces \r\n")
        other = {one: VALID[one][0] for pair in TOGETHER if setting.name in pair for one in pair if one != setting.name}
        expected = setting.kind.parse(" säcrets and spaces ")
        assert getattr(load(other | {f"{setting.name}_file": str(file)}, {}), setting.name) == expected
        variable = f"BUTLR_EXPORTER_{setting.name.upper()}_FILE"
        assert getattr(load(other, {variable: str(file), setting.variable: ""}), setting.name) == expected
        # The stronger place wins as a whole.
        assert (
            getattr(load(other | {f"{setting.name}_file": str(file)}, {setting.variable: "x"}), setting.name)
            == expected
        )
        assert not any(variable in doubt for doubt in doubts(load(other, {variable: str(file)}), {variable: str(file)}))

    def test_several_keys_in_a_file(self, tmp_path: Path) -> None:
        """One a line, or with commas."""
        (tmp_path / "keys").write_text("one\ntwo,three\n\n")
        keys = load({"webhook_api_keys_file": str(tmp_path / "keys")}, {}).webhook_api_keys
        assert [key.get_secret_value() for key in keys or ()] == ["one", "two", "three"]

    def test_files_that_do_not_do(self, tmp_path: Path) -> None:
        """Each says which, and why."""
        (tmp_path / "latin").write_bytes(b"p\xe4ss")
        (tmp_path / "empty").write_bytes(b"\n")
        for path, reason in [
            (tmp_path / "none", "cannot be read: No such file or directory"),
            (tmp_path, "cannot be read: Is a directory"),
            ("a\0b", "cannot be read: that is no path"),
            (tmp_path / "latin", "is not UTF-8 text"),
            (tmp_path / "empty", "must not be empty"),
        ]:
            with pytest.raises(SettingsError) as caught:
                load({}, {"BUTLR_EXPORTER_WEBHOOK_API_KEYS_FILE": str(path)})
            (mistake,) = caught.value.mistakes
            assert mistake.startswith("BUTLR_EXPORTER_WEBHOOK_API_KEYS_FILE ")
            assert mistake.endswith(reason)

    def test_a_secret_and_its_file(self, tmp_path: Path) -> None:
        """Both in one place is a mistake: nobody knows which was meant."""
        with pytest.raises(SettingsError) as caught:
            load({"webhook_api_keys": "hush", "webhook_api_keys_file": str(tmp_path)}, {})
        assert caught.value.mistakes == ["--webhook-api-keys and --webhook-api-keys-file are both set; one is enough"]


def _told(name: str) -> str:
    return "" if name.endswith("password") else ", not ''"


class TestTogether:
    """Settings that mean nothing alone."""

    @pytest.mark.parametrize("pair", TOGETHER)
    def test_one_without_the_other(self, pair: tuple[str, str]) -> None:
        """Is a mistake, told once and by name, and not where the other one is a mistake itself."""
        for name in pair:
            for text in ("x", None):
                with pytest.raises(SettingsError) as caught:
                    load({name: text or ""}, {})
                (mistake,) = caught.value.mistakes
                assert (mistake == f"{pair[0]} and {pair[1]} go together; only one of them is set") is bool(text)
            with pytest.raises(SettingsError) as caught:
                load(dict.fromkeys(pair, "x") | {name: ""}, {})
            assert caught.value.mistakes == [f"--{name.replace('_', '-')} must not be empty{_told(name)}"]


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
            ({"webhook_api_keys": "0123456789abcdef,0123456789abcde"}, "less than 16 characters; openssl"),
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

    @pytest.mark.parametrize(
        ("flags", "may"),
        [
            ({}, ["send events", "read every count"]),
            ({"webhook_api_keys": "k"}, ["read every count"]),
            ({"metrics_username": "u", "metrics_password": "p"}, ["send events"]),
            ({"metrics_listen": ":9729"}, ["send events"]),
            ({"metrics_listen": ":9729", "webhook_username": "u", "webhook_password": "p"}, []),
        ],
    )
    def test_what_is_open(self, flags: dict[str, str], may: list[str]) -> None:
        """Told in one line."""
        told = opened(load(flags, {}))
        assert [deed for deed in ("send events", "read every count") if deed in told] == may
        assert bool(told) is bool(may)
