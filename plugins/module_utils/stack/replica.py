# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of a service's replicas is meant. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import Task


@dataclass(frozen=True)
class Replica:
    """``name``: as web.2, or web.worker1 of a global service. ``node``: its name in the swarm. ``container``: an ID."""

    name: str
    node: str
    container: str


def replica_of(service: str, tasks: Sequence[Task], nodes: Mapping[str, str], wanted: str) -> Replica:
    """A replica that runs: the one that is wanted, by its number or its node; the first one for ``""``.

    ``tasks``: of the service. ``nodes``: ID -> name, of those that are there.
    """
    found = {
        str(task.slot or nodes[task.node_id]): Replica(
            f"{service}.{task.slot or nodes[task.node_id]}", nodes[task.node_id], task.container_id
        )
        for task in sorted(tasks, key=lambda task: (task.slot or 0, nodes.get(task.node_id, "")))
        if task.state == "running" and task.container_id and task.node_id in nodes
    }
    if not found:
        raise PlatformError(f"no replica of {service} runs: playbooks/status.yml says why")
    by_node = {one.node: one for one in reversed(found.values())}
    one = found.get(wanted) or by_node.get(wanted) if wanted else next(iter(found.values()))
    if one is None:
        there = ", ".join(f"{number} (on {one.node})" for number, one in found.items())
        raise PlatformError(f"replica {wanted!r} of {service} does not run; there are: {there}")
    return one
