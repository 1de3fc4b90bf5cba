"""The documentation and the program name the same things, in both directions."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from exporter import connection, events, gateway, handshake, ingest, server
from exporter.app import create_app
from exporter.cli import main
from exporter.metrics import Rejection
from exporter.occupancy import REFUSED, Limits, Outcome
from exporter.settings import SETTINGS
from tests.test_metrics import Scraped

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def table(heading: str) -> list[list[str]]:
    """Return the rows of the table with this heading in its first cell, without the two above them."""
    rows = README.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def code(text: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def test_settings() -> None:
    """Name, default and help of every setting, in order."""
    assert table("setting") == [[f"`{s.name}`", f"`{s.default}`", s.help] for s in SETTINGS]


def test_families() -> None:
    """Every family of ours with its type, and none that is not."""
    named = {row[0].strip("`"): row[1] for row in table("family")}
    assert named.pop("process_*`, `python_*") == ""
    ours = {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in Scraped().families().values()
        if family.name.startswith("butlr_")
    }
    assert named == ours


def test_no_other_family_is_named_anywhere() -> None:
    """Neither in prose nor in queries."""
    families = {row[0].strip("`") for row in table("family")}
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "prometheus.yml"]:
        assert set(re.findall(r"butlr_(?:zone|exporter)_\w+", document.read_text())) <= families, document


def test_outcomes() -> None:
    """Every outcome with its answer."""
    assert {row[0].strip("`"): row[1] for row in table("outcome")} == {
        outcome.value: "422" if outcome in REFUSED else "200" for outcome in Outcome
    }


def test_reasons() -> None:
    """Every reason for which a request is refused whole."""
    (meaning,) = [row[2] for row in table("family") if "rejected_requests" in row[0]]
    assert code(meaning)[1:] == [reason.value for reason in Rejection]


def test_paths() -> None:
    """Every path that is served, with its method, and no other."""
    named = {tuple(request.split()) for row in table("request") for request in code(row[0])}
    assert named == {
        (method, rule.rule)
        for rule in create_app().url_map.iter_rules()
        for method in rule.methods or ()
        if method in ("GET", "POST")
    }


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_make_targets(document: str) -> None:
    """Every target that is named exists, and every target tells of itself in `make help`."""
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    assert set(re.findall(r"(?:^|`)make (\w+)", (ROOT / document).read_text(), re.MULTILINE)) <= set(targets)
    assert set(re.findall(r"'make (\w+) ", makefile)) == set(targets) - {"help", "lint"}


def test_options_of_simulate(capsys: pytest.CaptureFixture[str]) -> None:
    """Every option that is named exists, and every one that exists is named."""
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    text = (ROOT / "docs" / "simulator.md").read_text() + "".join(re.findall(r"butlr-exporter simulate .*", README))
    assert set(re.findall(r"--[a-z][a-z-]+", text)) | {"--zones", "--url"} == options


def test_links() -> None:
    """Every relative link leads somewhere."""
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_limits() -> None:
    """SECURITY.md gives the numbers of the program, in its order, and each names the module it is in."""
    rows = (ROOT / "SECURITY.md").read_text().partition("| what | limit |")[2].partition("\n\n")[0].splitlines()[2:]
    told = [[cell.strip() for cell in row.strip("|").split("|")][1::2] for row in rows]
    defaults = {setting.name: setting.default for setting in SETTINGS}
    assert told == [
        [f"`max_body` ({defaults['max_body'].replace('MiB', ' MiB')})", ""],
        ["none is taken", "`web`"],
        [f"{ingest.MAX_EVENTS:,}", "`ingest`"],
        [f"{ingest.MAX_ERRORS}", "`ingest`"],
        ["200 levels", "`events`"],
        [f"{events.MAX_STRING:,} characters", "`events`"],
        [f"`max_zones` ({int(defaults['max_zones']):,})", ""],
        [f"{Limits(0, 0, 0, 0, 0).max_deliveries:,}", "`readings`"],
        [f"{connection.MAX_HEAD >> 10} KiB", "`connection`"],
        [f"{connection.MAX_HEADERS}", "`connection`"],
        [f"{connection.MAX_PIPELINE}", "`connection`"],
        [f"{handshake.HANDSHAKE_TIMEOUT:.0f} s", "`handshake`"],
        [f"{connection.REQUEST_TIMEOUT:.0f} s", "`connection`"],
        [f"{connection.WRITE_TIMEOUT:.0f} s", "`connection`"],
        [f"{gateway.MAX_WAITING >> 20} MiB", "`gateway`"],
        [f"{server.KEEP_ALIVE} s", "`server`"],
        [f"{server.MAX_CONNECTIONS:,}, or what the limit of open files leaves", "`server`"],
        ["10 a minute", "`logs`"],
    ]
    events.parse_body(b"[" * 200 + b"]" * 200)
    with pytest.raises(events.NotJson):
        events.parse_body(b"[" * 202 + b"]" * 202)


def test_docker_image() -> None:
    """Two stages, a user without privileges, a health check that exists, and the port of the settings."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    (listen,) = [setting.default for setting in SETTINGS if setting.name == "listen"]
    assert len(re.findall(r"^FROM python:3\.\d+-slim", dockerfile, re.MULTILINE)) == 2
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", dockerfile, re.MULTILINE)
    assert re.search(r'^HEALTHCHECK .*"exporter.probe"\]$', dockerfile, re.MULTILINE)
    assert find_spec("exporter.probe")
    assert re.search(r"^VOLUME /data$", dockerfile, re.MULTILINE)
    assert "BUTLR_EXPORTER_JOURNAL=/data/" in dockerfile
    assert f"EXPOSE {listen.rpartition(':')[2]}" in dockerfile


def test_compose() -> None:
    """The exporter with its journal on a volume, and a Prometheus with the shipped configuration."""
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    exporter, prometheus = compose["services"]["butlr-exporter"], compose["services"]["prometheus"]
    assert exporter["volumes"] == ["journal:/data"]
    assert exporter["ports"] == ["127.0.0.1:9728:9728"]
    assert "./prometheus.yml:/etc/prometheus/prometheus.yml:ro" in prometheus["volumes"]
    assert prometheus["network_mode"] == "service:butlr-exporter"
    assert set(compose["volumes"]) == {"journal", "prometheus"}
