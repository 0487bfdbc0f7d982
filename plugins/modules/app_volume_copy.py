#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: app_volume_copy
short_description: Copy an app's volumes from one node to another, and prove it
description:
  - Reads and writes through the nodes' engines, with owners, modes and times, once no container that runs has the
    volumes any more. What has arrived is read again, and its SHA-256 compared with the source's.
  - With O(source_socket) and O(target_socket) on one docker host, the content goes from one engine to the other.
    Between two docker hosts it takes two tasks, the first without a target, the second without a source; it goes
    through a file in the controller's own temporary folder, which is gone with the run.
  - A volume of that name on the target is replaced if a move from the same node has left it, and refused otherwise.
version_added: 1.1.0
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - The Docker SDK for Python on the docker host
attributes:
  check_mode:
    description: Says what it would copy.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: It copies again.
    support: none
options:
  app:
    description: Name of the app.
    type: str
    required: true
  volumes:
    description: The app's volumes, by the names that it has for them.
    type: list
    elements: str
    required: true
  moved_from:
    description: The node that they come from, which the copies' labels say.
    type: str
    required: true
  source_socket:
    description: Unix socket of the engine that has them.
    type: str
    default: ""
  target_socket:
    description: Unix socket of the engine that is to have them.
    type: str
    default: ""
  digests:
    description: RV(digests) of the task that has read them, for the one that writes them.
    type: dict
    default: {}
  stop_seconds:
    description: How long containers that have a volume may take to end.
    type: float
    default: 60
  temporary:
    description: A folder on the docker host; given by the action plugin.
    type: str
    default: ""
seealso:
  - module: fungap.swarm.app_volume_move
"""

EXAMPLES = r"""
- name: Copy the wiki's uploads to worker2
  fungap.swarm.app_volume_copy:
    app: wiki
    volumes: [uploads]
    moved_from: worker1
    source_socket: /run/fungap/worker1/docker.sock
    target_socket: /run/fungap/worker2/docker.sock
"""

RETURN = r"""
digests:
  description: The SHA-256 of all that each volume holds, by its name.
  returned: success
  type: dict
bytes:
  description: How much the files in them hold.
  returned: success
  type: int
"""

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.copy import Copy
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run


def main() -> None:
    """Be the module."""
    text = {"type": "str", "default": ""}
    run(
        Copy,
        {
            "app": {"type": "str", "required": True},
            "volumes": {"type": "list", "elements": "str", "required": True},
            "moved_from": {"type": "str", "required": True},
            "source_socket": text,
            "target_socket": text,
            "digests": {"type": "dict", "default": {}},
            "stop_seconds": {"type": "float", "default": 60},
            "temporary": text,
        },
    )


if __name__ == "__main__":
    main()
