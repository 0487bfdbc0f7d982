#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: env_volume_info
short_description: Read versions of an app's env file from the nodes that hold them
description:
  - Reads what M(fungap.swarm.env_volume) wrote, on one docker host, so that it can be brought to the nodes of another.
  - Returns what the env files say. Give the task C(no_log=true). That hides messages, too, so what can't be read is no
    error here; RV(files) says why, and copying it fails with that.
version_added: 1.0.0
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - The Docker SDK for Python on the docker host
attributes:
  check_mode:
    description: Reads only. A container is created for it, never started, and removed at once.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: Reads only.
    support: full
options:
  app:
    description: Name of the app.
    type: str
    required: true
  versions:
    description: The versions to read.
    type: list
    elements: str
    required: true
  nodes:
    description: Nodes of this docker host that may hold them. Each version is read from the first one that does.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node in the swarm.
        type: str
        required: true
      socket:
        description: Path of the unix socket of its engine.
        type: str
        required: true
seealso:
  - module: fungap.swarm.env_volume
"""

EXAMPLES = r"""
- name: Read a version of web's env file
  fungap.swarm.env_volume_info:
    app: web
    versions: [4a1f6f2c9b3e]
    nodes:
      - {name: worker1, socket: /run/fungap/worker1/docker.sock}
  no_log: true
  register: found
"""

RETURN = r"""
files:
  description: >-
    One entry for each version, with C(version), C(node), and either C(problem), or C(name), C(content) in base64,
    C(owner), C(mode), C(user), C(created), C(image) and C(target). For O(fungap.swarm.env_volume#module:copies).
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.info import EnvFiles


def main() -> None:
    """Be the module."""
    node = {"name": {"type": "str", "required": True}, "socket": {"type": "str", "required": True}}
    run(
        EnvFiles,
        {
            "app": {"type": "str", "required": True},
            "versions": {"type": "list", "elements": "str", "required": True},
            "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
        },
    )


if __name__ == "__main__":
    main()
