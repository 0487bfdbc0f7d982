#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: app_volume
short_description: Have an app's volumes on one node, and its services placed there
description:
  - An app's volume lies on one node, which carries the node label C(fungap.volume.<app>.<volume>=here). Services that
    mount it are constrained to that label, so no task ever starts beside an empty volume of the same name.
  - The label decides where a volume is. Where there is none, the node that has the volume gets it. Where no node has it
    and nothing knows it, it is made, on a worker before a manager, and of these on the one with the fewest volumes. All
    volumes of an app are on one node.
  - A volume that was there once and is nowhere is refused as lost. So is one of that name that nothing shows to be the
    app's.
  - What a killed move has left is put in order, from the labels.
version_added: 1.1.0
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - The Docker SDK for Python on the docker host
attributes:
  check_mode:
    description: Says what it would do.
    support: full
  diff_mode:
    description: Shows which volume is on which node.
    support: full
  idempotent:
    description: Does nothing where the volumes are on a node that says so.
    support: full
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
  state:
    description: >-
      Whether they are to be there. With V(absent) they are removed with what is in them, which is refused as long as a
      service mounts one.
    type: str
    choices: [present, absent]
    default: present
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
  manager_socket:
    description: >-
      Unix socket of a manager's engine on this docker host. Without it nothing is decided: the call tells what the
      nodes have, and does what O(todo) says.
    type: str
    default: ""
  elsewhere:
    description: RV(found) of the calls on other docker hosts.
    type: dict
    default: {}
  todo:
    description: >-
      RV(todo) of the call with the manager. Of it, what is of these nodes is done. C(copies_from) of a node, with the
      name of another one, removes the copies that a move from that one has made.
    type: dict
    default: {}
  constraints:
    description: The placement constraints of all services that mount one of the volumes.
    type: list
    elements: str
    default: []
  begun:
    description: Volumes that the app's revisions know. They had data once. So had those that a service mounts.
    type: list
    elements: str
    default: []
  anew:
    description: Volumes that may begin empty all the same, by their full names, as V(wiki_uploads).
    type: list
    elements: str
    default: []
seealso:
  - module: fungap.swarm.app_volume_move
  - module: fungap.swarm.env_volume
"""

EXAMPLES = r"""
- name: Have the wiki's uploads on a node
  fungap.swarm.app_volume:
    app: wiki
    volumes: [uploads]
    nodes:
      - {name: manager1, socket: /run/fungap/manager1/docker.sock}
      - {name: worker1, socket: /run/fungap/worker1/docker.sock}
    manager_socket: /run/fungap/manager1/docker.sock
"""

RETURN = r"""
home:
  description: The node that has the volumes; empty without a manager.
  returned: success
  type: str
  sample: worker1
found:
  description: The app's volumes on these nodes, by node and name, each with C(is_ours) and C(moved_from).
  returned: success
  type: dict
  sample: {worker1: {uploads: {is_ours: true, moved_from: ""}}}
todo:
  description: >-
    What other docker hosts' calls have to do first, by node, with the volumes to C(create) and to C(discard). Then this
    call is to be made again.
  returned: success
  type: dict
  sample: {}
"""

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.operation import AppVolumes
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run


def main() -> None:
    """Be the module."""
    node = {"name": {"type": "str", "required": True}, "socket": {"type": "str", "required": True}}
    names = {"type": "list", "elements": "str", "default": []}
    run(
        AppVolumes,
        {
            "app": {"type": "str", "required": True},
            "volumes": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
            "manager_socket": {"type": "str", "default": ""},
            "elsewhere": {"type": "dict", "default": {}},
            "todo": {"type": "dict", "default": {}},
            "constraints": names,
            "begun": names,
            "anew": names,
        },
    )


if __name__ == "__main__":
    main()
