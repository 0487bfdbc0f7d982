# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The unit tests on the ansible-cores that the collection declares, with the Pythons that run them.

``python -m tests.cores`` runs them on each core with each Python that this machine has; ``python -m tests.cores
2.18.19 3.12`` with those alone. A core is put before the one of the environment; everything else is the environment's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
    return folder / "bin" / "python"


def install(folder: Path, *what: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    subprocess.run([*pip, "--quiet", "--disable-pip-version-check", *what], check=True)


def unit_tests(core: str, python: Version) -> int:
    """Run them; the exit code."""
    [packages] = environment(core, python).glob("lib/python3*/site-packages")
    program = str(developers(python))
    tests = [
        program,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.own_loader",
        "-n",
        str(os.cpu_count()),
        "tests/unit",
    ]
    print(f"ansible-core {core}, Python {python[0]}.{python[1]}", flush=True)
    return subprocess.run(tests, cwd=ROOT, env={**os.environ, **SETTINGS, "PYTHONPATH": str(packages)}).returncode


def main(asked: list[str]) -> int:
    pairs = chosen(asked)
    here = [(core, python) for core, python in pairs if interpreter(python)]
    for core, (major, minor) in sorted({*pairs} - {*here}):
        print(f"ansible-core {core} is not tried with Python {major}.{minor}: that is not here", file=sys.stderr)
    codes = [unit_tests(core, python) for core, python in here]
    # What was asked for by name and can't be tried is a failure.
    return int(any(codes) or not codes or (bool(asked) and here != pairs))


def chosen(asked: list[str]) -> list[tuple[str, Version]]:
    """The cores, each with a Python that runs it, of those that are asked for; where none is, of all."""
    known = {f"{major}.{minor}": (major, minor) for major, minor in PYTHONS}
    if wrong := [one for one in asked if one not in CORES and one not in known]:
        sys.exit(
            f"{', '.join(wrong)}: neither an ansible-core of {', '.join(CORES)} nor a Python of {', '.join(known)}"
        )
    pythons = [known[one] for one in asked if one in known] or list(PYTHONS)
    cores = [one for one in asked if one in CORES]
    pairs = [(core, python) for python in pythons for core in cores or CORES if core in runnable(python)]
    for core in cores:
        if core not in dict(pairs):
            first, last = (f"{major}.{minor}" for major, minor in CORES[core])
            sys.exit(f"ansible-core {core} needs a Python from {first} to {last}")
    return pairs


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
