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
      tells who changes one right now, and
      whether there is anything to do.
    type: path
  keep:
    description: The O(fungap.swarm.swarm_stack#module:keep) that the stacks are deployed with.
    type: int
    default: 5
  wait_seconds:
    description: How long to wait for nodes that are not ready yet, and services whose replicas do not all run yet.
    type: int
    default: 0
  progress:
    description: Set by whoever follows the wait. The file in which is told what is not there yet.
    type: path
"""

EXAMPLES = r"""
- name: Look at the platform
  fungap.swarm.platform_info:
    manager_sockets: [/run/fungap/manager1/docker.sock]
  register: platform_now
"""

RETURN = r"""
cluster_id:
  description: The swarm's ID.
  returned: success
  type: str
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
    services:
      description: Running and wanted tasks by service.
      type: dict
    made_for:
      description: Whether the docker hosts had C(ipvs) when it was deployed, and the C(mtu) of its own networks.
      type: dict
    settled:
      description:
        - With O(stacks_dir), where nothing is left to do and every replica runs, a digest of what is deployed. For
          O(fungap.swarm.swarm_stack#module:seen).
      type: str
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import runner
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine, answering_manager
from ansible_collections.fungap.swarm.plugins.module_utils.lock import holder
from ansible_collections.fungap.swarm.plugins.module_utils.model.compose import made_for
from ansible_collections.fungap.swarm.plugins.module_utils.model.stack import (
    STACK_LABEL,
    compose_path,
    parse_stack,
    tasks_still_there,
)
from ansible_collections.fungap.swarm.plugins.module_utils.model.status import (
    node_row,
    revision_row,
    service_row,
    unwell,
)
from ansible_collections.fungap.swarm.plugins.module_utils.plan.stack import drift, no_action_fingerprint
from ansible_collections.fungap.swarm.plugins.module_utils.progress import Progress
from ansible_collections.fungap.swarm.plugins.module_utils.stack import lock_path, read_private


class Status:
    """A look at a swarm."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.sockets: list[str] = params["manager_sockets"]
        self.stacks_dir: str | None = params["stacks_dir"]
        self.keep: int = params["keep"]
        self.wait_seconds: int = params["wait_seconds"]
        self.progress = Progress(params["progress"])

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
            members = manager.swarm_nodes()
            tasks = tasks_still_there(manager.swarm_tasks(), members)
            names = {node["ID"]: node["Description"]["Hostname"] for node in members}
            nodes = [node_row(node) for node in members]
            services = [service_row(service, tasks, names) for service in seen]
            wrong = unwell(nodes, services)
            if not wrong or time.monotonic() >= end:
                break
            self.progress.tell("\n".join(wrong))
            time.sleep(0.5)
        return runner.Plan(
            result={
                "cluster_id": manager.cluster_id(),
                "nodes": sorted(nodes, key=lambda row: (row["role"], row["name"])),
                "services": sorted(services, key=lambda row: str(row["name"])),
                "stacks": self._stacks(manager, seen, services),
            }
        )

    def _stacks(
        self, manager: Engine, services: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        configs, secrets = manager.swarm_items("config", STACK_LABEL), manager.swarm_items("secret", STACK_LABEL)
        networks = manager.swarm_networks() if configs else []
        stacks = {}
        for name in sorted({config["Spec"]["Labels"][STACK_LABEL] for config in configs}):
            path = compose_path(self.stacks_dir, name) if self.stacks_dir else ""
            seen = parse_stack(
                name,
                configs=configs,
                secrets=secrets,
                services=services,
                networks=networks,
                file_text=read_private(path) if path else None,
            )
            if not seen.revisions:
                continue
            in_force = seen.in_force
            counts = {
                row["name"].removeprefix(f"{name}_"): {"running": row["running"], "wanted": row["wanted"]}
                for row in rows
                if row["name"].removeprefix(f"{name}_") in seen.services
            }
            locked_by = holder(lock_path(self.stacks_dir, name)) if self.stacks_dir else ""
            unlocked_and_complete = not locked_by and all(
                count["running"] == count["wanted"] for count in counts.values()
            )
            stacks[name] = {
                "in_force": in_force.number if in_force else 0,
                "revisions": [revision_row(one) for one in reversed(seen.revisions)],
                "drift": [str(entry) for entry in drift(in_force, seen.services)],
                "locked_by": locked_by,
                "services": counts,
                "made_for": made_for(in_force.compose) if in_force else {},
                "settled": no_action_fingerprint(seen, keep=self.keep) if unlocked_and_complete else "",
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
            "keep": {"type": "int", "default": 5},
            "wait_seconds": {"type": "int", "default": 0},
            "progress": {"type": "path"},
        },
    )


if __name__ == "__main__":
    main()
