#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_join_token
short_description: Rotate a swarm's join tokens
version_added: 1.0.0
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
description:
  - Makes the present join tokens worthless by new ones. Nodes that have joined stay.
  - Shows no token, neither old nor new.
options:
  rotate:
    description: Whose tokens are rotated.
    type: list
    elements: str
    choices: [worker, manager]
    default: [worker, manager]
extends_documentation_fragment:
  - fungap.swarm.docker.managers
attributes:
  check_mode:
    description: Says what would be rotated and does nothing.
    support: full
  diff_mode:
    description: A token is never shown.
    support: none
  idempotent:
    description: Each run rotates.
    support: none
seealso:
  - module: fungap.swarm.swarm_join_token_info
"""

EXAMPLES = r"""
- name: Rotate both tokens
  fungap.swarm.swarm_join_token:
    manager_sockets: [/run/fungap/manager1/docker.sock]

- name: Rotate the token for managers
  fungap.swarm.swarm_join_token:
    manager_sockets: [/run/fungap/manager1/docker.sock]
    rotate: [manager]
"""

RETURN = r"""
actions:
  description: What was rotated (or would be).
  returned: success
  type: list
  elements: str
  sample: [rotate the join token for workers]
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import MANAGERS
from ansible_collections.fungap.swarm.plugins.module_utils.member.join_token import Rotation


def main() -> None:
    """Run the module."""
    runner.run(
        Rotation,
        {
            **MANAGERS,
            "rotate": {
                "type": "list",
                "elements": "str",
                "choices": ["worker", "manager"],
                "default": ["worker", "manager"],
            },
        },
    )


if __name__ == "__main__":
    main()
