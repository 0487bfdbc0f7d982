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


def unpack(package: str, folder: Path) -> None:
    """A package's files, which are not installed."""
    with tempfile.TemporaryDirectory() as downloads:
        # apt downloads as a user of its own.
        os.chmod(downloads, 0o755)
        with alone():
            subprocess.run(["apt-get", "-qq", "download", package], cwd=downloads, check=True, capture_output=True)
        (file,) = Path(downloads).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", file, folder], check=True)
