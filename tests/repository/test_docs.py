"""The documentation and the program name the same things, in both directions."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from grafana_foundation_sdk.models.alerting import Query

from exporter import capacity
from exporter.app import create_app
from exporter.cli.main import main
from exporter.events import parse as events
from exporter.events.model import MAX_STRING
from exporter.ingest import intake as ingest
from exporter.ingest import receipt
from exporter.metrics.families import SETTLED
from exporter.metrics.registry import Rejection
from exporter.rule.limits import Limits
from exporter.rule.outcome import REFUSED, Outcome
from exporter.server import connection
from exporter.server import process as server
from exporter.server import tls as handshake
from exporter.server import wsgi as gateway
from exporter.settings.declared import INPUTS, SETTINGS
from grafana import alerting
from tests.support.paths import ROOT
from tests.support.scraped import Scraped

README = (ROOT / "README.md").read_text()


FAMILIES = {
    f"{family.name}_total" if family.type == "counter" else family.name: family.type
    for family in Scraped().families().values()
} | dict.fromkeys(SETTLED.values(), "gauge")
"""The type of every family by its name, as it is queried."""


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
    assert named == {name: kind for name, kind in FAMILIES.items() if name.startswith("butlr_")}


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
        (method, re.sub(r"<\w+:(?:space_)?(\w+)>", r"<\1>", rule.rule))
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
        [f"{receipt.MAX_ERRORS}", "`ingest`"],
        ["200 levels", "`events`"],
        [f"{MAX_STRING:,} characters", "`events`"],
        [f"`max_spaces` ({int(defaults['max_spaces']):,})", ""],
        [f"{Limits(0, 0, 0, 0, 0, 0).max_deliveries:,}", "`readings`"],
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


def test_picture() -> None:
    """The page in the README is small enough for everyone."""
    (picture,) = re.findall(r"!\[[^]]+\]\((docs/page\.png)\)", README)
    assert (ROOT / picture).stat().st_size < 300 << 10


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
    """A valid file: pinned images, no privileged user, secrets from files, ports of this machine only."""
    linter = Path(sys.executable).with_name("check-jsonschema")
    command = [str(linter), "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    services = compose["services"]
    assert set(services) == {"butlr-exporter", "prometheus", "alertmanager", "grafana", "simulate"}
    assert services["simulate"]["profiles"] == ["demo"]
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        if "image" in service:
            assert re.fullmatch(r"[a-z/]+:v?[0-9]+\.[0-9]+\.[0-9]+", service["image"])
            assert int(service["user"].partition(":")[0]) > 0
            assert service["healthcheck"]["test"][0] == "CMD"
        for volume in service.get("volumes", []):
            source, _, rest = volume.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), volume
                assert rest.endswith(":ro")
            else:
                assert source in compose["volumes"]
        assert set(service.get("secrets", [])) <= set(compose["secrets"]), name
    (command,) = services["prometheus"]["command"]
    replaced = re.findall(r"s/(localhost:[0-9]+)/([a-z-]+):[0-9]+/", command)
    assert len(replaced) == 2
    for here, there in replaced:
        assert here in (ROOT / "prometheus.yml").read_text()
        assert there in services
    assert {secret["file"].startswith("./secrets/") for secret in compose["secrets"].values()} == {True}
    variables = {given.variable for given in INPUTS}
    assert set(services["butlr-exporter"]["environment"]) <= variables


def test_grafana_provisioning() -> None:
    """Alert rules ask the data source that is provisioned, and dashboards are where compose.yaml puts them."""
    folder = ROOT / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "butlr.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "butlr.yml").read_text())["providers"]
    (group,) = yaml.safe_load((folder / "alerting" / "butlr.yml").read_text())["groups"]
    assert (source["type"], source["uid"]) == ("prometheus", alerting.DATASOURCE)
    compose = (ROOT / "compose.yaml").read_text()
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in compose
    alerts = {rule["alert"]: rule for each in ALERT_GROUPS for rule in each["rules"] if "alert" in rule}
    for rule in group["rules"]:
        shipped = alerts[rule["title"]]
        assert (rule["for"], rule["labels"]) == (shipped["for"], shipped["labels"])
        assert rule["annotations"]["runbook_url"] == shipped["annotations"]["runbook_url"]
        assert {query["datasourceUid"] for query in rule["data"]} == {source["uid"], alerting.EXPRESSION}
        # What it compares with is the same.
        expr = rule["data"][0]["model"]["expr"]
        assert re.findall(r"[<>=]+ [0-9.]+", expr) == re.findall(r"[<>=]+ [0-9.]+", shipped["expr"])
        for query in rule["data"]:
            Query.from_json(query)


def test_capacity_example() -> None:
    """capacity.yml is one that is taken."""
    assert len(capacity.read(str(ROOT / "capacity.yml")).rules) >= 3


ALERT_GROUPS = yaml.safe_load((ROOT / "alerts.yml").read_text())["groups"]
RECORDED = {rule["record"] for group in ALERT_GROUPS for rule in group["rules"] if "record" in rule}
SUFFIXES = re.compile("_(bucket|sum|count)$")


def named_in(text: str) -> set[str]:
    """Return the families and recorded series that a text of queries names."""
    text = text.replace("(_1min)?", "")
    recorded = set(re.findall(r"\b(?:zone|room|floor|building|site):butlr_[\w:]+", text))
    for name in recorded:
        text = text.replace(name, "")
    return recorded | {SUFFIXES.sub("", name) for name in re.findall(r"\bbutlr_(?:zone|exporter)_\w+", text)}


def test_queries_name_what_there_is() -> None:
    """Alerts, dashboards and documents name only families and recorded series that exist."""
    files = [
        *ROOT.glob("*.yml"),
        *ROOT.glob("*.md"),
        ROOT / "tests" / "alerts_test.yml",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "grafana").glob("**/*.json"),
        *(ROOT / "grafana").glob("**/*.yml"),
    ]
    for file in files:
        assert named_in(file.read_text()) <= FAMILIES.keys() | RECORDED, file


def test_every_family_is_looked_at() -> None:
    """By a panel or an alert; and every recorded series is used, or documented for who writes queries."""
    used = named_in((ROOT / "alerts.yml").read_text())
    used |= {name for file in (ROOT / "grafana" / "dashboards").glob("*.json") for name in named_in(file.read_text())}
    ours = {family for family in FAMILIES if family.startswith("butlr_")}
    assert {name for name in ours if "_1min" not in name} <= used
    assert named_in((ROOT / "docs" / "alerting.md").read_text()) >= RECORDED


def test_alerts_are_documented() -> None:
    """Each has a line in docs/alerting.md and a section of its own in docs/runbook.md, and no other has."""
    alerts = {rule["alert"] for group in ALERT_GROUPS for rule in group["rules"] if "alert" in rule}
    assert set(re.findall(r"^## (Butlr\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)) == alerts
    assert set(re.findall(r"^\| `(Butlr\w+)` \|", (ROOT / "docs" / "alerting.md").read_text(), re.MULTILINE)) == alerts
