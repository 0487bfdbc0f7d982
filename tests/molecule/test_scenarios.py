"""The roles' scenarios, each by molecule.

``SCENARIOS`` in the environment names some; ``KEEP=1`` leaves what they made.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .. import checkout, evidence, seed, timeline, warm_ansible
from ..steps import ROOT, run_step

SCENARIOS = sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
# For one that hangs. The longest brings up three machines from nothing and lets one die: 26 minutes on two busy CPUs.
LIMIT_SECONDS = 3600
# They bring up a swarm with a registry, which is not what they prove.
SEEDED = ("app", "monitoring", "proxy")


@pytest.mark.parametrize("scenario", os.environ.get("SCENARIOS", "").split() or SCENARIOS)
def test_scenario(scenario: str) -> None:
    prefix = checkout.name(scenario)
    with warm_ansible.stand_in() as programs:
        if evidence.left_by([prefix]):  # of a run that was killed
            molecule(programs, "destroy", scenario)
        # What molecule believes to be there is not.
        if folder_of(scenario).exists():
            shutil.rmtree(folder_of(scenario))
        if scenario in SEEDED:
            seed.plant(prefix)
        try:
            molecule(programs, "test", scenario, "--destroy", "never")
        except BaseException:
            evidence.collect(f"molecule-{scenario}", [prefix])
            raise
        finally:
            if not os.environ.get("KEEP"):
                molecule(programs, "destroy", scenario)
                assert evidence.left_by([prefix]) == []


def folder_of(scenario: str) -> Path:
    """Where molecule keeps what it knows of a scenario."""
    return ROOT / ".cache" / "molecule" / scenario


def molecule(programs: str, action: str, scenario: str, *arguments: str) -> None:
    # Molecule makes an ansible.cfg of its own. Its working folder is by default the same for all checkouts of one name.
    env = {"ANSIBLE_FORCE_COLOR": "0", "NO_COLOR": "1", "PY_COLORS": "0"}
    env["MOLECULE_EPHEMERAL_DIRECTORY"] = str(folder_of(scenario))
    env["PATH"] = f"{programs}:{os.environ['PATH']}"
    command = ["env", "-u", "ANSIBLE_CONFIG", "molecule", action, "--scenario-name", scenario, *arguments]
    with timeline.playbook(f"molecule {scenario}") as phases:
        name = f"molecule-{scenario}" + ("-destroy" if action == "destroy" else "")
        run_step(name, command, env={**env, **phases}, limit_seconds=LIMIT_SECONDS)
