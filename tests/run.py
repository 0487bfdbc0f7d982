# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run the stages of ``make test``: all, or those named as arguments. A stage is a folder of tests, run by pytest.

A path that pytest takes stands for a part of a stage. ``LANES`` in the environment: how many groups of tests run side
by side, by default one more than there are cores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAGES = (
    *("lint", "unit", "sanity", "engine"),
    *("integration", "molecule", "platform", "monitoring", "cicd", "load"),
)
# They make containers, folders in /run and the like.
NEED_ROOT = set(STAGES) - {"lint", "unit", "sanity"}
LIMIT_SECONDS = 4800


def stage_of(chosen: str) -> str:
    return chosen.split("/")[1] if chosen.startswith("tests/") else chosen


def command(chosen: Sequence[str], lanes: int) -> list[str]:
    """pytest for some stages. What needs an engine brings the stage along that starts it."""
    needed = ["engine"] if NEED_ROOT.intersection(map(stage_of, chosen)) else []
    folders = [one if "/" in one else f"tests/{one}" for one in dict.fromkeys([*needed, *chosen])]
    return [
        *(sys.executable, "-m", "pytest", "-q", "-ra", "--color=no", "--tb=short", "--show-capture=no"),
        *(f"--numprocesses={lanes}", "--dist=loadscope", "--no-loadscope-reorder", f"--timeout={LIMIT_SECONDS}"),
        *folders,
    ]


def main(stages: Sequence[str]) -> int:
    unknown = [name for name in stages if stage_of(name) not in STAGES]
    if unknown:
        print(f"no such stage: {', '.join(unknown)}; there are {', '.join(STAGES)}")
        return 2
    chosen = stages or STAGES
    lanes = int(os.environ.get("LANES") or (os.cpu_count() or 1) + 1)
    whole = command(chosen, lanes)
    if NEED_ROOT.intersection(map(stage_of, chosen)) and os.geteuid() != 0:
        whole = ["sudo", "--preserve-env", "--set-home", "env", f"PATH={os.environ['PATH']}", *whole]
    os.chdir(ROOT)
    return os.execvp(whole[0], whole)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
