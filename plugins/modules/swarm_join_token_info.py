#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_join_token_info
short_description: Read a swarm's join tokens and what its managers know
version_added: 1.0.0
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
description:
  - Returns everything that M(fungap.swarm.swarm_member) needs to bring in nodes whose engines are on another machine
    than the managers'.
  - The only place of this collection that returns tokens. Give the task C(no_log=true).
  - None of the managers being in a live swarm is no error, RV(live) says so.
options:
  tokens:
    description: Whether to return the tokens (and the unlock key of a swarm with autolock).
    type: bool
    default: true
  stacks_dir:
    description: As O(fungap.swarm.swarm_member#module:stacks_dir), for RV(loss).
    type: path
  remembered:
    description: As O(fungap.swarm.swarm_member#module:remembered), for RV(loss).
    type: list
    elements: dict
    default: []
  begin_anew:
    description: As O(fungap.swarm.swarm_member#module:begin_anew), for RV(loss).
    type: str
    default: ""
extends_documentation_fragment:
  - fungap.swarm.docker.managers
attributes:
  check_mode:
    description: Reads only.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
  idempotent:
    description: Reads only.
    support: full
seealso:
  - module: fungap.swarm.swarm_member
"""

EXAMPLES = r"""
- name: Read what other machines need to join
  fungap.swarm.swarm_join_token_info:
    manager_sockets: [/run/fungap/manager1/docker.sock]
  register: swarm
  no_log: true
"""

RETURN = r"""
live:
  description: Whether a manager of a live swarm answered.
  returned: success
  type: bool
cluster_id:
  description: ID of the swarm, empty when none is live.
  returned: success
  type: str
loss:
  description: >-
    What the live swarm lacks of what it was known to hold, in words for an operator; or why that can't be told. Empty
    when nothing.
  returned: success
  type: str
holders:
  description: >-
    Without a live swarm, the managers that have the data of one on their disks, each with C(socket) and C(cluster_id),
    which may be empty.
  returned: success
  type: list
  elements: dict
log:
  description: >-
    How far the data of that holder goes which has all that the others have: the term and the index of the last raft
    entry that was agreed on, and of the last at all. Empty where it can't be told.
  returned: success
  type: list
  elements: list
  sample: [[2, 31], [2, 32]]
silent:
  description: Without a live swarm, the sockets of the managers that gave no answer.
  returned: success
  type: list
  elements: str
socket:
  description: Socket of the manager that answered, empty when none did.
  returned: success
  type: str
remote_addrs:
  description: Addresses of the managers that answer, to join through.
  returned: success
  type: list
  elements: str
  sample: ["172.30.0.11:2377"]
nodes:
  description: The managers' list of nodes.
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
tokens:
  description: The join tokens, by role. Empty without a live swarm or with O(tokens=false).
  returned: success
  type: dict
  contains:
    worker:
      description: The token for workers.
      type: str
    manager:
      description: The token for managers.
      type: str
unlock_key:
  description: Key for locked managers; empty without autolock or with O(tokens=false).
  returned: success
  type: str
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import MANAGERS
from ansible_collections.fungap.swarm.plugins.module_utils.member.join_token_info import JoinTokens


def main() -> None:
    """Run the module."""
    runner.run(
        JoinTokens,
        {
            **MANAGERS,
            "tokens": {"type": "bool", "default": True, "no_log": False},
            "stacks_dir": {"type": "path"},
            "remembered": {"type": "list", "elements": "dict", "default": []},
            "begin_anew": {"type": "str", "default": ""},
        },
    )


if __name__ == "__main__":
    main()
