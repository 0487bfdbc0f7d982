#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: app_volume_move
short_description: Stop an app where its volumes are, and start it where they have been brought
description:
  - A manager's part of a move, in steps. In between, M(fungap.swarm.app_volume_copy) copies the volumes. Behind it,
    M(fungap.swarm.app_volume) removes what was moved from the node that it was on.
  - All volumes of an app go together, since its services find them on one node.
  - No service is changed. The node's label C(leaving) lets swarm end the tasks, the label C(here) of the other node
    lets it start them there.
version_added: 1.1.0
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - The Docker SDK for Python on the docker host
attributes:
  check_mode:
    description: Says what V(begin) would do. The other steps need what it has done.
    support: full
  diff_mode:
    description: Shows which volume is on which node.
    support: full
  idempotent:
    description: A volume that is on the target is refused.
    support: none
options:
  step:
    description:
      - V(begin) judges whether the move is possible, and stops the app. V(finish) starts it on the target, and fails
        where it doesn't come up. V(undo) starts it where it was.
    type: str
    choices: [begin, finish, undo]
    required: true
  volume:
    description: The volume, by its full name, as V(wiki_uploads).
    type: str
    required: true
  target:
    description: The node that it is to be moved to.
    type: str
    required: true
  manager_socket:
    description: Unix socket of a manager's engine on this docker host.
    type: str
    required: true
  nodes:
    description: Nodes of this docker host.
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
  elsewhere:
    description: RV(fungap.swarm.app_volume#module:found) of calls on other docker hosts.
    type: dict
    default: {}
  begun:
    description: What V(begin) has returned, for the other steps.
    type: dict
    default: {}
  deadline_seconds:
    description: How long the app may take to come up.
    type: int
    default: 180
seealso:
  - module: fungap.swarm.app_volume
  - module: fungap.swarm.app_volume_copy
"""

EXAMPLES = r"""
- name: Stop the wiki where its uploads are
  fungap.swarm.app_volume_move:
    step: begin
    volume: wiki_uploads
    target: worker2
    manager_socket: /run/fungap/manager1/docker.sock
    nodes:
      - {name: worker1, socket: /run/fungap/worker1/docker.sock}
      - {name: worker2, socket: /run/fungap/worker2/docker.sock}
  register: begun
"""

RETURN = r"""
app:
  description: The app.
  returned: with O(step=begin)
  type: str
volumes:
  description: All of its volumes, by the names that it has for them.
  returned: with O(step=begin)
  type: list
  elements: str
source:
  description: The node that has them.
  returned: with O(step=begin)
  type: str
target:
  description: The node that is to have them.
  returned: with O(step=begin)
  type: str
running:
  description: How many tasks of each service ran before.
  returned: with O(step=begin)
  type: dict
since:
  description: When the app was stopped, in seconds since 1970.
  returned: with O(step=begin)
  type: float
stop_seconds:
  description: How long its containers may take to end.
  returned: with O(step=begin)
  type: float
problem:
  description: Why the app doesn't run where it was, though it is placed there again; empty where it does.
  returned: with O(step=undo)
  type: str
downtime_seconds:
  description: How long the app was away.
  returned: with O(step=finish) and O(step=undo)
  type: float
"""

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.move import Move
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run


def main() -> None:
    """Be the module."""
    node = {"name": {"type": "str", "required": True}, "socket": {"type": "str", "required": True}}
    run(
        Move,
        {
            "step": {"type": "str", "choices": ["begin", "finish", "undo"], "required": True},
            "volume": {"type": "str", "required": True},
            "target": {"type": "str", "required": True},
            "manager_socket": {"type": "str", "required": True},
            "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
            "elsewhere": {"type": "dict", "default": {}},
            "begun": {"type": "dict", "default": {}},
            "deadline_seconds": {"type": "int", "default": 180},
        },
    )


if __name__ == "__main__":
    main()
