#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_info
short_description: Nodes and services of a platform as its swarm sees them
version_added: 0.1.0
description:
  - Reads nodes, services and their running replicas from the first of the given managers that answers as one, and the
    recorded revisions of the stacks that M(fungap.swarm.swarm_stack) deployed.
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
  stacks_dir:
    description: The O(fungap.swarm.swarm_stack#module:path) that the stacks are deployed with. With it, RV(stacks)
      tells who changes one right now.
    type: path
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
stacks:
  description: By name, the stacks that have a record.
  returned: success
  type: dict
  contains:
    in_force:
      description: Number of the revision that ought to be running, V(0) when none ever ran.
      type: int
    revisions:
      description: Newest first, each with its C(number), C(when), C(who), C(why), C(kind), C(verdict), C(cause),
        C(images) by service, and C(release).
      type: list
      elements: dict
    drift:
      description: What was changed by hand since the deploy, a line each.
      type: list
      elements: str
    locked_by:
      description: Who changes the stack right now, empty when nobody does.
      type: str
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import runner
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine, answering_manager
from ansible_collections.fungap.swarm.plugins.module_utils.lock import holder
from ansible_collections.fungap.swarm.plugins.module_utils.model.stack import (
    NAMESPACE_LABEL,
    REVISION_LABEL,
    STACK_LABEL,
    Observed,
    Revision,
    parse_revision,
    parse_service,
)
from ansible_collections.fungap.swarm.plugins.module_utils.model.status import (
    node_row,
    revision_row,
    service_row,
    unwell,
)
from ansible_collections.fungap.swarm.plugins.module_utils.plan.stack import drift
from ansible_collections.fungap.swarm.plugins.module_utils.stack import lock_path


class Status:
    """A look at a swarm."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.sockets: list[str] = params["manager_sockets"]
        self.stacks_dir: str | None = params["stacks_dir"]
        self.wait_seconds: int = params["wait_seconds"]

    def plan(self) -> runner.Plan:
        """Read; there is never anything to do."""
        manager = answering_manager(
            self.sockets,
            timeout_seconds=10,
            otherwise=": run site.yml; if it was up before, look at the nodes' logs (docker logs <platform>-<node>)",
        )
        end = time.monotonic() + self.wait_seconds
        while True:
            seen = manager.swarm_services()
            members, tasks = manager.swarm_nodes(), manager.swarm_tasks()
            names = {node["ID"]: node["Description"]["Hostname"] for node in members}
            nodes = [node_row(node) for node in members]
            services = [service_row(service, tasks, names) for service in seen]
            if not unwell(nodes, services) or time.monotonic() >= end:
                break
            time.sleep(0.5)
        return runner.Plan(
            result={
                "nodes": sorted(nodes, key=lambda row: (row["role"], row["name"])),
                "services": sorted(services, key=lambda row: str(row["name"])),
                "stacks": self._stacks(manager, seen),
            }
        )

    def _stacks(self, manager: Engine, services: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        records: dict[str, list[Revision]] = {}
        for config in manager.swarm_items("config", STACK_LABEL):
            labels = config["Spec"].get("Labels") or {}
            if REVISION_LABEL in labels:
                records.setdefault(labels[STACK_LABEL], []).append(parse_revision(config))
        networks = {network["Id"]: network["Name"] for network in manager.swarm_networks()} if records else {}
        stacks = {}
        for name, revisions in sorted(records.items()):
            live = [
                parse_service(service, name, networks)
                for service in services
                if (service["Spec"].get("Labels") or {}).get(NAMESPACE_LABEL) == name
            ]
            in_force = Observed(revisions=revisions).in_force
            stacks[name] = {
                "in_force": in_force.number if in_force else 0,
                "revisions": [revision_row(one) for one in sorted(revisions, key=lambda one: -one.number)],
                "drift": [str(entry) for entry in drift(in_force, {service.name: service for service in live})],
                "locked_by": holder(lock_path(self.stacks_dir, name)) if self.stacks_dir else "",
            }
        return stacks

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        """Never called: a look has no actions."""
        return plan.result


def main() -> None:
    """Run the module."""
    runner.run(
        Status,
        {
            "manager_sockets": {"type": "list", "elements": "path", "required": True},
            "stacks_dir": {"type": "path"},
            "wait_seconds": {"type": "int", "default": 0},
        },
    )


if __name__ == "__main__":
    main()
