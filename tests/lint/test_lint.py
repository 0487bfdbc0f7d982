"""What tools say of the code without running it."""

from __future__ import annotations

import os

import pytest

from .. import warm_ansible
from ..steps import run_step

PROGRAMS = [
    *("bin/dashboards.py", "bin/docs.py", "bin/jenkins_sources.py", "bench/run.py", "bin/promises.py"),
    *("tests/run.py", "tests/conftest.py", "tests/affected.py", "tests/warm_ansible.py", "tests/images.py"),
    *("tests/load/client.py", "tests/vm/run.py", "tests/vm/ipvs.py"),
]
TOOLS = {
    "ansible-lint": ["ansible-lint", "--offline", "--nocolor"],
    "mypy": ["mypy"],
    "mypy tools": ["mypy", *PROGRAMS],
    # A test file that can't be imported is known in seconds, not when its turn comes.
    "collect": ["pytest", "--collect-only", "-q", "--noconftest", "tests"],
    "yamllint": ["yamllint", "--strict", "."],
    "changelog": ["antsibull-changelog", "lint"],
    "ruff check": ["ruff", "check", "--quiet", "."],
    "ruff format": ["ruff", "format", "--check", "--quiet", "."],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_lint(tool: str) -> None:
    # ansible-lint has Ansible check the syntax of each playbook and role, in a run for each.
    with warm_ansible.stand_in() as programs:
        path = f"{programs}:{os.environ['PATH']}"
        run_step(f"lint-{tool.replace(' ', '-')}", TOOLS[tool], env={"PATH": path}, gives_way=True)
