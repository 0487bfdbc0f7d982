# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a node leaves the swarm for good. Pure."""

from __future__ import annotations

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.member.actions import MANAGER, NODE, Action, Quorum
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    Circumstances,
    EngineMembership,
    Entry,
    Swarm,
    WantedNode,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.safeguards import check_loss_of_data, check_volumes


def plan_absent(
    node: WantedNode, engine: EngineMembership | None, swarm: Swarm, quorum: Quorum, circumstances: Circumstances
) -> list[Action]:
    """Its tasks and its role go first, then it leaves, then its rows are taken off the list."""
    member = engine if engine is not None and engine.state != "inactive" else None
    if member and not swarm.by_id(member.node_id) and not circumstances.dissolve:
        check_loss_of_data(node, member, swarm)
    rows = [
        row
        for row in (_rows_of(node, engine, swarm) if swarm.exists else ())
        if _can_go(row, node, swarm, quorum, dissolve=circumstances.dissolve)
    ]
    listed = rows if swarm.manageable else []
    if not circumstances.dissolve:
        check_volumes(node, listed, circumstances.volumes_left, doing="can't take out of the swarm the node")
    return [
        *(step for row in listed for step in _step_down(node, row, swarm, drain=circumstances.drain)),
        *([Action("leave", node.name, NODE, node_id=member.node_id)] if member else []),
        *(Action("remove", node.name, MANAGER, node_id=row.id) for row in listed),
    ]


def _rows_of(node: WantedNode, engine: EngineMembership | None, swarm: Swarm) -> list[Entry]:
    """All rows of its name, and that of its engine, whatever that is called."""
    rows = swarm.by_hostname(node.swarm_name)
    own = swarm.by_id(engine.node_id) if engine else None
    return [own, *rows] if own and own not in rows else rows


def _can_go(row: Entry, node: WantedNode, swarm: Swarm, quorum: Quorum, *, dissolve: bool) -> bool:
    """Raises where the swarm needs the row. Where it is dissolved, such a row stays on a list that nobody reads."""
    try:
        quorum.check_loss_of(row, leaves_group=swarm.manageable, doing=f"can't remove {node.name} from the swarm")
    except PlatformError:
        if not dissolve:
            raise
        return False
    return True


def _step_down(node: WantedNode, row: Entry, swarm: Swarm, *, drain: bool) -> list[Action]:
    others_take_tasks = any(
        other.hostname != node.swarm_name and other.state == "ready" and other.availability == "active"
        for other in swarm.entries
    )
    is_drained = drain and others_take_tasks and row.state == "ready"
    return [
        *([Action("drain", node.name, MANAGER, node_id=row.id)] if is_drained else []),
        *([Action("demote", node.name, MANAGER, node_id=row.id)] if row.manager_address else []),
    ]
