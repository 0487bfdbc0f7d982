# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``app_volume``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume import look, model
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume import plan as planning
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker.containers import said, volumes_of
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine

# How long containers of a service that was just removed may take to go.
ENDS_SECONDS = 60


class AppVolumes:
    """One call of the module: the nodes of one docker host, and the swarm where it has the manager."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.app: str = params["app"]
        self.volumes: list[str] = params["volumes"]
        look.check_names(self.app, self.volumes)
        self.is_absent = params["state"] == "absent"
        self.sockets = {node["name"]: node["socket"] for node in params["nodes"]}
        self.elsewhere = look.parse_volumes(params["elsewhere"])
        self.todo = {node: todo for node, todo in params["todo"].items() if node in self.sockets}
        self.constraints: list[str] = params["constraints"]
        self.wish = planning.Wish(self.app, self.volumes, params["begun"], self._short(params["anew"]))
        self.manager = Engine(params["manager_socket"]) if params["manager_socket"] else None
        self.ids: dict[str, str] = {}

    def _short(self, names: list[str]) -> list[str]:
        parts = [model.split_name(name) for name in names]
        return [one[1] for one in parts if one and one[0] == self.app]

    def plan(self) -> Plan:
        """See the protocol."""
        found, silent = look.volumes_of(self.app, self.sockets)
        warnings = [
            f"volumes of app {self.app}: node {node} is left out: {why}" for node, why in sorted(silent.items())
        ]
        result: dict[str, Any] = {"found": look.dump_volumes(found), "home": "", "todo": {}}
        if self.is_absent:
            return self._planned_away(found, result, warnings)
        if self.manager is None:
            return Plan(actions=[*self._todo_actions(found)], result=result, warnings=warnings)
        return self._planned(self.manager, found, result, warnings)

    def _todo_actions(self, found: Mapping[str, look.Volumes]) -> Iterator[planning.Action]:
        """What the call with the manager has decided for nodes of this docker host."""
        for node, todo in sorted(self.todo.items()):
            for volume in todo.get("create", ()):
                if node in found and volume not in found[node]:
                    yield planning.Create(node, model.volume_name(self.app, volume))
            for volume in todo.get("discard", ()):
                if volume in found.get(node, ()):
                    yield planning.Discard(node, model.volume_name(self.app, volume), "its content is elsewhere")
            for volume, seen in found.get(node, {}).items():
                if seen.is_ours and seen.moved_from and seen.moved_from == todo.get("copies_from"):
                    yield planning.Discard(node, model.volume_name(self.app, volume), "a copy that nothing uses")

    def _planned(
        self, manager: Engine, found: dict[str, look.Volumes], result: dict[str, Any], warnings: list[str]
    ) -> Plan:
        begun = {mount.volume for mount in model.mounts(self.app, manager.services.all())}
        volumes = {**self.elsewhere, **found}
        nodes, self.ids = look.seen_nodes(self.app, manager.swarm.nodes(), volumes, self.constraints)
        wish = planning.Wish(self.app, self.volumes, {*begun, *self.wish.begun}, self.wish.anew)
        home, actions = planning.plan_volumes(wish, nodes)
        here, away = planning.by_docker_host(actions, self.sockets)
        seen = next(node for node in nodes if node.name == home)
        before = {model.volume_name(self.app, one): node.name for node in nodes for one in sorted(node.here)}
        after = {model.volume_name(self.app, one): home for one in self.volumes}
        return Plan(
            actions=here,
            before={"volumes": before},
            after={"volumes": {**before, **after}},
            result={**result, "home": home, "todo": away},
            warnings=[*warnings, *planning.warnings(seen, self.app)],
        )

    def _planned_away(self, found: dict[str, look.Volumes], result: dict[str, Any], warnings: list[str]) -> Plan:
        users: set[str] = set()
        if self.manager:
            mounts = model.mounts(self.app, self.manager.services.all())
            users = {f"service {one.service}" for one in mounts if one.volume in self.volumes}
            nodes, self.ids = look.seen_nodes(self.app, self.manager.swarm.nodes(), found, [])
        else:
            nodes = [planning.SeenNode(name, volumes=volumes) for name, volumes in sorted(found.items())]
        actions = planning.plan_absent(self.app, self.volumes, nodes, users)
        return Plan(actions=actions, result=result, warnings=warnings)

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        """See the protocol."""
        for action in plan.actions:
            if isinstance(action, planning.Create):
                labels = model.volume_labels(self.app, _short_of(action.volume))
                Engine(self.sockets[action.node]).volumes.create(action.volume, labels)
            elif isinstance(action, planning.Discard):
                remove_unused(Engine(self.sockets[action.node]), action.node, action.volume)
            else:
                value = model.HERE if isinstance(action, planning.Offer) else None
                key = model.node_label(self.app, _short_of(action.volume))
                look.set_labels(_given(self.manager), self.ids[action.node], {key: value})
        return {}


def remove_unused(engine: Engine, node: str, volume: str) -> None:
    """Remove a volume once no container has it any more; a task's is taken away a moment after its end."""
    users: list[str] = []

    def is_free() -> bool:
        users.clear()
        for container in engine.containers.with_labels({}):
            if volume not in volumes_of(container):
                continue
            # What swarm keeps of an ended task, for its log, would hold the volume.
            if engine.containers.is_left_over(container):
                engine.containers.remove_with_volumes(container["Id"])
            users.append(said(container))
        return not users

    wait_until(
        is_free,
        deadline_seconds=ENDS_SECONDS,
        failure=lambda: f"volume {volume} on {node} is still held by {', '.join(users)}: it was not removed",
    )
    engine.volumes.remove(volume)


def _given(manager: Engine | None) -> Engine:
    if manager is None:
        raise PlatformError("manager_socket is required")
    return manager


def _short_of(volume: str) -> str:
    return volume.partition("_")[2]
