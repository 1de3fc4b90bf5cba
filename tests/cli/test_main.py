"""The command line: its output and exit status."""

import os
import sys

import pytest

from exporter import __version__
from exporter.cli import preflight
from exporter.cli.main import main
from exporter.settings.declared import INPUTS, SETTINGS


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("BUTLR_EXPORTER_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every port be free, whichever programs run on this machine."""
    monkeypatch.setattr(preflight, "_refusal", lambda _: None)


class TestCheck:
    """`butlr-exporter check`."""

    def test_prints_the_effective_settings(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`check` prints each setting on a line, whichever spelling its flag has."""
        monkeypatch.setenv("BUTLR_EXPORTER_WINDOW", "30m")
        assert main(["check", "--stale-after", "20m", "--max_spaces=7"]) == 0
        out = capsys.readouterr().out.splitlines()
        assert [line.split(" = ")[0] for line in out] == [setting.name for setting in SETTINGS]
        assert {"window = 30m", "stale_after = 20m", "max_spaces = 7", "listen = 0.0.0.0:9728"} <= set(out)

    def test_every_mistake_at_once(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """All mistakes are printed on standard error, with exit status 2."""
        monkeypatch.setenv("BUTLR_EXPORTER_LISTEN", "nowhere")
        assert main(["check", "--stale-after=10", "--window", "-5m", "--max-space=3", "extra"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines() == [
            "butlr-exporter: unknown argument '--max-space'; did you mean --max-spaces?",
            "butlr-exporter: an argument without a flag; a value with spaces needs quotes",
            "butlr-exporter: BUTLR_EXPORTER_LISTEN must be HOST:PORT such as 0.0.0.0:9728, :9728 or [::1]:9728, "
            "not 'nowhere'",
            "butlr-exporter: --window must be a duration such as 90s, 10m or 24h, not '-5m'",
            "butlr-exporter: --stale-after must be a duration such as 90s, 10m or 24h, not '10'",
        ]

    def test_what_everyone_may_do(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Missing credentials give a warning, as at the start of `serve`."""
        assert main(["check"]) == 0
        (warning,) = capsys.readouterr().err.splitlines()
        assert warning.startswith("butlr-exporter: warning: everyone may send events to 0.0.0.0:9728 (")
        assert main(["check", "--webhook-api-keys=0123456789abcdef", "--metrics-listen=127.0.0.1:9729"]) == 0
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize(
        ("arguments", "status"),
        [
            (["--webhook-api-keys=hush", "--webhook-username=x", "--webhook-password=hush"], 0),
            (["--webhook_api_keys", "hush", "--metrics-username=x", "--metrics_password", "hush"], 0),
            (["--webhook-password=hush"], 2),
            (["--webhook-pasword=hush", "--webhook-api-key", "hush", "--metrics-password=hush"], 2),
            (["--webhook-api-keys", "one,", "hush"], 2),
            (["\N{EN DASH}webhook-api-keys", "hush"], 2),
            (["--webhook-api-keys-file=hush"], 2),
        ],
    )
    def test_secrets_are_not_printed(
        self, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int
    ) -> None:
        """No secret is printed, even behind a misspelt flag."""
        assert main(["check", *arguments]) == status
        printed = capsys.readouterr()
        assert "hush" not in printed.out + printed.err
        assert ("<secret>" in printed.out) is (status == 0)

    def test_a_misspelt_variable(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """A misspelt variable gives a warning with the name that was probably meant."""
        monkeypatch.setenv("BUTLR_EXPORTER_WINDOWS", "30m")
        assert main(["check"]) == 0
        assert "did you mean BUTLR_EXPORTER_WINDOW?" in capsys.readouterr().err


class TestHelp:
    """`--help` and `--version`."""

    def test_help_names_every_setting_and_default(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`serve --help` has every setting with its default."""
        with pytest.raises(SystemExit) as exit_:
            main(["serve", "--help"])
        assert exit_.value.code == 0
        out = "".join(capsys.readouterr().out.split())  # lines are broken anywhere
        for setting in INPUTS:
            assert f"{setting.flag}{setting.type.placeholder}" in out
            assert f"(default:{setting.default})".replace(" ", "") in out

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`--version` prints the version of the package."""
        with pytest.raises(SystemExit):
            main(["--version"])
        assert capsys.readouterr().out == f"butlr-exporter {__version__}\n"

    def test_a_secret_where_a_command_should_be(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A secret in the place of the command is not printed."""
        with pytest.raises(SystemExit) as exit_:
            main(["--webhook-api-key", "hush", "serve"])
        assert exit_.value.code == 2
        err = capsys.readouterr().err
        assert err.endswith(
            "butlr-exporter: error: the first argument must be a command: "
            "serve, check, simulate, export, assets, webhooks or backfill\n"
        )
        assert "hush" not in err
        assert main(["--webhook-api-keys", "hush", "check"]) == 2
        assert capsys.readouterr().err == "butlr-exporter: --webhook-api-keys belongs after the command\n"

    @pytest.mark.parametrize(
        ("arguments", "meant"),
        [
            (["sirve"], "serve"),
            (["server", "--listen=:1"], "serve"),
            (["chek"], "check"),
            (["sim"], "simulate"),
            (["Export"], "export"),
            (["--window=5m", "serv"], "serve"),
        ],
    )
    def test_a_misspelt_command(self, capsys: pytest.CaptureFixture[str], arguments: list[str], meant: str) -> None:
        """A misspelt command brings the command that was probably meant."""
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 2
        assert capsys.readouterr().err.endswith(
            f"serve, check, simulate, export, assets, webhooks or backfill; did you mean {meant}?\n"
        )

    @pytest.mark.parametrize(
        ("arguments", "mistake"),
        [
            (["serve", "--lisen=:1"], "'--lisen'; did you mean --listen?"),
            (["check", "--aganist", "x"], "'--aganist'; did you mean --against?"),
            (["serve", "--aganist", "x"], "'--aganist'"),
            (["simulate", "--zone", "3"], "'--zone'; did you mean --zones?"),
            (["simulate", "--durration=3s"], "'--durration'; did you mean --duration?"),
            (["simulate", "--no_jurnal"], "'--no_jurnal'; did you mean --no-journal?"),
            (["export", "--untill=2026"], "'--untill'; did you mean --until?"),
            (["export", "--settle_aftr", "3m"], "'--settle_aftr'; did you mean --settle-after?"),
        ],
    )
    def test_a_misspelt_option(self, capsys: pytest.CaptureFixture[str], arguments: list[str], mistake: str) -> None:
        """Every command suggests the option of its own that was probably meant."""
        with pytest.raises(SystemExit) as exit_:
            sys.exit(main(arguments))
        assert exit_.value.code == 2
        assert capsys.readouterr().err.endswith(f"unknown argument {mistake}\n")

    @pytest.mark.parametrize(
        "arguments", [["check", "--listen", "--"], ["simulate", "--zones=--"], ["export", "--in=--"]]
    )
    def test_two_dashes_are_no_value(self, capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
        """A flag with the value `--` is reported as one without a value."""
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 2
        assert capsys.readouterr().err.endswith(" needs a value\n")

    def test_a_misspelt_value(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Every command suggests the word that was probably meant."""
        assert main(["check", "--log-level=warn"]) == 2
        assert capsys.readouterr().err.endswith(", not 'warn'; did you mean warning?\n")
        with pytest.raises(SystemExit):
            main(["simulate", "--types=zone_ocupancy"])
        assert capsys.readouterr().err.endswith(", not 'zone_ocupancy'; did you mean ZONE_OCCUPANCY?\n")
        with pytest.raises(SystemExit):
            main(["simulate", "--rate=maxx"])
        assert capsys.readouterr().err.endswith(", not 'maxx'; did you mean max?\n")

    def test_no_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A missing command is reported."""
        with pytest.raises(SystemExit) as exit_:
            main([])
        assert exit_.value.code == 2
        assert "COMMAND" in capsys.readouterr().err
