"""Secrets are never shown, may come from files, and are never lost by mistake."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from exporter.settings.advice import warnings
from exporter.settings.declared import SETTINGS, Setting, SettingsError
from exporter.settings.load import load
from exporter.settings.types import SECRET
from tests.support.values import partner

SECRET_SETTINGS = [setting for setting in SETTINGS if setting.type.secret]


class TestSecrets:
    """Keys and passwords are secrets."""

    def test_names(self) -> None:
        """The keys, both passwords and the secret of the API token are secrets, and no other setting is."""
        names = [setting.name for setting in SECRET_SETTINGS]
        assert names == ["webhook_api_keys", "webhook_password", "metrics_password", "butlr_client_secret"]

    def test_shown(self) -> None:
        """Neither `show` nor `repr` shows a secret; only the number of keys is shown."""
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
    def test_mistake(self, name: str) -> None:
        """A mistake in a secret is reported without the secret."""
        with pytest.raises(SettingsError) as caught:
            load({name: ",", "webhook_username": "but:lr"} if name == "webhook_api_keys" else {name: ""}, {})
        assert any(mistake.endswith(" must not be empty") for mistake in caught.value.mistakes)

    @pytest.mark.parametrize("setting", SECRET_SETTINGS, ids=lambda setting: setting.name)
    def test_from_a_file(self, setting: Setting, tmp_path: Path) -> None:
        """A flag or a variable names a file with the secret; its last newline is removed, its spaces are not."""
        file = tmp_path / "secret"
        file.write_bytes(b" s\xc3\xa4crets and spaces \r\n")
        other = partner(setting.name)
        expected = setting.type.parse(" säcrets and spaces ")
        assert getattr(load(other | {f"{setting.name}_file": str(file)}, {}), setting.name) == expected
        variable = f"BUTLR_EXPORTER_{setting.name.upper()}_FILE"
        assert getattr(load(other, {variable: str(file), setting.variable: ""}), setting.name) == expected
        # A flag with a file wins over a variable with the secret itself.
        flags = other | {f"{setting.name}_file": str(file)}
        assert getattr(load(flags, {setting.variable: "x"}), setting.name) == expected
        environ = {variable: str(file)}
        assert not any(variable in warning for warning in warnings(load(other, environ), environ))

    @pytest.mark.parametrize("setting", SECRET_SETTINGS, ids=lambda setting: setting.name)
    @pytest.mark.parametrize("text", ['"hush-0123456789abcdef"', "'hush-0123456789abcdef'"])
    def test_in_quotes(self, setting: Setting, text: str, tmp_path: Path) -> None:
        """A secret in quotes, in a variable or a file, brings a warning that names the setting and hides the secret."""
        (tmp_path / "secret").write_text(f"{text}\n")
        other = partner(setting.name)
        for environ in ({setting.variable: text}, {f"{setting.variable}_FILE": str(tmp_path / "secret")}):
            (warning,) = warnings(load(other, environ), environ)
            assert warning.startswith(f"the value of {setting.name} is in quotes; ")
            assert "hush" not in warning

    @pytest.mark.parametrize("text", ['"hush-0123456789,hush-0123456789"', '"hush-0123456789" , "hush-0123456789"'])
    def test_a_list_in_quotes(self, text: str) -> None:
        """Quotes around a list, or around each key in it, bring the same warning."""
        (warning,) = warnings(load({"webhook_api_keys": text}, {}), {})
        assert warning.startswith("the value of webhook_api_keys is in quotes; ")

    def test_line_ends_and_spaces(self) -> None:
        """A variable loses its line end, as a file does; the spaces of a password stay, and bring a warning."""
        for text in ("hush\n", "hush\r\n", "hush\r"):
            settings = load({"metrics_username": "x"}, {"BUTLR_EXPORTER_METRICS_PASSWORD": text})
            assert settings.metrics_password == SecretStr("hush")
            assert warnings(settings, {}) == []
        for text in (" hush", "hush ", "hush \n", "hush\t"):
            (warning,) = warnings(load({"metrics_username": "x", "metrics_password": text}, {}), {})
            assert (
                warning == "the value of metrics_password begins or ends with white space, which counts as a part of it"
            )
        assert warnings(load({"webhook_api_keys": " hush-0123456789abc \r\n"}, {}), {}) == []

    def test_several_keys_in_a_file(self, tmp_path: Path) -> None:
        """Line ends and commas separate the keys in a file."""
        (tmp_path / "keys").write_text("\ufeffone\ntwo,three\n\n")  # some editors begin a file so
        keys = load({"webhook_api_keys_file": str(tmp_path / "keys")}, {}).webhook_api_keys
        assert [key.get_secret_value() for key in keys or ()] == ["one", "two", "three"]

    def test_unusable_files(self, tmp_path: Path) -> None:
        """A file without a usable secret is reported with its path and the reason."""
        (tmp_path / "latin").write_bytes(b"p\xe4ss")
        (tmp_path / "empty").write_bytes(b"\n")
        (tmp_path / "word").write_bytes(b"None\n")
        (tmp_path / "pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
        (tmp_path / "comment").write_bytes(b"# the key of 2026\n0123456789abcdef\n")
        for path, reason in [
            (tmp_path / "none", f"names '{tmp_path / 'none'}', which cannot be read: No such file or directory"),
            (
                "0123456789abcdef0123456789abcdef",
                "names <path not shown>, which cannot be read: No such file or directory",
            ),
            (tmp_path, "cannot be read: Is a directory"),
            ("a\0b", "cannot be read: not a valid path"),
            ("", "must not be empty"),
            (tmp_path / "word", "which contains the word none instead of a secret"),
            (tmp_path / "pem", "must be keys only, without comments and PEM blocks"),
            (tmp_path / "comment", "must be keys only, without comments and PEM blocks"),
            (tmp_path / "latin", "is not UTF-8 text"),
            (tmp_path / "empty", "must not be empty"),
        ]:
            with pytest.raises(SettingsError) as caught:
                load({"webhook_api_keys_file": str(path)}, {})
            (mistake,) = caught.value.mistakes
            assert mistake.startswith("--webhook-api-keys-file ")
            assert mistake.endswith(reason)

    def test_a_secret_and_its_file(self, tmp_path: Path) -> None:
        """A secret and its file, both given as flags, are a mistake."""
        with pytest.raises(SettingsError) as caught:
            load({"webhook_api_keys": "hush", "webhook_api_keys_file": str(tmp_path)}, {})
        assert caught.value.mistakes == ["--webhook-api-keys and --webhook-api-keys-file are both set; one is enough"]

    @pytest.mark.parametrize("name", [setting.name for setting in SECRET_SETTINGS])
    def test_not_utf_8(self, name: str) -> None:
        """A variable that is not UTF-8 text is a mistake, as no request can carry such a secret."""
        with pytest.raises(SettingsError) as caught:
            load({}, {f"BUTLR_EXPORTER_{name.upper()}": "\udcff\udcfehush"})
        assert caught.value.mistakes == [f"BUTLR_EXPORTER_{name.upper()} must be UTF-8 text"]

    @pytest.mark.parametrize(
        "flags",
        [
            {"webhook_username": "user:hush"},
            {"webhook_api_key_header": "X-API-Key: hush"},
            {"tls_key": "-----BEGIN PRIVATE KEY-----\nhush", "tls_cert": "hush"},
            {"journal": "redis://:hush@localhost"},
            {"webhook_password_file": "hush"},
            {"capacity_file": "hush"},
        ],
        ids=str,
    )
    def test_in_another_setting(self, flags: dict[str, str]) -> None:
        """A secret that was given for another setting by mistake is not shown either."""
        with pytest.raises(SettingsError) as caught:
            load(flags, {})
        assert "hush" not in str(caught.value)

    def test_an_empty_variable(self) -> None:
        """An empty variable of a secret is a mistake: its value may be lost, and everyone would have access."""
        for setting in SECRET_SETTINGS:
            with pytest.raises(SettingsError) as caught:
                load({}, {setting.variable: ""})
            (mistake,) = caught.value.mistakes
            assert mistake.startswith(f"{setting.variable} is empty;")

    def test_a_kubernetes_service_is_no_misspelling(self) -> None:
        """The variables of a Kubernetes service such as butlr-exporter-metrics do not stop the exporter."""
        environ = {
            "BUTLR_EXPORTER_METRICS_SERVICE_HOST": "10.0.0.1",
            "BUTLR_EXPORTER_METRICS_SERVICE_PORT_HTTP": "9729",
            "BUTLR_EXPORTER_METRICS_PORT": "tcp://10.0.0.1:9729",
            "BUTLR_EXPORTER_METRICS_PORT_9729_TCP_ADDR": "10.0.0.1",
            "BUTLR_EXPORTER_WEBHOOK_PORT_9728_TCP": "tcp://10.0.0.1:9728",
        }
        assert [warning.split()[0] for warning in warnings(load({}, environ), environ)] == [
            "BUTLR_EXPORTER_METRICS_PORT"
        ]

    def test_a_misspelt_variable(self) -> None:
        """A misspelt variable of a secret is a mistake, as everyone would have access without the secret."""
        for variable, meant in [
            ("BUTLR_EXPORTER_WEBHOOK_API_KEY", "; did you mean BUTLR_EXPORTER_WEBHOOK_API_KEYS?"),
            ("BUTLR_EXPORTER_WEBHOOK_API_KEYS_FIEL", "; did you mean BUTLR_EXPORTER_WEBHOOK_API_KEYS_FILE?"),
            ("BUTLR_EXPORTER_PASSWORD", ""),
            ("BUTLER_EXPORTER_WEBHOOK_API_KEYS", "; did you mean BUTLR_EXPORTER_WEBHOOK_API_KEYS?"),
            ("butlr_exporter_metrics_password", "; did you mean BUTLR_EXPORTER_METRICS_PASSWORD?"),
        ]:
            with pytest.raises(SettingsError) as caught:
                load({}, {variable: "hush"})
            assert caught.value.mistakes == [f"{variable} is not a setting{meant}"]
