# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What it takes to bring the nodes of one docker host from what is there to what is wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError


@dataclass(frozen=True)
class SeenContainer:
    """A node's container. ``spec`` is its spec label, ``state`` Docker's word (running, exited, created, ...)."""

    node: str
    spec: str
    state: str


@dataclass(frozen=True)
class SeenHost:
    """What the docker host has. ``subnet`` and ``mtu`` are the platform network's, None where it is missing."""

    subnet: str | None
    mtu: int | None
    containers: tuple[SeenContainer, ...]


@dataclass(frozen=True)
class CreateNetwork:
    """Make the platform's bridge network."""

    name: str

    def __str__(self) -> str:
        return f"create network {self.name}"


@dataclass(frozen=True)
class CreateNode:
    """Make a node's volume (unless there) and container, and start it."""

    node: str

    def __str__(self) -> str:
        return f"create node {self.node}"


@dataclass(frozen=True)
class ReplaceNode:
    """Put a new container on a node's volume: the same node to the swarm."""

    node: str
    why: str

    def __str__(self) -> str:
        return f"re-create node {self.node} ({self.why}; its volume is kept)"


@dataclass(frozen=True)
class StartNode:
    """Start a node that is stopped."""

    node: str
    state: str

    def __str__(self) -> str:
        return f"start node {self.node} (it is {self.state})"


@dataclass(frozen=True)
class RemoveNode:
    """Take away the container of a node that is no longer wanted; its volume stays."""

    node: str

    def __str__(self) -> str:
        return f"remove node {self.node} (its volume is kept)"


Action: TypeAlias = "CreateNetwork | CreateNode | ReplaceNode | StartNode | RemoveNode"


def plan_nodes(
    *,
    network: str,
    subnet: str,
    mtu: int,
    specs: Mapping[str, str],
    seen: SeenHost,
    prune: bool,
) -> list[Action]:
    """Ordered actions. ``specs`` maps each wanted node to its spec label; ``prune`` removes nodes that are not wanted.

    A network of the same name with another subnet or MTU cannot be changed in place: it is refused, because every node
    would lose its address, and so its place in the swarm.
    """
    actions: list[Action] = []
    if seen.subnet is None:
        actions.append(CreateNetwork(network))
    elif (seen.subnet, seen.mtu) != (subnet, mtu):
        raise PlatformError(
            f"network {network} has subnet {seen.subnet} and MTU {seen.mtu}, the inventory wants {subnet} and {mtu}: a "
            "network cannot be changed under running nodes. Set platform_subnet and swarm_node_mtu back, or take the "
            "platform down (playbooks/reset.yml) and build it anew"
        )
    containers = {container.node: container for container in seen.containers}
    for node, spec in specs.items():
        container = containers.get(node)
        if container is None:
            actions.append(CreateNode(node))
        elif container.spec != spec:
            actions.append(ReplaceNode(node, "its settings changed"))
        elif container.state != "running":
            actions.append(StartNode(node, container.state))
    if prune:
        actions += [RemoveNode(node) for node in nodes_to_remove(specs, seen)]
    return actions


def nodes_to_remove(wanted: Iterable[str], seen: SeenHost) -> list[str]:
    """Nodes that are there and not wanted, sorted."""
    return sorted({container.node for container in seen.containers} - set(wanted))
