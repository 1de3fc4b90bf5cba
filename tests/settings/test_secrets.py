"""Secrets: never seen, from files too, and never by mistake none."""

from pathlib import Path

import pytest

from exporter.settings.advice import warnings
from exporter.settings.declared import SETTINGS, Setting, SettingsError
from exporter.settings.load import TOGETHER, load
from exporter.settings.types import SECRET
from tests.support.values import VALID

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
        assert not any(
            variable in doubt for doubt in warnings(load(other, {variable: str(file)}), {variable: str(file)})
        )

    def test_several_keys_in_a_file(self, tmp_path: Path) -> None:
        """One a line, or with commas."""
        (tmp_path / "keys").write_text("\ufeffone\ntwo,three\n\n")  # some editors begin a file so
        keys = load({"webhook_api_keys_file": str(tmp_path / "keys")}, {}).webhook_api_keys
        assert [key.get_secret_value() for key in keys or ()] == ["one", "two", "three"]

    def test_files_that_do_not_do(self, tmp_path: Path) -> None:
        """Each says which, and why."""
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
            (tmp_path / "word", "which holds no secret but the word none"),
            (tmp_path / "pem", "must be keys and nothing else: neither comments nor a certificate or its key"),
            (tmp_path / "comment", "must be keys and nothing else: neither comments nor a certificate or its key"),
            (tmp_path / "latin", "is not UTF-8 text"),
            (tmp_path / "empty", "must not be empty"),
        ]:
            with pytest.raises(SettingsError) as caught:
                load({"webhook_api_keys_file": str(path)}, {})
            (mistake,) = caught.value.mistakes
            assert mistake.startswith("--webhook-api-keys-file ")
            assert mistake.endswith(reason)

    def test_a_secret_and_its_file(self, tmp_path: Path) -> None:
        """Both in one place is a mistake: nobody knows which was meant."""
        with pytest.raises(SettingsError) as caught:
            load({"webhook_api_keys": "hush", "webhook_api_keys_file": str(tmp_path)}, {})
        assert caught.value.mistakes == ["--webhook-api-keys and --webhook-api-keys-file are both set; one is enough"]

    @pytest.mark.parametrize("name", ["webhook_api_keys", "webhook_password", "metrics_password"])
    def test_bytes_that_are_no_text(self, name: str) -> None:
        """Python spells them as surrogates, which nobody can send."""
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
    def test_in_the_wrong_place(self, flags: dict[str, str]) -> None:
        """It is not shown there either."""
        with pytest.raises(SettingsError) as caught:
            load(flags, {})
        assert "hush" not in str(caught.value)

    def test_an_empty_variable(self) -> None:
        """Is a mistake here: where its value got lost, everyone would be let in."""
        for setting in SECRET_SETTINGS:
            with pytest.raises(SettingsError) as caught:
                load({}, {setting.variable: ""})
            (mistake,) = caught.value.mistakes
            assert mistake.startswith(f"{setting.variable} is empty;")

    def test_a_kubernetes_service_is_no_misspelling(self) -> None:
        """One for the metrics port, say: its variables must not keep the exporter from starting."""
        environ = {
            "BUTLR_EXPORTER_METRICS_SERVICE_HOST": "10.0.0.1",
            "BUTLR_EXPORTER_METRICS_SERVICE_PORT_HTTP": "9729",
            "BUTLR_EXPORTER_METRICS_PORT": "tcp://10.0.0.1:9729",
            "BUTLR_EXPORTER_METRICS_PORT_9729_TCP_ADDR": "10.0.0.1",
            "BUTLR_EXPORTER_WEBHOOK_PORT_9728_TCP": "tcp://10.0.0.1:9728",
        }
        assert [doubt.split()[0] for doubt in warnings(load({}, environ), environ)] == ["BUTLR_EXPORTER_METRICS_PORT"]

    def test_a_misspelt_variable(self) -> None:
        """Is a mistake too, for the same reason."""
        for variable, meant in [
            ("BUTLR_EXPORTER_WEBHOOK_API_KEY", "; did you mean BUTLR_EXPORTER_WEBHOOK_API_KEYS?"),
            ("BUTLR_EXPORTER_WEBHOOK_API_KEYS_FIEL", "; did you mean BUTLR_EXPORTER_WEBHOOK_API_KEYS_FILE?"),
            ("BUTLR_EXPORTER_PASSWORD", ""),
        ]:
            with pytest.raises(SettingsError) as caught:
                load({}, {variable: "hush"})
            assert caught.value.mistakes == [f"{variable} is not a setting{meant}"]
