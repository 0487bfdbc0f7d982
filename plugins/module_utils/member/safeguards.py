# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What no plan may cost: a manager's data, an app's, or the quorum for an address that moved. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.model import volumes_said
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    EngineMembership,
    Entry,
    Swarm,
    WantedNode,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.repair import repair


def check_loss_of_data(node: WantedNode, engine: EngineMembership, swarm: Swarm) -> None:
    """Raise for an engine that isn't in this swarm and holds a manager's data, which would be lost by what is next.

    Only a manager of the same swarm proves that its data is not the last.
    """
    if not engine.holds_a_swarm or (engine.cluster_id and engine.cluster_id == swarm.cluster_id):
        return
    whose = f"of swarm {engine.cluster_id}" if engine.cluster_id else "of a swarm that can't be told"
    raise PlatformError(
        f"{node.name} holds the data {whose}, which no other manager is known to have: services, secrets, configs and "
        f"revisions would be lost. Its state is {engine.state}"
        + (f": {engine.error}. To get it back: {repair(engine.error)}" if engine.error else "")
        + f". If nothing of it is needed, say so on its engine: docker --host unix://{node.socket} swarm leave --force"
    )


def check_volumes(node: WantedNode, rows: Iterable[Entry], left: Collection[str], *, doing: str) -> None:
    """Raise where apps have volumes on what these rows stand for, and nobody has said that these stay behind."""
    found = sorted({volume for row in rows for volume in volumes_said(row.labels)} - set(left))
    if found:
        raise PlatformError(
            f"{doing} {node.name}: it has the volumes {', '.join(found)}, and no other node has what is in them. Move "
            f"them first: playbooks/move.yml -e volume={found[0]} -e to=NODE. Where they may stay behind, and their "
            f"apps without them: -e '{json.dumps({'swarm_member_volumes_left': found})}'"
        )


def stale_raft_addresses(swarm: Swarm, engines: Mapping[str, EngineMembership]) -> list[tuple[Entry, str]]:
    """Managers whose raft data names another address than they advertise: [(row, advertised address)]."""
    advertised = {engine.node_id: engine.address for engine in engines.values() if engine.node_id and engine.address}
    return [
        (entry, advertised[entry.id])
        for entry in swarm.entries
        if entry.manager_address
        and entry.id in advertised
        and entry.manager_address.rpartition(":")[0] != advertised[entry.id]
    ]


def check_raft_addresses(node: WantedNode, swarm: Swarm, engines: Mapping[str, EngineMembership]) -> None:
    """A manager that joins must reach the others at the addresses of the raft data; else the swarm loses its quorum."""
    for entry, address in stale_raft_addresses(swarm, engines):
        raise PlatformError(
            f"can't make {node.name} a manager: the swarm's raft data keeps the former address {entry.manager_address} "
            f"of {entry.hostname} (now {address}), where no new manager would find it, and the swarm would lose its "
            f"quorum. Give {entry.hostname} back its old address, or make a new swarm"
        )
