"""The documentation and the program name the same things, in both directions."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import graphql
import pytest
import yaml
from grafana_foundation_sdk.models.alerting import Query

from exporter import capacity
from exporter.app import create_app
from exporter.cli import logs
from exporter.cli.main import main
from exporter.events import model, parse
from exporter.ingest import intake, receipt
from exporter.metrics.families import SETTLED
from exporter.metrics.registry import Rejection
from exporter.rule import limits as limits_of_the_rule
from exporter.rule.limits import Limits
from exporter.rule.outcome import REFUSED, Outcome
from exporter.server import connection, process, tls, wsgi
from exporter.settings.declared import INPUTS, SETTINGS
from exporter.web import webhook
from grafana import alerting
from tests.support.paths import ROOT
from tests.support.scraped import Scraped

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

MAX_LINES_OF_README = 200

FAMILIES = {
    f"{family.name}_total" if family.type == "counter" else family.name: family.type
    for family in Scraped().families().values()
} | dict.fromkeys(SETTLED.values(), "gauge")
"""The type of every family by its name, as it is queried."""


def page(name: str) -> str:
    """Return the text of a document, named from the root of the repository."""
    return (ROOT / name).read_text()


def table(document: str, heading: str) -> list[list[str]]:
    """Return the rows of the document's table with this heading in its first cell, without the two above them."""
    rows = page(document).partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def code(text: str) -> list[str]:
    """Return the parts of a text that stand in backticks."""
    return re.findall(r"`([^`]+)`", text)


def anchors(document: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"```.*?```", "", page(document), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    slugs = [re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles]
    assert len(slugs) == len(set(slugs)), f"{document}: two headings have the same anchor"
    return set(slugs)


def test_readme_is_short() -> None:
    """README has at most 200 lines."""
    assert len(page("README.md").splitlines()) <= MAX_LINES_OF_README


def test_index() -> None:
    """docs/README.md lists every page of docs/, each once."""
    listed = re.findall(r"^- \[[^]]+\]\(([^)/]+\.md)\)", page("docs/README.md"), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in ROOT.glob("docs/*.md") if path.name != "README.md")


def test_settings() -> None:
    """docs/settings.md has name, default and help of every setting, in order."""
    assert table("docs/settings.md", "setting") == [[f"`{s.name}`", f"`{s.default}`", s.help] for s in SETTINGS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables(document: Path) -> None:
    """Every environment variable that a document names is one of a setting."""
    variables = set(re.findall(r"BUTLR_EXPORTER_[A-Z_]*[A-Z]", document.read_text()))
    assert variables <= {given.variable for given in INPUTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options(document: Path) -> None:
    """Every option of `butlr-exporter` in a command of a document exists."""
    known = {given.flag for given in INPUTS}
    for command in re.findall(r"butlr-exporter (?:serve|check)(?:\\\n|[^\n`])*", document.read_text()):
        assert set(re.findall(r" (--[a-z][a-z-]+)", command)) <= known | {"--against"}, command


def test_families() -> None:
    """docs/metrics.md lists every family of the exporter with its type, and no other."""
    named = {row[0].strip("`"): row[1] for row in table("docs/metrics.md", "family")}
    assert named.pop("process_*`, `python_*") == ""
    assert named == {name: kind for name, kind in FAMILIES.items() if name.startswith("butlr_")}


def test_outcomes() -> None:
    """docs/metrics.md lists every outcome with its answer."""
    assert {row[0].strip("`"): row[1] for row in table("docs/metrics.md", "outcome")} == {
        outcome.value: "422" if outcome in REFUSED else "200" for outcome in Outcome
    }


def test_reasons() -> None:
    """docs/metrics.md lists every reason for which a whole request is rejected."""
    (meaning,) = [row[2] for row in table("docs/metrics.md", "family") if "rejected_requests" in row[0]]
    assert code(meaning)[1:] == [reason.value for reason in Rejection]


def test_paths() -> None:
    """docs/http.md lists every path that is served, with its method, and no other."""
    named = {tuple(request.split()) for row in table("docs/http.md", "request") for request in code(row[0])}
    assert named == {
        (method, re.sub(r"<\w+:(?:space_)?(\w+)>", r"<\1>", rule.rule))
        for rule in create_app().url_map.iter_rules()
        for method in rule.methods or ()
        if method in ("GET", "POST")
    }


def test_make_targets() -> None:
    """Every make target that a document names exists, and `make help` lists every target."""
    targets = re.findall(r"^([a-z]+):", page("Makefile"), re.MULTILINE)
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:^|`)make (\w+)", document.read_text(), re.MULTILINE))
        assert named <= set(targets), document
    assert set(re.findall(r"'make (\w+) ", page("Makefile"))) == set(targets) - {"help", "lint"}


def test_options_of_simulate(capsys: pytest.CaptureFixture[str]) -> None:
    """The documents name every option of `simulate`, and no other."""
    with pytest.raises(SystemExit):
        main(["simulate", "--help"])
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    commands = [
        command for path in DOCUMENTS for command in re.findall(r"butlr-exporter simulate .*", path.read_text())
    ]
    named = set(re.findall(r"--[a-z][a-z-]+", "\n".join([page("docs/simulator.md"), *commands])))
    assert named | {"--zones", "--url"} == options


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    """Every relative link leads to a file, and its anchor to a heading there."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(str(linked.relative_to(ROOT))), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files(document: Path) -> None:
    """Every source file that a document names exists."""
    for name in re.findall(
        r"`((?:exporter|tests|bench|docs|scripts|grafana|locks)/[\w/.-]+\.\w+)`", document.read_text()
    ):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_log_messages(document: Path) -> None:
    """Every log message that a document quotes is one of the exporter's."""
    sources = "".join(path.read_text() for path in ROOT.glob("exporter/**/*.py"))
    for message in re.findall(r'msg="?([^"`\n]+)', document.read_text()):
        assert f'"{message}"' in sources, message


def test_limits() -> None:
    """SECURITY.md gives the numbers of the program in its order, and names the module that each is in."""
    rows = table("SECURITY.md", "limit | value")
    defaults = {setting.name: setting.default for setting in SETTINGS}
    limits: list[tuple[str, ModuleType | None]] = [
        (f"`max_body` ({defaults['max_body'].replace('MiB', ' MiB')})", None),
        ("none is accepted", webhook),
        (f"{intake.MAX_EVENTS:,}", intake),
        (f"{receipt.MAX_ERRORS}", receipt),
        ("200 levels", parse),
        (f"{model.MAX_STRING:,} characters", model),
        (f"`max_spaces` ({int(defaults['max_spaces']):,})", None),
        (f"{Limits(0, 0, 0, 0, 0, 0).max_deliveries:,}", limits_of_the_rule),
        (f"{connection.MAX_HEAD >> 10} KiB", connection),
        (f"{connection.MAX_HEADERS}", connection),
        (f"{connection.MAX_PIPELINE}", connection),
        (f"{tls.HANDSHAKE_TIMEOUT:.0f} s", tls),
        (f"{connection.REQUEST_TIMEOUT:.0f} s", connection),
        (f"{connection.WRITE_TIMEOUT:.0f} s", connection),
        (f"{wsgi.MAX_WAITING >> 20} MiB", wsgi),
        (f"{process.KEEP_ALIVE} s", process),
        (f"{process.MAX_CONNECTIONS:,}, or what the limit of open files leaves", process),
        ("10 a minute", logs),
    ]
    assert [tuple(row[1::2]) for row in rows] == [(limit, where(module)) for limit, module in limits]


def where(module: ModuleType | None) -> str:
    """Return a module as the documents name it, such as `server/connection`; empty for none."""
    return f"`{module.__name__.removeprefix('exporter.').replace('.', '/')}`" if module else ""


def test_nesting() -> None:
    """JSON may be nested in 200 levels, as SECURITY.md says."""
    parse.parse_body(b"[" * 200 + b"]" * 200)
    with pytest.raises(parse.NotJson):
        parse.parse_body(b"[" * 202 + b"]" * 202)


def test_picture() -> None:
    """The picture of the page in README is small enough for everyone."""
    (picture,) = re.findall(r"!\[[^]]+\]\((docs/page\.png)\)", page("README.md"))
    assert (ROOT / picture).stat().st_size < 300 << 10


def test_mutation() -> None:
    """README and docs/butlr.md have the same mutation, and its syntax is valid."""
    texts = [re.findall(r"```graphql\n(.*?)```", page(name), re.DOTALL) for name in ("README.md", "docs/butlr.md")]
    (short,), (full,) = ([dedent(text).strip() for text in each] for each in texts)
    assert short == full
    graphql.parse(full)


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
