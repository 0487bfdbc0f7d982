# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``app_volume_move``: a manager's part of a move, step by step.

A node's label ``leaving`` stops what runs there on the volume: swarm ends tasks whose node no longer fits, and starts
them where the label ``here`` comes up. So no service is changed, and a revision stays what it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume import look, model
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume import plan as planning
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.move_plan import plan_move
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine

# Beyond the time that a service's tasks have for their end.
STOP_MARGIN_SECONDS = 60
NANOSECONDS = 1_000_000_000


class Move:
    """``begin`` stops the app, ``finish`` starts it on the other node, ``undo`` where it was."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.step: str = params["step"]
        parts = model.split_name(params["volume"])
        if parts is None:
            raise PlatformError(f"{params['volume']!r} is not an app's volume: as wiki_uploads, the app's name first")
        self.app, self.volume = parts
        self.target: str = params["target"]
        self.manager = Engine(params["manager_socket"])
        self.found = look.parse_volumes(params["elsewhere"])
        self.sockets = {node["name"]: node["socket"] for node in params["nodes"]}
        self.begun: dict[str, Any] = params["begun"]
        self.deadline: int = params["deadline_seconds"]
        self.ids: dict[str, str] = {}
        self.services: list[dict[str, Any]] = []

    def plan(self) -> Plan:
        """See the protocol."""
        nodes = self._nodes()
        if self.step == "begin":
            move = plan_move(self.app, self.volume, self.target, nodes)
            names = [model.volume_name(self.app, one) for one in move.volumes]
            users = ", ".join(sorted(service["Spec"]["Name"] for service in self.services)) or "nothing"
            return Plan(
                actions=[f"stop {users} on {move.source}", *(f"move volume {name} to {move.target}" for name in names)],
                before={"volumes": dict.fromkeys(names, move.source)},
                after={"volumes": dict.fromkeys(names, move.target)},
                result={
                    "app": move.app,
                    "volumes": list(move.volumes),
                    "source": move.source,
                    "target": move.target,
                    "running": self._wanted(nodes),
                    "stop_seconds": max(map(_grace_seconds, self.services), default=0) + STOP_MARGIN_SECONDS,
                    "since": time.time(),
                },
            )
        if self.step == "finish":
            return Plan(actions=[f"start on {self.begun['target']} what was stopped"])
        return Plan(actions=[f"start on {self.begun['source']} again what was stopped"])

    def _nodes(self) -> list[planning.SeenNode]:
        services = self.manager.services.all()
        users = {mount.service_id for mount in model.mounts(self.app, services)}
        self.services = [service for service in services if service["ID"] in users]
        here, _silent = look.volumes_of(self.app, self.sockets)
        constraints = look.own_constraints(self.services, users)
        nodes, self.ids = look.seen_nodes(self.app, self.manager.swarm.nodes(), {**self.found, **here}, constraints)
        return nodes

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        """See the protocol."""
        if self.step == "begin":
            return self._begin(plan.result)
        if self.step == "finish":
            return self._finish()
        return self._undo()

    def _begin(self, move: Mapping[str, Any]) -> Mapping[str, Any]:
        since = time.time()
        self._label(move["source"], move["volumes"], model.LEAVING)
        return {"since": since}

    def _finish(self) -> Mapping[str, Any]:
        move = self.begun
        source = next((node for node in self._nodes() if node.name == move["source"]), None)
        if source is None or not set(move["volumes"]) <= source.leaving:
            raise PlatformError(
                f"another run has placed app {self.app} on {move['source']} again meanwhile: what was copied is older "
                "than what is there by now"
            )
        self._label(move["target"], move["volumes"], model.HERE)
        self._await_running(move["target"])
        return {"downtime_seconds": round(time.time() - float(move["since"]), 1)}

    def _undo(self) -> Mapping[str, Any]:
        move = self.begun
        self._label(move["target"], move["volumes"], None)
        self._label(move["source"], move["volumes"], model.HERE)
        problem = ""
        try:
            self._await_running(move["source"])
        except PlatformError as error:
            problem = error.message  # it is placed there again, and what was copied has to go all the same
        return {"downtime_seconds": round(time.time() - float(move["since"]), 1), "problem": problem}

    def _label(self, node: str, volumes: list[str], value: str | None) -> None:
        labels = dict.fromkeys((model.node_label(self.app, one) for one in volumes), value)
        look.set_labels(self.manager, self.ids[node], labels)

    def _tasks(self) -> list[dict[str, Any]]:
        users = {service["ID"] for service in self.services}
        return [task for task in self.manager.services.tasks() if task.get("ServiceID") in users]

    def _wanted(self, nodes: list[planning.SeenNode]) -> dict[str, int]:
        """What is to run again: what runs now; behind a move that was killed, what would."""
        if any(self.volume in node.here for node in nodes):
            return self._running()
        return {
            service["Spec"]["Name"]: int((service["Spec"]["Mode"].get("Replicated") or {}).get("Replicas") or 0)
            for service in self.services
        }

    def _running(self) -> dict[str, int]:
        """How many tasks of each service run, by its name."""
        names = {service["ID"]: service["Spec"]["Name"] for service in self.services}
        found = dict.fromkeys(names.values(), 0)
        for task in self._tasks():
            if task["Status"]["State"] == "running" and task.get("DesiredState") == "running":
                found[names[task["ServiceID"]]] += 1
        return found

    def _await_running(self, node: str) -> None:
        wanted = self.begun["running"]

        def missing() -> list[str]:
            running = self._running()
            return sorted(name for name, number in wanted.items() if running.get(name, 0) < number)

        wait_until(
            lambda: not missing(),
            deadline_seconds=self.deadline,
            failure=lambda: (
                f"{', '.join(missing())} does not run on {node} after {self.deadline} s: {self._errors() or 'no error'}"
            ),
        )

    def _errors(self) -> str:
        """What the last tasks died of."""
        tasks = sorted(self._tasks(), key=lambda task: str(task.get("UpdatedAt") or ""))
        found = [str(task["Status"].get("Err") or "") for task in tasks]
        return next((text for text in reversed(found) if text), "")


def _grace_seconds(service: Mapping[str, Any]) -> float:
    container = service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}
    return float(container.get("StopGracePeriod") or 10 * NANOSECONDS) / NANOSECONDS
