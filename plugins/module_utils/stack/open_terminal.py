# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``stack_terminal``: finds a replica that runs, and remembers who goes into it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import answering_manager
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    STACK_LABEL,
    parse_node,
    parse_stack,
    parse_task,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.replica import replica_of
from ansible_collections.fungap.swarm.plugins.module_utils.stack.run_once import remember, words_of


class StackTerminal:
    """One session. ``params``: the module's."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.stack: str = params["stack"]

    def plan(self) -> runner.Plan:
        self.engine = answering_manager(self.params["manager_sockets"], timeout_seconds=60, otherwise="")
        command = words_of(self.params["command"])
        name = f"{self.stack}_{self.params['service']}"
        services = {one["Spec"]["Name"]: one["ID"] for one in self.engine.services.of_stack(self.stack)}
        if name not in services:
            there = ", ".join(sorted(one.removeprefix(f"{self.stack}_") for one in services)) or "none"
            raise PlatformError(f"stack {self.stack} has no service {self.params['service']}; there are: {there}")
        tasks = [parse_task(task) for task in self.engine.services.tasks_of_stack(self.stack)]
        nodes = {node.id: node.name for node in map(parse_node, self.engine.swarm.nodes()) if node.ready}
        own = [task for task in tasks if task.service_id == services[name]]
        self.replica = replica_of(self.params["service"], own, nodes, self.params["replica"] or "")
        self.said = shlex.join(command)
        result = {"node": self.replica.node, "container": self.replica.container, "replica": self.replica.name}
        action = f"open a terminal in {self.replica.name} on {self.replica.node}: {self.said}"
        return runner.Plan(actions=[action], result={**result, "command": command})

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        records = self.engine.swarm.items("config", f"{STACK_LABEL}={self.stack}")
        seen = parse_stack(self.stack, configs=records, secrets=(), services=(), networks=(), file_text=None)
        content = {
            "who": self.params["who"] or "",
            "why": self.params["why"] or "",
            "what": f"terminal: {self.said}",
            "revision": seen.in_force.number if seen.in_force else "",
            "seconds": 0,
            "detail": f"opened in {self.replica.name} on {self.replica.node}",
        }
        remember(self.engine, self.stack, time.time(), content)
        return plan.result
