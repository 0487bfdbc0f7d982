"""The roles' scenarios, each by molecule.

``SCENARIOS`` in the environment names some; ``KEEP=1`` leaves what they made.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .. import timeline
from ..steps import ROOT, run_step

SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))


@pytest.mark.parametrize("scenario", os.environ.get("SCENARIOS", "").split() or SCENARIOS)
def test_scenario(scenario: str) -> None:
    # Molecule makes an ansible.cfg of its own. Its working folder is by default the same for all checkouts of one name.
    folder = ROOT / ".cache" / "molecule" / scenario
    env = {"ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1", "PY_COLORS": "0", "MOLECULE_EPHEMERAL_DIRECTORY": str(folder)}
    keep = ["--destroy", "never"] if os.environ.get("KEEP") else []
    with timeline.playbook(f"molecule {scenario}") as phases:
        command = ["env", "-u", "ANSIBLE_CONFIG", "molecule", "test", "--scenario-name", scenario, *keep]
        run_step(f"molecule-{scenario}", command, env={**env, **phases}, cwd=Path(ROOT))
