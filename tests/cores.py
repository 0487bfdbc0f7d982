# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The unit tests on the ansible-cores that the collection declares, beside the pinned one.

``python -m tests.cores 2.18.19`` runs them on one, without arguments on each that this Python can run. A core is put
before the one of the environment; everything else is the environment's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The last of each line, and the Pythons that its controller runs on.
CORES = {
    "2.17.14": ((3, 10), (3, 12)),
    "2.18.19": ((3, 11), (3, 13)),
    "2.20.10": ((3, 12), (3, 14)),
    "2.21.5": ((3, 12), (3, 14)),
}
# What Ansible itself says to the line that is tried is nothing that a test is about.
SETTINGS = {"ANSIBLE_DEPRECATION_WARNINGS": "0"}


def runnable(python: tuple[int, int] = sys.version_info[:2]) -> list[str]:
    """The cores that a Python runs."""
    return [core for core, (first, last) in CORES.items() if first <= python <= last]


def environment(core: str) -> Path:
    """An environment with that ansible-core alone, which is kept."""
    folder = ROOT / ".cache" / f"ansible-core-{core}"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--no-compile"]
        subprocess.run([*pip, "--quiet", "--disable-pip-version-check", f"ansible-core=={core}"], check=True)
        (folder / "complete").touch()
    return folder


def unit_tests(core: str) -> int:
    """Run them; the exit code."""
    [packages] = environment(core).glob("lib/python3*/site-packages")
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(os.cpu_count()), "tests/unit"]
    print(f"ansible-core {core}, Python {sys.version_info[0]}.{sys.version_info[1]}", flush=True)
    return subprocess.run(tests, cwd=ROOT, env={**os.environ, **SETTINGS, "PYTHONPATH": str(packages)}).returncode


def main(asked: list[str]) -> int:
    for core in asked:
        if core not in CORES:
            sys.exit(f"ansible-core {core} is not one of {', '.join(CORES)}")
    can = runnable()
    for core in CORES.keys() - {*can} if not asked else {*asked} - {*can}:
        first, last = (f"{major}.{minor}" for major, minor in CORES[core])
        print(f"ansible-core {core} is not tried: it needs a Python from {first} to {last}", file=sys.stderr)
    codes = [unit_tests(core) for core in asked or can if core in can]
    return int(any(codes) or not {*asked} <= {*can})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
