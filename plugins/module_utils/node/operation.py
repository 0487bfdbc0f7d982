# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``swarm_node``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.parallel import each
from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.folder import operation as folders
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import (
    NODE_LABEL,
    PLATFORM_LABEL,
    SPEC_LABEL,
    bridge_mtu,
    wanted_host,
)
from ansible_collections.fungap.swarm.plugins.module_utils.node.plan import (
    CreateNetwork,
    CreateNode,
    RemoveNode,
    ReplaceNode,
    SeenContainer,
    SeenHost,
    StartNode,
    nodes_to_remove,
    plan_nodes,
)


class Nodes:
    """All nodes of one docker host."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.engine = Engine(params["docker_socket"])
        self.owner: str = params["owner"] or params["platform"]
        self.own_folders: list[str] = params["own_folders"]
        self.platform_ids: list[str] = params["platform_ids"]
        self.prune: bool = params["prune"]
        self.deadline_seconds: int = params["deadline_seconds"]
        try:
            self.host = wanted_host(params)
        except ValueError as error:
            raise PlatformError(f"nodes: {error}") from error
        self.image_id: str | None = None
        self.bodies: dict[str, dict[str, Any]] = {}

    def plan(self) -> runner.Plan:
        """Compare the containers' spec labels with the wanted ones."""
        image_seen = self.engine.images.inspect(self.host.image) if self.host.nodes else None
        self.image_id = image_seen["Id"] if image_seen else None
        # Where the image is still to come, nodes would be made of it whatever its ID will be.
        image = self.image_id or self.host.image
        self.bodies = {node.name: self.host.container(node, image) for node in self.host.nodes}
        specs = {name: str(body["Labels"][SPEC_LABEL]) for name, body in self.bodies.items()}
        seen = self._observe()
        actions = plan_nodes(
            network=self.host.network.name,
            subnet=self.host.network.subnet,
            mtu=self.host.network.mtu,
            specs=specs,
            seen=seen,
            prune=self.prune,
        )
        kept = {} if self.prune else dict.fromkeys(nodes_to_remove(specs, seen), "kept")
        return runner.Plan(
            actions=actions,
            before={container.node: f"{container.state} {container.spec[:12]}" for container in seen.containers},
            after={node: f"running {spec[:12]}" for node, spec in specs.items()} | kept,
            result={"surplus": nodes_to_remove(specs, seen)},
            upkeep=folders.to_claim(self.own_folders, self.owner, self.platform_ids) if self.host.nodes else [],
        )

    def _observe(self) -> SeenHost:
        network = self.engine.networks.inspect(self.host.network.name)
        return SeenHost(
            subnet=network["IPAM"]["Config"][0]["Subnet"] if network else None,
            mtu=bridge_mtu(network) if network else None,
            containers=tuple(
                SeenContainer(
                    node=container["Labels"][NODE_LABEL],
                    spec=container["Labels"].get(SPEC_LABEL, ""),
                    state=container["State"],
                )
                for container in self.engine.containers.with_labels({PLATFORM_LABEL: self.host.platform})
                if NODE_LABEL in container["Labels"]
            ),
        )

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        """New and stopped nodes in parallel; replaced ones one after the other, each answering before the next."""
        if self.image_id is None and self.bodies:
            raise PlatformError(
                f"image {self.host.image} is not on this docker host: role images brings it (playbooks/images.yml)"
            )
        for path in plan.upkeep:
            folders.claim(path, self.owner, self.platform_ids)
        for action in plan.actions:
            if isinstance(action, CreateNetwork):
                self.engine.networks.create_bridge(
                    action.name, self.host.network.subnet, self.host.network.mtu, {PLATFORM_LABEL: self.host.platform}
                )
        starting = [action for action in plan.actions if isinstance(action, (CreateNode, StartNode))]
        each(self._start, starting, workers=len(starting))
        for action in plan.actions:
            if isinstance(action, ReplaceNode):
                self.engine.containers.remove(self.host.container_name(action.node), self.host.stop_seconds)
                self._start(CreateNode(action.node))
            elif isinstance(action, RemoveNode):
                self.engine.containers.remove(self.host.container_name(action.node), self.host.stop_seconds)
        return {"surplus": [] if self.prune else plan.result["surplus"]}

    def _start(self, action: CreateNode | StartNode) -> None:
        name = self.host.container_name(action.node)
        labels = {PLATFORM_LABEL: self.host.platform, NODE_LABEL: action.node}
        if isinstance(action, CreateNode):
            for volume in (name, *self.host.bound_volumes()):
                self.engine.volumes.create(volume, labels if volume == name else {PLATFORM_LABEL: self.host.platform})
            self.engine.containers.create(name, self.bodies[action.node], self.host.files())
        self.engine.containers.start(name)
        node = Engine(self.host.socket(action.node), timeout_seconds=10)
        wait_until(
            node.is_answering,
            deadline_seconds=self.deadline_seconds,
            failure=lambda: (
                f"the engine of node {action.node} did not answer within {self.deadline_seconds} s "
                f"({node.silence()}); its last log lines:\n{self.engine.containers.log(name)}"
            ),
        )
