"""The documentation and the program name the same things, in both directions."""

import re
import shlex
import tomllib
from pathlib import Path
from types import ModuleType

import graphql
import pytest

from exporter.app import create_app
from exporter.butlr import batches, calls, reporting, token
from exporter.cli import logs
from exporter.cli.main import main
from exporter.events import model, parse
from exporter.ingest import intake, receipt
from exporter.metrics.registry import Rejection
from exporter.rule import limits as limits_of_the_rule
from exporter.rule.limits import Limits
from exporter.rule.outcome import REFUSED, Outcome
from exporter.server import connection, connections, head, process, tls, wsgi
from exporter.settings.declared import INPUTS, SETTINGS
from exporter.web import webhook
from exporter.web.pages import views
from tests.support.documents import DOCUMENTS, FAMILIES, anchors, code, page, table
from tests.support.paths import ROOT

MAX_LINES_OF_README = 200


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


def test_commands_of_the_cloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command of a document that asks Butlr's cloud needs nothing more than a token."""
    (tmp_path / "webhook.key").write_text("key")
    monkeypatch.chdir(tmp_path)
    for given in INPUTS:
        monkeypatch.delenv(given.variable, raising=False)
    found = [
        shlex.split(command.replace("\\\n", " "), comments=True)
        for path in DOCUMENTS
        for command in re.findall(
            r"^butlr-exporter ((?:backfill|assets|webhooks)(?:\\\n|[^\n])*)", path.read_text(), re.M
        )
    ]
    assert {words[0] for words in found} == {"backfill", "assets", "webhooks"}
    for words in found:
        with pytest.raises(SystemExit):
            main(words)
        assert "error: needs an API token of Butlr" in capsys.readouterr().err, words


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
        if method not in ("HEAD", "OPTIONS")
    }


def test_statuses() -> None:
    """docs/http.md lists every status of an error that the exporter answers, and no other."""
    sources = "".join(path.read_text() for path in ROOT.glob("exporter/**/*.py"))
    calls = re.findall(r"\b(?:problem|unlogged|refused|abort|Refusal)\(\s*(?:Rejection\.\w+, )?([45]\d\d)\b", sources)
    listed = [status for row in table("docs/http.md", "status") for status in re.findall(r"\d+", row[0])]
    assert listed == sorted(set(calls))


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
    """The exporter logs every message that a document quotes."""
    sources = "".join(path.read_text() for path in ROOT.glob("exporter/**/*.py"))
    for message in re.findall(r'msg="?([^"`\n]+)', document.read_text()):
        assert f'"{message}"' in sources, message


def blocks(document: str) -> list[list[str]]:
    """Return the lines of each block of text without a language."""
    found = re.findall(r"^```(\w*)\n(.*?)\n```$", page(document), re.DOTALL | re.MULTILINE)
    return [block.splitlines() for language, block in found if not language]


def test_tree() -> None:
    """CONTRIBUTING.md lists every package and module of the exporter, and no other."""
    (tree,) = [lines for lines in blocks("CONTRIBUTING.md") if lines[0] == "exporter/"]
    found, folders = set(), [ROOT / "exporter"]
    for line in tree[1:]:
        name, _, meaning = line.strip().partition(" ")
        folder = folders[(len(line) - len(line.lstrip())) // 2 - 1] / name
        found |= (
            {folder} if name.endswith(".py") else {folder / f"{room}.py" for room in meaning.split(": ")[-1].split()}
        )
        folders[(len(line) - len(line.lstrip())) // 2 :] = [folder]
    assert found == {path for path in ROOT.glob("exporter/**/*.py") if path.stem != "__init__"}


def test_import_direction() -> None:
    """CONTRIBUTING.md shows the layers of the first contract in pyproject.toml."""
    contract, *_ = tomllib.loads(page("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    assert contract["layers"] in blocks("CONTRIBUTING.md")


def test_limits() -> None:
    """SECURITY.md gives the numbers of the program in its order, and names the module that each is in."""
    rows = table("SECURITY.md", "limit | value")
    defaults = {setting.name: setting.default for setting in SETTINGS}
    limits: list[tuple[str, ModuleType | None]] = [
        (f"`max_body` ({defaults['max_body'].replace('MiB', ' MiB')})", None),
        ("none is accepted", webhook),
        (f"{intake.MAX_EVENTS:,}", intake),
        (f"{receipt.MAX_ERRORS}", receipt),
        (f"{views.MAX_WORDS} characters", views),
        ("200 levels", parse),
        ("4,300", parse),
        (f"{model.MAX_STRING:,} characters", model),
        (f"`max_spaces` ({int(defaults['max_spaces']):,})", None),
        (f"{Limits(0, 0, 0, 0, 0, 0).max_deliveries:,}", limits_of_the_rule),
        (f"{head.MAX_HEAD >> 10} KiB", head),
        (f"{head.MAX_HEAD >> 10} KiB", head),
        (f"{head.MAX_HEADERS}", head),
        (f"{connection.MAX_PIPELINE}", connection),
        (f"{tls.HANDSHAKE_TIMEOUT:.0f} s", tls),
        (f"{connection.REQUEST_TIMEOUT:.0f} s", connection),
        (f"{connection.WRITE_TIMEOUT:.0f} s", connection),
        (f"{wsgi.MAX_WAITING >> 20} MiB", wsgi),
        (f"{process.KEEP_ALIVE} s", process),
        (f"{process.MAX_CONNECTIONS:,}, or what the limit of open files leaves", process),
        ("three quarters of these", connections),
        ("10 a minute", logs),
    ]
    assert [tuple(row[1::2]) for row in rows] == [(limit, where(module)) for limit, module in limits]


def test_limits_of_the_cloud() -> None:
    """docs/butlr.md gives the limits of the client of Butlr's API in its order."""
    limits = calls.LIMITS
    rows = table("docs/butlr.md", "limit of the API")
    assert [row[1] for row in rows] == [
        f"{batches.PACE_SECONDS:g} s",
        f"{reporting.MAX_IDS}",
        f"{reporting.MAX_SPAN_MS // 3_600_000} h",
        f"{calls.MAX_TRIES}",
        f"{limits[calls.Api.TOKEN].seconds:g} s",
        f"{limits[calls.Api.GRAPHQL].seconds:g} s",
        f"{limits[calls.Api.GRAPHQL].max_bytes >> 20} MiB",
        f"{limits[calls.Api.REPORTING].max_bytes >> 20} MiB",
        f"{token.FIRST_PAUSE_SECONDS:g} s",
        "1 s to 15 s",
        "1",
    ]
    assert (
        f"for {calls.THROTTLED_SECONDS:g} s without it; where it is longer than {calls.MAX_WAIT_SECONDS:g} s"
        in rows[0][2]
    )
    assert f"and {batches.MAX_HALVES}" in rows[2][2]
    assert f"up to {token.MAX_PAUSE_SECONDS / 60:g} min" in rows[8][2]


def where(module: ModuleType | None) -> str:
    """Return a module as the documents name it, such as `server/connection`; empty for none."""
    return f"`{module.__name__.removeprefix('exporter.').replace('.', '/')}`" if module else ""


def test_nesting() -> None:
    """JSON may be nested in 200 levels, as SECURITY.md says."""
    parse.parse_body(b"[" * 200 + b"]" * 200)
    with pytest.raises(parse.NotJson):
        parse.parse_body(b"[" * 202 + b"]" * 202)


def test_digits() -> None:
    """A whole number in JSON may have 4,300 digits, as SECURITY.md says."""
    parse.parse_body(b"9" * 4300)
    with pytest.raises(parse.NotJson, match="number out of range"):
        parse.parse_body(b"9" * 4301)


def test_picture() -> None:
    """The picture of the page in README is small enough for everyone."""
    (picture,) = re.findall(r"!\[[^]]+\]\((docs/page\.png)\)", page("README.md"))
    assert (ROOT / picture).stat().st_size < 300 << 10


def test_mutation() -> None:
    """docs/butlr.md has the mutation that creates a webhook by hand, and its syntax is valid."""
    (mutation,) = re.findall(r"```graphql\n(.*?)```", page("docs/butlr.md"), re.DOTALL)
    graphql.parse(mutation)
