#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_member
short_description: Bring nodes into a Docker swarm, or out of it
version_added: 1.0.0
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
description:
  - Brings each node into the wanted state (manager, worker, absent), whatever state its engine is in - fresh, pending,
    in error, locked, in a dead or foreign swarm, known to the managers by a ghost of the same name, advertised at
    another address - and sets its labels and availability.
  - One call serves all nodes whose engines can be reached from one machine. Managers are brought in one after another,
    workers at the same time.
  - A node that is right already is not written to.
  - Where the managers run on another machine, M(fungap.swarm.swarm_join_token_info) reads there what O(join_tokens),
    O(remote_addrs) and O(swarm_nodes) need; then a call on the managers' machine with O(manager_sockets), naming the
    nodes without a socket, sets roles, labels and availability and removes ghosts.
options:
  nodes:
    description: The nodes. Without a socket only what a manager can do is done for a node.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node, by default also its name in the swarm.
        type: str
        required: true
      hostname:
        description:
          - Name of the node in the swarm, needed when it has no O(nodes[].socket) and its host name isn't
            O(nodes[].name).
        type: str
      state:
        description: What the node is to be. V(absent) drains it, lets it leave and takes it off the managers' list.
        type: str
        choices: [manager, worker, absent]
        default: worker
      socket:
        description: Path of the unix socket of the node's engine.
        type: path
      address:
        description:
          - IP address that the node advertises. When it differs from the advertised one, a worker leaves and joins
            again, one of several managers is demoted, leaves and joins again, and the only manager restarts the swarm
            from itself (the swarm's raft data keeps its former address then, which Docker offers no way to change; a
            warning says so).
        type: str
      data_path_address:
        description: IP address for the traffic of overlay networks, by default O(nodes[].address).
        type: str
      labels:
        description:
          - Exactly the node's labels; an empty value is a value. Labels that start with C(fungap.env.) belong to
            C(fungap.swarm.env_volume) and are left alone.
          - Without this option labels are left as they are.
        type: dict
      availability:
        description: Whether the node takes tasks. Without this option it is left as it is.
        type: str
        choices: [active, pause, drain]
      bootstrap:
        description: Whether this manager may start a new swarm when no manager is in a live one.
        type: bool
        default: false
  manager_sockets:
    description: Unix sockets of further managers on this machine, through which the swarm can be managed.
    type: list
    elements: path
    default: []
  join_tokens:
    description: Tokens for a swarm whose managers can't be reached from this machine.
    type: dict
    suboptions:
      worker:
        description: The token for workers.
        type: str
      manager:
        description: The token for managers.
        type: str
  remote_addrs:
    description: Addresses of managers of that swarm, C(host:2377).
    type: list
    elements: str
    default: []
  swarm_nodes:
    description:
      - The nodes of that swarm, as RV(fungap.swarm.swarm_join_token_info#module:nodes).
      - Roles are left to the docker host that they come from.
    type: list
    elements: dict
  cluster_id:
    description:
      - The ID of that swarm, as RV(fungap.swarm.swarm_join_token_info#module:cluster_id).
      - An engine that has a manager's data of it may leave, as another manager has that.
    type: str
    default: ""
  settings:
    description: Settings of the swarm.
    type: dict
    default: {}
    suboptions:
      default_addr_pool:
        description: Subnets that overlay networks are cut from. Fixed when the swarm is made.
        type: list
        elements: str
        default: [10.100.0.0/16]
      subnet_size:
        description: Prefix length of each overlay network. Fixed when the swarm is made.
        type: int
        default: 24
      data_path_port:
        description: UDP port of the overlay networks. Fixed when the swarm is made.
        type: int
        default: 4789
      task_history_limit:
        description: How many old tasks of each replica are kept. Left as it is by default.
        type: int
      cert_expiry_days:
        description: For how long node certificates are valid. Left as it is by default.
        type: int
      autolock:
        description: Whether a manager that restarts needs the unlock key. Left as it is by default.
        type: bool
  unlock_key:
    description: Key for managers that are locked.
    type: str
  prune:
    description: Whether nodes that the swarm lists and O(nodes) doesn't name are drained and removed.
    type: bool
    default: false
  drain:
    description: Whether a node that goes is drained first, so that its tasks are replaced elsewhere and end in peace.
    type: bool
    default: true
  volumes_left:
    description:
      - Volumes of apps, as V(wiki_uploads), that may stay behind on a node that goes, is drained, or has a blank engine
        by now. Without it, none of these is done to a node that has volumes of apps.
    type: list
    elements: str
    default: []
  dissolve:
    description:
      - Whether the last manager may leave too. The swarm ends with it. So it does where an engine leaves that can't
        make use of its swarm's data, which no other manager is known to have.
    type: bool
    default: false
  recover_quorum:
    description:
      - Whether a manager that lost the majority of the managers for good may start again as the only one, with the
        swarm's data. Of several, the one whose copy has all that the others have; where that can't be told, none.
    type: bool
    default: false
  stacks_dir:
    description:
      - The O(fungap.swarm.swarm_stack#module:path) that stacks are deployed with from this machine. What they had in
        force is remembered there. A swarm that holds less has lost its data, and is not filled anew without a word.
    type: path
  remembered:
    description:
      - What the controller remembers to be in force, as RV(fungap.swarm.preflight#module:ansible_facts) has it. It
        counts where the docker host remembers nothing.
    type: list
    elements: dict
    default: []
  begin_anew:
    description:
      - The ID of the swarm whose loss is known, as the refusal names it. What is remembered of it is forgotten then.
    type: str
    default: ""
  deadline_seconds:
    description: For how long each step, and a node that is just coming back, is waited for.
    type: int
    default: 60
attributes:
  check_mode:
    description: Says what would be done and does nothing.
    support: full
  diff_mode:
    description: Shows state, role, availability and labels of each node before and after.
    support: full
  idempotent:
    description: A second run changes nothing and writes nothing.
    support: full
seealso:
  - module: fungap.swarm.swarm_join_token_info
  - module: fungap.swarm.swarm_join_token
"""

EXAMPLES = r"""
- name: Make one manager and two workers a swarm
  fungap.swarm.swarm_member:
    nodes:
      - name: manager1
        state: manager
        socket: /run/fungap/manager1/docker.sock
        address: 172.30.0.11
        bootstrap: true
      - {name: worker1, socket: /run/fungap/worker1/docker.sock, address: 172.30.0.21, labels: {disk: ssd}}
      - {name: worker2, socket: /run/fungap/worker2/docker.sock, address: 172.30.0.22, availability: active}

- name: Take a worker away
  fungap.swarm.swarm_member:
    nodes:
      - {name: worker2, state: absent, socket: /run/fungap/worker2/docker.sock}
    manager_sockets: [/run/fungap/manager1/docker.sock]

- name: Join a node to a swarm whose managers run elsewhere
  fungap.swarm.swarm_member:
    nodes:
      - {name: worker3, socket: /run/docker.sock, address: 192.0.2.13}
    join_tokens: "{{ swarm.tokens }}"
    remote_addrs: "{{ swarm.remote_addrs }}"
    swarm_nodes: "{{ swarm.nodes }}"
  no_log: true
"""

RETURN = r"""
actions:
  description: What was done (or would be), in order.
  returned: success
  type: list
  elements: str
  sample: [start a swarm on manager1, join worker1 as worker]
cluster_id:
  description: ID of the swarm; empty where no manager can be reached, and in check mode while there is no swarm.
  returned: success
  type: str
nodes:
  description: The managers' list afterwards (in check mode, as it is).
  returned: success
  type: list
  elements: dict
  sample:
    - id: iyjxbcuhkj1kwqkdd44v0bh1i
      hostname: worker1
      role: worker
      availability: active
      state: ready
      address: 172.30.0.21
      labels: {disk: ssd}
      manager_address: ""
      reachable: false
      leader: false
      created: "2026-01-01T00:00:00Z"
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    AVAILABILITIES,
    STATES,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.operation import Members


def main() -> None:
    """Run the module."""
    runner.run(
        Members,
        {
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "hostname": {"type": "str"},
                    "state": {"type": "str", "choices": list(STATES), "default": "worker"},
                    "socket": {"type": "path"},
                    "address": {"type": "str"},
                    "data_path_address": {"type": "str"},
                    "labels": {"type": "dict"},
                    "availability": {"type": "str", "choices": list(AVAILABILITIES)},
                    "bootstrap": {"type": "bool", "default": False},
                },
            },
            "manager_sockets": {"type": "list", "elements": "path", "default": []},
            "stacks_dir": {"type": "path"},
            "remembered": {"type": "list", "elements": "dict", "default": []},
            "begin_anew": {"type": "str", "default": ""},
            "join_tokens": {
                "type": "dict",
                "no_log": False,
                "options": {
                    "worker": {"type": "str", "no_log": True},
                    "manager": {"type": "str", "no_log": True},
                },
            },
            "remote_addrs": {"type": "list", "elements": "str", "default": []},
            "swarm_nodes": {"type": "list", "elements": "dict"},
            "cluster_id": {"type": "str", "default": ""},
            "settings": {
                "type": "dict",
                "default": {},
                "options": {
                    "default_addr_pool": {"type": "list", "elements": "str", "default": ["10.100.0.0/16"]},
                    "subnet_size": {"type": "int", "default": 24},
                    "data_path_port": {"type": "int", "default": 4789},
                    "task_history_limit": {"type": "int"},
                    "cert_expiry_days": {"type": "int"},
                    "autolock": {"type": "bool"},
                },
            },
            "unlock_key": {"type": "str", "no_log": True},
            "prune": {"type": "bool", "default": False},
            "drain": {"type": "bool", "default": True},
            "volumes_left": {"type": "list", "elements": "str", "default": []},
            "dissolve": {"type": "bool", "default": False},
            "recover_quorum": {"type": "bool", "default": False},
            "deadline_seconds": {"type": "int", "default": 60},
        },
    )


if __name__ == "__main__":
    main()
