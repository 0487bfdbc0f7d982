# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection as its users have it: built from the checkout, and installed in a folder of its own."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from . import steps

run_step = partial(steps.run_step, gives_way=True)
# What docs/inventory.md tells users to have.
CONFIGURATION = """\
[defaults]
callback_result_format = yaml
internal_poll_interval = 0.005
inject_facts_as_vars = false
callbacks_enabled = fungap.swarm.phases
[connection]
pipelining = true
[inventory]
ignore_patterns = ^files$
"""


def install(folder: Path, stage: str) -> Path:
    """Build it and install it below a folder, with a configuration beside it; where it lies then.

    ``stage``: whose logs tell of it.
    """
    configuration = folder / "ansible.cfg"
    # The checkout's own would find the collection there already.
    configuration.write_text(CONFIGURATION)
    run_step(f"{stage}-build", ["ansible-galaxy", "collection", "build", "--force", "--output-path", folder])
    (archive,) = folder.glob("*.tar.gz")
    command = ["ansible-galaxy", "collection", "install", "--no-deps", "-p", folder, archive]
    run_step(f"{stage}-install", command, env={"ANSIBLE_CONFIG": str(configuration)})
    return folder / "ansible_collections" / "fungap" / "swarm"


def environment(folder: Path) -> dict[str, str]:
    """With which Ansible finds what was installed there."""
    return {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(folder), "ANSIBLE_CONFIG": str(folder / "ansible.cfg")}


def playbook(path: str) -> str:
    """The name of a playbook of the collection, by its path in the checkout."""
    return f"fungap.swarm.{Path(path).stem}"
