# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``stack_logs``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from threading import Thread
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine, answering_manager
from ansible_collections.fungap.swarm.plugins.module_utils.stack.access_log import Requests, parse_request
from ansible_collections.fungap.swarm.plugins.module_utils.stack.logs import (
    LogLine,
    latest,
    parse_duration,
    parse_line,
    problem_in,
    task_names,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import NAMESPACE_LABEL


class StackLogs:
    """A look at the logs."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.stack, self.service = params["stack"], params["service"]
        since = params["since"]
        self.requests = [
            Requests(one["host"].lower(), tuple(one["paths"]), tuple(one["other_paths"]))
            for one in params["requests"] or []
        ]
        if self.requests:
            self.stack, self.service, since = "proxy", "proxy", since or "15m"
        self.since = int(time.time()) - parse_duration(since) if since else 0

    def plan(self) -> runner.Plan:
        """Read; there is never anything to do."""
        manager = answering_manager(self.params["manager_sockets"], timeout_seconds=10, otherwise="")
        self.socket = manager.socket
        services = self._services(manager)
        nodes = {node["ID"]: node["Description"]["Hostname"] for node in manager.swarm.nodes()}
        tasks = task_names(services, manager.services.tasks(), nodes)
        raw, warnings = self._read([service["ID"] for service in services])
        warnings += [problem for problem in map(problem_in, raw) if problem]
        parsed = (parse_line(line, tasks, nodes) for line in raw)
        lines = latest((line for line in parsed if line and self._is_wanted(line)), self.params["lines"])
        return runner.Plan(result={"lines": [asdict(line) for line in lines]}, warnings=warnings)

    def _is_wanted(self, line: LogLine) -> bool:
        return not self.requests or any(one.have(parse_request(line.text)) for one in self.requests)

    def _services(self, manager: Engine) -> list[dict[str, Any]]:
        stack, wanted = self.stack, self.service
        there = {
            service["Spec"]["Name"].removeprefix(f"{stack}_"): service
            for service in manager.services.all()
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
        # Of each task. Which are the requests that were asked for is seen here alone.
        tail = None if self.requests else self.params["lines"]

        def read(service: str) -> None:
            try:
                for line in Engine(self.socket).services.logs(service, since=self.since, tail=tail):
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
