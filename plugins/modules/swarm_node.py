#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_node
short_description: Docker-in-Docker nodes of one docker host
version_added: 0.1.0
description:
  - Brings all Docker-in-Docker nodes that one docker host carries into being, in one call - the bridge network with
    fixed addresses, a named volume per node, the node's container, and an engine that answers on a unix socket.
  - A node whose settings changed gets a new container on its old volume, one node at a time, so it stays the same
    member of the swarm. New nodes start in parallel.
  - Nodes are only containers here; their membership is M(fungap.swarm.swarm_member)'s.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
attributes:
  check_mode:
    support: full
    description: Says what it would do and changes nothing.
  diff_mode:
    support: full
    description: Shows nodes and their settings before and after.
  idempotent:
    support: full
    description: A second call changes nothing.
options:
  platform:
    description: Name of the platform; the prefix of every object.
    type: str
    required: true
  docker_socket:
    description: Unix socket of the docker host's own engine.
    type: path
    default: /var/run/docker.sock
  image:
    description: Image of the nodes, as the docker host's engine knows it.
    type: str
    required: true
  subnet:
    description: Subnet of the nodes' bridge network, in CIDR notation.
    type: str
    required: true
  mtu:
    description: MTU of the nodes' bridge network, in bytes.
    type: int
    default: 1500
  run_dir:
    description: Folder on the docker host that holds a root-only folder with the engine's socket for each node.
    type: path
    required: true
  owner:
    description:
      - Name of the platform that O(own_folders) belong to. Not O(platform) for the engine of a platform's Jenkins.
    type: str
    default: ""
  platform_ids:
    description: As M(fungap.swarm.config_files)'s O(fungap.swarm.config_files#module:platform_ids), of O(owner).
    type: list
    elements: str
    default: []
  own_folders:
    description:
      - The platform's folders that nodes mount. Each gets a marker, the file C(.fungap-platform), before a node starts;
        a reboot that empties C(/run) is no change. A folder that is not empty and not the platform's is refused.
    type: list
    elements: path
    default: []
  nodes:
    description: The nodes that this docker host is to carry.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node; its hostname.
        type: str
        required: true
      address:
        description: Its fixed IPv4 address within O(subnet).
        type: str
        required: true
      cpus:
        description: CPUs that it may use; 0 for all.
        type: float
        default: 0
      memory:
        description: Memory that it may use, for example V(2G); empty for all.
        type: str
        default: ""
  init:
    description: Content of the init script that is PID 1 of each node.
    type: str
    required: true
  daemon:
    description: The nodes' C(daemon.json).
    type: dict
    default: {}
  privileged:
    description: Run nodes with C(--privileged) (V(true)) or with an explicit list of capabilities (V(false)).
    type: bool
    default: false
  extra_hosts:
    description: Names that the nodes' engines resolve, with their addresses.
    type: dict
    default: {}
  binds:
    description: Further mounts, C(host:node[:ro]). What is no path is a volume.
    type: list
    elements: str
    default: []
  prune:
    description: Remove the containers of nodes that are not in O(nodes). Their volumes stay.
    type: bool
    default: false
  deadline_seconds:
    description: Seconds that an engine may take to answer after its start.
    type: int
    default: 90
"""

EXAMPLES = r"""
- name: Run two nodes
  fungap.swarm.swarm_node:
    platform: fungap
    image: fungap/node:5f2d0c1b7a9e
    subnet: 172.30.0.0/24
    run_dir: /run/fungap
    nodes:
      - {name: manager1, address: 172.30.0.11}
      - {name: worker1, address: 172.30.0.21, cpus: 1, memory: 2G}
    init: "{{ lookup('ansible.builtin.file', 'node-init') }}"
    daemon:
      hosts: [unix:///run/node/docker.sock]
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [create network fungap, create node manager1]
surplus:
  description: Nodes of the platform on this docker host that are not in O(nodes).
  returned: success
  type: list
  elements: str
  sample: []
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import folders, runner
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine, wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.node import (
    NODE_LABEL,
    PLATFORM_LABEL,
    SPEC_LABEL,
    Host,
    Network,
    parse_nodes,
)
from ansible_collections.fungap.swarm.plugins.module_utils.plan.node import (
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
            nodes = parse_nodes(params["nodes"])
        except ValueError as error:
            raise PlatformError(f"nodes: {error}") from error
        self.host = Host(
            platform=params["platform"],
            image=params["image"],
            network=Network(params["platform"], params["subnet"], params["mtu"]),
            run_dir=params["run_dir"],
            nodes=nodes,
            init=params["init"],
            daemon=params["daemon"],
            privileged=params["privileged"],
            extra_hosts=params["extra_hosts"],
            binds=tuple(params["binds"]),
        )
        self.image_id: str | None = None
        self.bodies: dict[str, dict[str, Any]] = {}

    def plan(self) -> runner.Plan:
        """Compare the containers' spec labels with the wanted ones."""
        image_seen = self.engine.image(self.host.image) if self.host.nodes else None
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
        network = self.engine.network(self.host.network.name)
        return SeenHost(
            subnet=network["IPAM"]["Config"][0]["Subnet"] if network else None,
            mtu=int(network["Options"].get("com.docker.network.driver.mtu", 1500)) if network else None,
            containers=tuple(
                SeenContainer(
                    node=container["Labels"][NODE_LABEL],
                    spec=container["Labels"].get(SPEC_LABEL, ""),
                    state=container["State"],
                )
                for container in self.engine.containers({PLATFORM_LABEL: self.host.platform})
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
                self.engine.create_bridge(
                    action.name, self.host.network.subnet, self.host.network.mtu, {PLATFORM_LABEL: self.host.platform}
                )
        starting = [action for action in plan.actions if isinstance(action, (CreateNode, StartNode))]
        if starting:
            with ThreadPoolExecutor(len(starting)) as pool:
                list(pool.map(self._start, starting))
        for action in plan.actions:
            if isinstance(action, ReplaceNode):
                self.engine.remove_container(self.host.container_name(action.node), self.host.stop_seconds)
                self._start(CreateNode(action.node))
            elif isinstance(action, RemoveNode):
                self.engine.remove_container(self.host.container_name(action.node), self.host.stop_seconds)
        return {"surplus": [] if self.prune else plan.result["surplus"]}

    def _start(self, action: CreateNode | StartNode) -> None:
        name = self.host.container_name(action.node)
        labels = {PLATFORM_LABEL: self.host.platform, NODE_LABEL: action.node}
        if isinstance(action, CreateNode):
            for volume in (name, *self.host.bound_volumes()):
                self.engine.create_volume(volume, labels if volume == name else {PLATFORM_LABEL: self.host.platform})
            self.engine.create_container(name, self.bodies[action.node], self.host.files())
        self.engine.start_container(name)
        node = Engine(self.host.socket(action.node), timeout_seconds=10)
        wait_until(
            node.is_answering,
            deadline_seconds=self.deadline_seconds,
            failure=lambda: (
                f"the engine of node {action.node} did not answer within {self.deadline_seconds} s "
                f"({node.silence()}); its last log lines:\n{self.engine.container_log(name)}"
            ),
        )


def main() -> None:
    """Run the module."""
    runner.run(
        Nodes,
        {
            "platform": {"type": "str", "required": True},
            "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
            "image": {"type": "str", "required": True},
            "subnet": {"type": "str", "required": True},
            "mtu": {"type": "int", "default": 1500},
            "run_dir": {"type": "path", "required": True},
            "owner": {"type": "str", "default": ""},
            "platform_ids": {"type": "list", "elements": "str", "default": []},
            "own_folders": {"type": "list", "elements": "path", "default": []},
            "nodes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                    "cpus": {"type": "float", "default": 0},
                    "memory": {"type": "str", "default": ""},
                },
            },
            "init": {"type": "str", "required": True},
            "daemon": {"type": "dict", "default": {}},
            "privileged": {"type": "bool", "default": False},
            "extra_hosts": {"type": "dict", "default": {}},
            "binds": {"type": "list", "elements": "str", "default": []},
            "prune": {"type": "bool", "default": False},
            "deadline_seconds": {"type": "int", "default": 90},
        },
    )


if __name__ == "__main__":
    main()
