#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: agent_connection_info
short_description: Prove that Jenkins' agent gets through to the hosts that it deploys to
version_added: 0.1.0
description:
  - Runs C(ansible -b -m ping) in the agent's container, as the user that builds run as, with the inventory, key and
    pinned host keys that they use. So it takes the way of a deploy, before the first one.
  - Fails where a host isn't reached, with cause and cure for each. Changes nothing.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
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
  docker_socket:
    description: Unix socket of the engine that the agent's container runs on.
    type: path
    default: /var/run/docker.sock
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

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import runner
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.plan.agent_connection import judge, parse_answers

# Where the image jenkins-agent has Ansible; its SSH server says so to builds.
ENVIRONMENT = {
    "PATH": "/opt/fungap/.venv/bin:/usr/local/bin:/usr/bin:/bin",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    "ANSIBLE_FORCE_COLOR": "0",
    "LC_ALL": "C.UTF-8",
    # Not by a connection that a build has left open.
    "ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none",
}


class AgentConnection:
    """Looks, and never acts."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def plan(self) -> runner.Plan:
        hosts = self.params["hosts"]
        if hosts:
            timeout = self.params["timeout_seconds"]
            command = ["ansible", ":".join(hosts), "-b", "-m", "ansible.builtin.ping", "-T", str(timeout)]
            _code, output = Engine(self.params["docker_socket"]).run_in_container(
                self.params["container"],
                command,
                user=self.params["user"],
                environment={**self.params["environment"], **ENVIRONMENT},
                timeout_seconds=timeout * len(hosts) + 60,
            )
            judge(parse_answers(output, hosts))
        return runner.Plan(result={"reached": hosts})

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:  # noqa: ARG002  there is nothing to do
        return {}


def main() -> None:
    """Run the module."""
    runner.run(
        AgentConnection,
        {
            "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
            "container": {"type": "str", "required": True},
            "user": {"type": "str", "default": "jenkins"},
            "hosts": {"type": "list", "elements": "str", "required": True},
            "environment": {"type": "dict", "default": {}},
            "timeout_seconds": {"type": "int", "default": 20},
        },
    )


if __name__ == "__main__":
    main()
