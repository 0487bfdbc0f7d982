# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``platform_info``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import holder
from ansible_collections.fungap.swarm.plugins.module_utils.core.progress import Progress
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine, answering_manager
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import made_for
from ansible_collections.fungap.swarm.plugins.module_utils.stack.folder import lock_path, read_private
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    CRON_RUN_LABEL,
    CRON_STATE_LABEL,
    RUN_LABEL,
    STACK_LABEL,
    compose_path,
    parse_runs,
    parse_scheduled_runs,
    parse_stack,
    tasks_still_there,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.plan import drift, no_action_fingerprint
from ansible_collections.fungap.swarm.plugins.module_utils.stack.status import (
    node_row,
    revision_row,
    service_row,
    unwell,
)


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
            # A scheduled run is nothing that has to be there; the history has how it ended.
            seen = [one for one in manager.services.all() if CRON_RUN_LABEL not in (one["Spec"].get("Labels") or {})]
            members = manager.swarm.nodes()
            tasks = tasks_still_there(manager.services.tasks(), members)
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
        configs, secrets = manager.swarm.items("config", STACK_LABEL), manager.swarm.items("secret", STACK_LABEL)
        networks = manager.networks.of_swarm() if configs else []
        runs = manager.swarm.items("config", RUN_LABEL) if configs else []
        scheduled = manager.swarm.items("config", CRON_STATE_LABEL) if configs else []
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
                "runs": parse_runs(one for one in runs if one["Spec"]["Labels"][RUN_LABEL] == name),
                "scheduled_runs": parse_scheduled_runs(scheduled, name),
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
