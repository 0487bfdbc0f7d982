# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``agent_connection_info``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.jenkins.agent_connection import judge, parse_answers

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
            _code, output = Engine(self.params["docker_socket"]).containers.exec(
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
