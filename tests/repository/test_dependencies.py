"""The locks fit pyproject.toml, and every dependency has its licence in the documentation."""

import re
import tomllib
from contextlib import suppress
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]

ASKED_FOR = {
    "image": PROJECT["project"]["dependencies"],
    "pip": GROUPS["pip"],
    "build": [*PROJECT["build-system"]["requires"], *GROUPS["build"]],
    "ci": [*PROJECT["project"]["dependencies"], *GROUPS["test"], *GROUPS["tools"], *GROUPS["plot"], *GROUPS["build"]],
}


def locked(name: str) -> dict[str, str]:
    """Return the versions of a lock file by package, without the packages that only Windows needs."""
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==([^ ]+) (?!; sys_platform == 'win32')", text, re.MULTILINE))


@pytest.mark.parametrize("name", ASKED_FOR)
def test_locks(name: str) -> None:
    """Each requirement is locked to a version in its range, and every version has hashes."""
    for requirement in map(Requirement, ASKED_FOR[name]):
        assert requirement.specifier.contains(locked(name)[canonicalize_name(requirement.name)]), requirement
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    packages = re.findall(r"^[a-z0-9-]+(?:\[.*\])?==.*\n(.*)", text, re.MULTILINE)
    assert len(packages) >= len(locked(name))
    assert all(line.startswith("    --hash=sha256:") for line in packages)
    assert "://" not in text


@pytest.mark.parametrize("name", ASKED_FOR)
def test_extras_are_locked(name: str) -> None:
    """An extra is locked with its package: otherwise an older pip installs the newest version of the package."""
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    for package in locked(name):
        with suppress(metadata.PackageNotFoundError):  # the package is for another system
            for needed in map(Requirement, metadata.requires(package) or ()):
                for extra in needed.extras if needed.marker is None else ():
                    assert re.search(rf"^{canonicalize_name(needed.name)}\[.*\b{extra}\b.*\]==", text, re.MULTILINE), (
                        needed
                    )


@pytest.mark.parametrize("name", ["image", "build"])
def test_ci_has_the_versions_of_the_image(name: str) -> None:
    """The versions of the image are those of CI."""
    assert locked(name).items() <= locked("ci").items()


def test_licences() -> None:
    """docs/dependencies.md lists every package of the image with the licence that it declares."""
    rows = re.findall(r"^\| ([a-z0-9-]+) \| ([^|]+) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    listed = dict(rows)
    listed.pop("package")
    assert set(listed) == set(locked("image"))
    for name, licence in listed.items():
        declared = metadata.metadata(name)
        words = declared["License-Expression"] or " ".join(
            [declared["License"] or "", *(declared.get_all("Classifier") or [])]
        )
        for one in re.split(" AND | OR ", licence):
            assert re.search(rf"\b{one.split('-')[0]}\b", words), f"{name}: {words}"


def test_image() -> None:
    """The image installs locked versions only."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    for install in re.findall(r"pip install .*", dockerfile):
        assert "--require-hashes -r locks/" in install or "--no-deps --no-index" in install
    assert dockerfile.count("--require-hashes -r locks/image.txt") == 1
