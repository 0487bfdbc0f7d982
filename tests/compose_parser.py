"""Docker's own parser of compose files, from the package of Debian's stable release: it runs without an engine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from .debian import unpack

ROOT = Path(__file__).resolve().parents[1]
SUITE, PACKAGE = "trixie", "docker-compose"
PROGRAM = "usr/libexec/docker/cli-plugins/docker-compose"


def compose_parser() -> Path:
    """The program, unpacked once. Raises ``CalledProcessError`` or ``OSError`` where the package can't be had."""
    folder = ROOT / ".cache" / "compose" / SUITE
    if not (folder / PROGRAM).exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            unpack(PACKAGE, Path(work) / "new", SUITE)
            shutil.rmtree(folder, ignore_errors=True)
            (Path(work) / "new").rename(folder)
    subprocess.run([folder / PROGRAM, "version"], check=True, capture_output=True)
    return folder / PROGRAM
