#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_info
short_description: Nodes and services of a platform as its swarm sees them
version_added: 0.1.0
description:
  - Reads nodes, services and their running replicas from the first of the given managers that answers as one.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Only reads.
  idempotent:
    support: full
    description: Only reads.
options:
  manager_sockets:
    description: Unix sockets of managers' engines on this docker host.
    type: list
    elements: path
    required: true
  wait_seconds:
    description: How long to wait for nodes that are not ready yet, and services whose replicas do not all run yet.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Look at the platform
  fungap.swarm.platform_info:
    manager_sockets: [/run/fungap/manager1/docker.sock]
  register: platform_now
"""

RETURN = r"""
nodes:
  description: Nodes, sorted by role and name.
  returned: success
  type: list
  elements: dict
  sample: [{name: manager1, role: manager, state: ready, availability: active, address: 172.30.0.11, leader: true}]
services:
  description: Services, sorted by name, with the number of replicas that run and that are wanted.
  returned: success
  type: list
  elements: dict
  sample: [{name: web_web, mode: replicated, running: 3, wanted: 3}]
"""

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import runner
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.status import node_row, service_row, unwell


class Status:
    """A look at a swarm."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.sockets: list[str] = params["manager_sockets"]
        self.wait_seconds: int = params["wait_seconds"]

    def plan(self) -> runner.Plan:
        """Read; there is never anything to do."""
        manager = self._manager()
        end = time.monotonic() + self.wait_seconds
        while True:
            members, tasks = manager.swarm_nodes(), manager.swarm_tasks()
            names = {node["ID"]: node["Description"]["Hostname"] for node in members}
            nodes = [node_row(node) for node in members]
            services = [service_row(service, tasks, names) for service in manager.swarm_services()]
            if not unwell(nodes, services) or time.monotonic() >= end:
                break
            time.sleep(0.5)
        return runner.Plan(
            result={
                "nodes": sorted(nodes, key=lambda row: (row["role"], row["name"])),
                "services": sorted(services, key=lambda row: str(row["name"])),
            }
        )

    def _manager(self) -> Engine:
        for socket in self.sockets:
            engine = Engine(socket, connect=False, timeout_seconds=10)
            if engine.is_answering() and engine.info()["Swarm"]["ControlAvailable"]:
                return engine
        raise PlatformError(
            f"no engine answers as a manager of a swarm on {', '.join(self.sockets) or 'this host (no socket given)'}: "
            "run site.yml; if it was up before, look at the nodes' logs (docker logs <platform>-<node>)"
        )

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        """Never called: a look has no actions."""
        return plan.result


def main() -> None:
    """Run the module."""
    runner.run(
        Status,
        {
            "manager_sockets": {"type": "list", "elements": "path", "required": True},
            "wait_seconds": {"type": "int", "default": 0},
        },
    )


if __name__ == "__main__":
    main()
