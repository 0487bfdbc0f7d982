"""The collection as its users get it: built, installed elsewhere, checked by ansible-test and used from there."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ..installed import environment, install, run_step
from ..steps import ROOT


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it is installed."""
    return tmp_path_factory.mktemp("installed")


@pytest.fixture(scope="module")
def installed(folder: Path) -> Path:
    return install(folder, "sanity")


@pytest.fixture(scope="module")
def elsewhere(folder: Path) -> dict[str, str]:
    return environment(folder)


def test_it_ships_nothing_that_git_does_not_know(installed: Path) -> None:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    shipped = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert shipped - set(listing.stdout.split("\0")) - {"MANIFEST.json", "FILES.json"} == set()


def test_its_readme_is_there(installed: Path) -> None:
    assert (installed / "README.md").stat().st_size > 0


def test_its_modules_are_documented(folder: Path, installed: Path, elsewhere: dict[str, str]) -> None:
    modules = [f"fungap.swarm.{path.stem}" for path in sorted((installed / "plugins" / "modules").glob("[!_]*.py"))]
    run_step("sanity-ansible-doc", ["ansible-doc", "--type", "module", *modules], env=elsewhere, cwd=folder)


def test_its_playbook_is_understood(folder: Path, installed: Path, elsewhere: dict[str, str]) -> None:
    inventory = str(installed / "inventories" / "local")
    command = ["ansible-playbook", "--syntax-check", "-i", inventory, "fungap.swarm.site"]
    run_step("sanity-syntax-check", command, env=elsewhere, cwd=folder)


def test_ansible_test_sanity(installed: Path) -> None:
    """It refuses a collection behind a link, so it gets what was installed."""
    _provide_get_pip()
    (installed / "tests").mkdir()
    for settings in ("config.yml", "sanity"):
        if (ROOT / "tests" / settings).is_file():
            shutil.copy(ROOT / "tests" / settings, installed / "tests")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    run_step("sanity-ansible-test", ["ansible-test", "sanity", "--python", python, "--color", "no"], cwd=installed)


def _provide_get_pip() -> None:
    """ansible-test would download a script from a place that no package mirror has; pip's own package serves as well.

    It is unpacked into each of ansible-test's environments: a tenth of the time that Python's ensurepip takes.
    """
    cache = Path.home() / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    version = _wanted_pip()
    if not (wheel := cache / f"pip-{version}-py3-none-any.whl").exists():
        # The checkout's own Python has a pip.
        pip = [ROOT / ".venv/bin/python", "-m", "pip", "download", "--no-deps", "--dest", cache, f"pip=={version}"]
        run_step("sanity-pip", pip)
    script = cache / f"get_pip_{version.replace('.', '_')}.py"
    unfinished = script.with_suffix(f".{os.getpid()}")
    unfinished.write_text(
        "import sys, sysconfig, zipfile\n"
        f"zipfile.ZipFile({str(wheel)!r}).extractall(sysconfig.get_path('purelib'))\n"
        "open(sys.prefix + '/pip.conf', 'w').write('[install]\\ncompile = no\\n')\n"
    )
    unfinished.rename(script)


def _wanted_pip() -> str:
    """The version that the ansible-test of this run asks for."""
    found = importlib.util.find_spec("ansible_test._internal.python_requirements")
    assert found
    assert found.origin
    [version] = re.findall(r"^        pip='([\d.]+)',$", Path(found.origin).read_text(), re.MULTILINE)
    return str(version)
