#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_logs
short_description: Print the logs of a stack's services
version_added: 0.1.0
description:
  - Reads what the tasks of a stack have logged on whatever node, puts it in order of time, and prints it on the
    controller with each line's task and node.
  - What has ended is there too, as long as swarm remembers the task and the engine has its container.
author: The fungap.swarm authors (@fungap)
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
  stack:
    description: Name of the stack; an app is one.
    type: str
    required: true
  service:
    description: One service of it. By default all.
    type: str
  manager_sockets:
    description: Unix sockets of managers' engines on this docker host; the first that answers is asked.
    type: list
    elements: path
    required: true
  since:
    description: How far back, as V(10m) or V(1h30m). By default as far as there is anything.
    type: str
  lines:
    description: How many lines at most, the latest.
    type: int
    default: 200
  timeout_seconds:
    description: How long to wait for nodes that do not answer.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: Show what the app web has said within the last ten minutes
  fungap.swarm.stack_logs:
    stack: web
    since: 10m
    manager_sockets: [/run/fungap/manager1/docker.sock]
"""

RETURN = r"""
lines:
  description: The oldest first.
  returned: success
  type: list
  elements: dict
  sample: [{when: "2026-11-22T15:00:00.123456789Z", task: web.1, node: worker1, text: listening on 3000}]
"""

import time
from collections.abc import Mapping
from dataclasses import asdict
from threading import Thread
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import runner
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine, answering_manager
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.logs import (
    latest,
    parse_duration,
    parse_line,
    task_names,
)
from ansible_collections.fungap.swarm.plugins.module_utils.model.stack import NAMESPACE_LABEL


class StackLogs:
    """A look at the logs."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.since = int(time.time()) - parse_duration(params["since"]) if params["since"] else 0

    def plan(self) -> runner.Plan:
        """Read; there is never anything to do."""
        manager = answering_manager(self.params["manager_sockets"], timeout_seconds=10, otherwise="")
        self.socket = manager.socket
        services = self._services(manager)
        nodes = {node["ID"]: node["Description"]["Hostname"] for node in manager.swarm_nodes()}
        tasks = task_names(services, manager.swarm_tasks(), nodes)
        raw, warnings = self._read([service["ID"] for service in services])
        parsed = (parse_line(line, tasks, nodes) for line in raw)
        lines = latest((line for line in parsed if line), self.params["lines"])
        return runner.Plan(result={"lines": [asdict(line) for line in lines]}, warnings=warnings)

    def _services(self, manager: Engine) -> list[dict[str, Any]]:
        stack, wanted = self.params["stack"], self.params["service"]
        there = {
            service["Spec"]["Name"].removeprefix(f"{stack}_"): service
            for service in manager.swarm_services()
            if (service["Spec"].get("Labels") or {}).get(NAMESPACE_LABEL) == stack
        }
        if not there:
            raise PlatformError(f"there is no stack {stack}")
        if wanted and wanted not in there:
            raise PlatformError(f"stack {stack} has no service {wanted}; there are: {', '.join(sorted(there))}")
        return [there[wanted]] if wanted else list(there.values())

    def _read(self, services: list[str]) -> tuple[list[str], list[str]]:
        """The lines of all services, and what is to be said of those that were not heard to the end."""
        lines: list[str] = []
        failures: list[str] = []

        def read(service: str) -> None:
            try:
                for line in Engine(self.socket).service_logs(service, since=self.since, tail=self.params["lines"]):
                    lines.append(line)
            except PlatformError as error:
                failures.append(error.message)

        threads = [Thread(target=read, args=(service,), daemon=True) for service in services]
        for thread in threads:
            thread.start()
        end = time.monotonic() + self.params["timeout_seconds"]
        for thread in threads:
            thread.join(max(end - time.monotonic(), 0))
        if any(thread.is_alive() for thread in threads):
            failures.append(
                f"not every node has answered within {self.params['timeout_seconds']} s: lines may be missing"
            )
        return list(lines), failures

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        """Never called: a look has no actions."""
        return plan.result


def main() -> None:
    """Run the module."""
    runner.run(
        StackLogs,
        {
            "stack": {"type": "str", "required": True},
            "service": {"type": "str"},
            "manager_sockets": {"type": "list", "elements": "path", "required": True},
            "since": {"type": "str"},
            "lines": {"type": "int", "default": 200},
            "timeout_seconds": {"type": "int", "default": 20},
        },
    )


if __name__ == "__main__":
    main()
