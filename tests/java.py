"""Programs that Maven Central has: their libraries, and what a bare machine lacks to run them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from .debian import install_missing

ROOT = Path(__file__).resolve().parents[1]


def libraries(pom: Path) -> Path:
    """The folder with what a pom.xml depends on, from Maven Central in the versions that it says; fetched once."""
    folder = ROOT / ".cache" / "java" / hashlib.sha256(pom.read_bytes()).hexdigest()[:12]
    if folder.exists():
        return folder
    need_programs()
    unfinished = folder.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = ["mvn", "--quiet", "--batch-mode", "--file", str(pom), "dependency:copy-dependencies"]
    done = subprocess.run([*command, f"-DoutputDirectory={unfinished}"], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    unfinished.rename(folder)
    return folder


def need_programs() -> None:
    """Install what a bare machine lacks: Maven, Java, and an SSH client for the way to Jenkins' agent."""
    install_missing({"mvn": "maven", "java": "default-jre-headless", "ssh": "openssh-client"})
