# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection as its users have it: built from the checkout, and installed in a folder of its own."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from pathlib import Path

from . import steps
from .steps import ROOT

run_step = partial(steps.run_step, gives_way=True)
# What docs/inventory.md tells users to have.
CONFIGURATION = """\
[defaults]
callback_result_format = yaml
internal_poll_interval = 0.005
inject_facts_as_vars = false
callbacks_enabled = fungap.swarm.phases, fungap.swarm.prefork
[connection]
pipelining = true
[inventory]
ignore_patterns = ^files$
"""


def install(folder: Path, stage: str, source: Path = ROOT) -> Path:
    """Build it and install it below a folder, with a configuration beside it; where it lies then.

    ``stage``: whose logs tell of it. ``source``: where its galaxy.yml is.
    """
    configuration = folder / "ansible.cfg"
    # The checkout's own would find the collection there already.
    configuration.write_text(CONFIGURATION)
    run_step(f"{stage}-build", ["ansible-galaxy", "collection", "build", "--force", "--output-path", folder, source])
    (archive,) = folder.glob("*.tar.gz")
    command = ["ansible-galaxy", "collection", "install", "--no-deps", "-p", folder, archive]
    run_step(f"{stage}-install", command, env={"ANSIBLE_CONFIG": str(configuration)})
    return folder / "ansible_collections" / "fungap" / "swarm"


def release_commit(version: str) -> str:
    """The commit that gave the collection this version; empty where the checkout has no such history."""
    changed = f"-G^version: {version.replace('.', '[.]')}$"
    command = ["git", "log", "--reverse", "--format=%H", changed, "--", "galaxy.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return next(iter(done.stdout.split()), "") if done.returncode == 0 else ""


def install_release(folder: Path, stage: str, commit: str) -> Path:
    """The same with the collection as it was released by a commit."""
    source = folder / "source"
    source.mkdir(parents=True)
    run_step(f"{stage}-archive", ["git", "archive", "--format=tar", f"--output={folder}/source.tar", commit])
    run_step(f"{stage}-unpack", ["tar", "-xf", folder / "source.tar", "-C", source])
    return install(folder, stage, source)


def environment(folder: Path) -> dict[str, str]:
    """With which Ansible finds what was installed there."""
    return {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder), "ANSIBLE_CONFIG": str(folder / "ansible.cfg")}


def playbook(path: str) -> str:
    """The name of a playbook of the collection, by its path in the checkout."""
    return f"fungap.swarm.{Path(path).stem}"
