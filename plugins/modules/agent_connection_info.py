#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: agent_connection_info
short_description: Prove that Jenkins' agent gets through to the hosts that it deploys to
version_added: 1.0.0
description:
  - Runs C(ansible -b -m ping) in the agent's container, as the user that builds run as, with the inventory, key and
    pinned host keys that they use. So it takes the way of a deploy, before the first one.
  - Fails where a host isn't reached, with cause and cure for each. Changes nothing.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Does the same, since nothing is changed.
  diff_mode:
    support: none
    description: There is nothing to show.
  idempotent:
    support: full
    description: Nothing is changed.
options:
  container:
    description: The agent's container.
    type: str
    required: true
  user:
    description: The user that builds run as.
    type: str
    default: jenkins
  hosts:
    description: The hosts, by their names in the inventory.
    type: list
    elements: str
    required: true
  environment:
    description: What builds find in their environment. Nothing secret.
    type: dict
    default: {}
  timeout_seconds:
    description: How long a host may take to answer.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: Prove the agent's connection
  fungap.swarm.agent_connection_info:
    container: fungap-jenkins-agent
    hosts: [vm1]
"""

RETURN = r"""
reached:
  description: The hosts that answered.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.jenkins.agent_connection_info import AgentConnection


def main() -> None:
    """Run the module."""
    runner.run(
        AgentConnection,
        {
            **DOCKER,
            "container": {"type": "str", "required": True},
            "user": {"type": "str", "default": "jenkins"},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "environment": {"type": "dict", "default": {}},
            "timeout_seconds": {"type": "int", "default": 20},
        },
    )


if __name__ == "__main__":
    main()
