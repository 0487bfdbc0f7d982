"""Debian's packages for tests: installed where a program is missing, or unpacked beside this machine's own.

One process at a time: who brings apt's lists up to date takes them from under another that reads them, and two of them
are too many for apt.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LOCK = Path("/run/lock/fungap-tests-apt.lock")


@contextmanager
def alone() -> Iterator[None]:
    with LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_missing(packages: Mapping[str, str]) -> None:
    """The packages of the programs that are not there. ``packages``: by program."""
    with alone():
        missing = [package for program, package in packages.items() if not shutil.which(program)]
        if missing:
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            for arguments in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
                command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments]
                subprocess.run(command, env=environment, check=True)


def unpack(package: str, folder: Path, suite: str = "") -> None:
    """A package's files, which are not installed. ``suite``: another release than this machine's."""
    with tempfile.TemporaryDirectory() as downloads:
        # apt downloads as a user of its own.
        os.chmod(downloads, 0o755)
        with alone():
            options = _lists_of(suite, Path(downloads)) if suite else []
            command = ["apt-get", "-qq", *options, "download", package]
            subprocess.run(command, cwd=downloads, check=True, capture_output=True)
        (file,) = Path(downloads).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", file, folder], check=True)


def _lists_of(suite: str, folder: Path) -> list[str]:
    """Options for apt by which it knows a release, from this machine's own mirror, and leaves its own lists alone."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Component: main"]
    mirrors = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    mirror = next((one for one in mirrors if "security" not in one), "")
    (folder / "sources.list").write_text(f"deb {mirror} {suite} main\n")
    (folder / "lists").mkdir(mode=0o755)
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Acquire::Languages": "none",
    }
    options = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    subprocess.run(["apt-get", "-qq", *options, "update"], check=True, capture_output=True)
    return options
