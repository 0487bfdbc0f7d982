"""Libraries that npm's registry has, and what a bare machine lacks to run them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from .debian import install_missing

ROOT = Path(__file__).resolve().parents[1]
FILES = ("package.json", "package-lock.json", ".npmrc")


def libraries(source: Path) -> Path:
    """The folder with the node_modules that a package-lock.json says; fetched once."""
    contents = b"".join((source / file).read_bytes() for file in FILES)
    folder = ROOT / ".cache" / "node" / hashlib.sha256(contents).hexdigest()[:12]
    if folder.exists():
        return folder
    install_missing({"node": "nodejs", "npm": "npm"})
    unfinished = folder.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed; mostly there is none
    unfinished.mkdir(parents=True)
    for file in FILES:
        shutil.copy(source / file, unfinished)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=unfinished, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    unfinished.rename(folder)
    return folder
