# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Unit tests, sanity and a platform on the ansible-cores that the collection declares, with the Pythons that run them.

``python -m tests.cores`` runs all three on each core with each Python that this machine has; ``python -m tests.cores
2.18.19 3.12 smoke`` with those, and of the three that one. A core is put before the one of the environment; everything
else is the environment's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The last of each line, and the Pythons that its controller runs on.
CORES = {
    "2.17.14": ((3, 10), (3, 12)),
    "2.18.19": ((3, 11), (3, 13)),
    "2.19.14": ((3, 11), (3, 13)),
    "2.20.10": ((3, 12), (3, 14)),
    "2.21.5": ((3, 12), (3, 14)),
}
THIS = sys.version_info[:2]
# What requirements.txt says: every other test runs on it.
PINNED = "2.19.14"
# Those that the lock files are for (docs/development.md).
PYTHONS = ((3, 11), (3, 12), (3, 13))
# What Ansible itself says to the line that is tried is nothing that a test is about.
SETTINGS = {"ANSIBLE_DEPRECATION_WARNINGS": "0"}

Version = tuple[int, int]


def runnable(python: Version = THIS) -> list[str]:
    """The cores that a Python runs, but for what ``make unit`` runs: the pinned one with the environment's Python."""
    fit = [core for core, (first, last) in CORES.items() if first <= python <= last]
    return [core for core in fit if (core, python) != (PINNED, THIS)]


def interpreter(python: Version) -> str:
    """Where that Python is, '' when it isn't here."""
    name = f"python{python[0]}.{python[1]}"
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    own = sorted(versions.glob(f"{python[0]}.{python[1]}.*/bin/{name}"))
    return sys.executable if python == THIS else str(own[-1]) if own else shutil.which(name) or ""


def environment(core: str, python: Version = THIS) -> Path:
    """An environment with that ansible-core alone, which is kept."""
    folder = ROOT / ".cache" / f"ansible-core-{core}-{python[0]}.{python[1]}"
    if not (folder / "complete").exists():
        subprocess.run([interpreter(python), "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
        install(folder, "--no-compile", f"ansible-core=={core}")
        (folder / "complete").touch()
    return folder


def developers(python: Version) -> Path:
    """An environment with what the pinned one has, for another Python, which is kept: its interpreter."""
    if python == THIS:
        return Path(sys.executable)
    lock = ROOT / "requirements-dev.lock"
    folder = ROOT / ".cache" / f"python-{python[0]}.{python[1]}"
    if not (folder / "complete").exists() or (folder / "complete").read_text() != lock.read_text():
        subprocess.run([interpreter(python), "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
        install(folder, "--require-hashes", "--requirement", str(lock))
        (folder / "complete").write_text(lock.read_text())
    # The other collections are for any Python.
    [packages] = folder.glob("lib/python3*/site-packages")
    [collections] = Path(sys.prefix).glob("lib/python3*/site-packages/ansible_collections")
    if not (link := packages / "ansible_collections").exists():
        link.symlink_to(collections)
    return folder / "bin" / "python"


def install(folder: Path, *what: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    subprocess.run([*pip, "--quiet", "--disable-pip-version-check", *what], check=True)


@dataclass(frozen=True)
class Pair:
    """An ansible-core, and a Python that runs it."""

    core: str
    python: Version

    def __str__(self) -> str:
        return f"ansible-core {self.core}, Python {self.python[0]}.{self.python[1]}"

    def run(self, stage: str) -> int:
        """Run the tests of a stage; the exit code."""
        print(f"{self}: {stage}", flush=True)
        program = developers(self.python)
        [packages] = environment(self.core, self.python).glob("lib/python3*/site-packages")
        path = f"{Path(program).parent}:{os.environ['PATH']}"
        env = {**os.environ, **SETTINGS, "PATH": path, "PYTHONPATH": str(packages)}
        return subprocess.run([program, "-m", "pytest", "-q", *STAGES[stage]], cwd=ROOT, env=env).returncode


STAGES: Mapping[str, Sequence[str]] = {
    "unit": ("-p", "no:cacheprovider", "-p", "tests.own_loader", "-n", str(os.cpu_count()), "tests/unit"),
    "sanity": ("-n", "1", "tests/sanity"),
    "smoke": ("-n", "1", "tests/engine/test_engine.py::test_engine_and_images", "tests/smoke"),
}


def asked(words: Sequence[str]) -> tuple[list[Pair], list[str]]:
    """The cores with their Pythons, and the stages, that some words name; of what they say nothing, all."""
    known = {f"{major}.{minor}": (major, minor) for major, minor in PYTHONS}
    if wrong := [one for one in words if one not in {*CORES, *known, *STAGES}]:
        there = f"an ansible-core of {', '.join(CORES)}, a Python of {', '.join(known)}, {', '.join(STAGES)}"
        sys.exit(f"{', '.join(wrong)}: there are {there}")
    pythons = [known[one] for one in words if one in known] or list(PYTHONS)
    cores = [one for one in words if one in CORES] or list(CORES)
    pairs = [Pair(core, python) for python in pythons for core in cores if core in runnable(python)]
    for core in {*words} & {*CORES} - {pair.core for pair in pairs}:
        first, last = (f"{major}.{minor}" for major, minor in CORES[core])
        sys.exit(f"ansible-core {core} needs a Python from {first} to {last}")
    return pairs, [one for one in words if one in STAGES] or list(STAGES)


def main(words: Sequence[str]) -> int:
    pairs, stages = asked(words)
    here = [pair for pair in pairs if interpreter(pair.python)]
    for pair in pairs:
        if pair not in here:
            print(f"{pair}: not tried, that Python is not here", file=sys.stderr)
    codes = {f"{pair}: {stage}": pair.run(stage) for pair in here for stage in stages}
    failed = [name for name, code in codes.items() if code]
    print("\n".join(f"{name}: {'FAILED' if name in failed else 'passed'}" for name in codes))
    # What was asked for by name and can't be tried is a failure.
    return int(bool(failed) or not codes or (bool(words) and here != pairs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
