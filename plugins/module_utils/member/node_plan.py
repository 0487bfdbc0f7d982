# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is done for one node that is to be in the swarm. Pure."""

from __future__ import annotations

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.member.absence import plan_absent
from ansible_collections.fungap.swarm.plugins.module_utils.member.actions import MANAGER, NODE, Action, Quorum
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    Circumstances,
    EngineMembership,
    Entry,
    Swarm,
    WantedNode,
    platform_labels,
    without_platform_labels,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.safeguards import check_loss_of_data, check_volumes


def plan_node(
    node: WantedNode,
    engine: EngineMembership | None,
    swarm: Swarm,
    quorum: Quorum,
    circumstances: Circumstances,
    *,
    starts_swarm: bool = False,
    cut_off: bool = False,
) -> list[Action]:
    """The ordered actions for one node.

    ``engine`` None: its engine can't be asked from here; then only what a manager can do is planned. ``cut_off``: the
    managers that it knows are elsewhere now.
    """
    if node.state == "absent":
        return plan_absent(node, engine, swarm, quorum, circumstances)
    _check_volumes(node, engine, swarm, circumstances)
    if engine is None:
        return _plan_from_manager(node, swarm, quorum)

    entry = swarm.by_id(engine.node_id) if engine.state != "inactive" else None
    if entry is None:
        return _plan_entrance(node, engine, swarm, quorum, starts_swarm=starts_swarm)
    if why := _why_rejoin(node, engine, entry, cut_off=cut_off):
        return _plan_rejoin(node, entry, swarm, quorum, why)
    return _plan_member(node, entry, swarm, quorum)


def _check_volumes(
    node: WantedNode, engine: EngineMembership | None, swarm: Swarm, circumstances: Circumstances
) -> None:
    """Of a node that is drained, and of an engine in whose place a blank one has come."""
    if not swarm.manageable:
        return
    rows = swarm.by_hostname(node.swarm_name)
    current = (
        (swarm.by_id(engine.node_id) if engine.state != "inactive" else None) if engine else next(iter(rows), None)
    )
    ghosts = [row for row in rows if current is None or row.id != current.id]
    left = circumstances.volumes_left
    check_volumes(node, ghosts, left, doing="can't remove the entry of the former engine of")
    if current and node.availability == "drain" and current.availability != "drain":
        check_volumes(node, [current], left, doing="can't drain")


def _plan_entrance(
    node: WantedNode, engine: EngineMembership, swarm: Swarm, quorum: Quorum, *, starts_swarm: bool
) -> list[Action]:
    """Out of where its engine is now, and into this swarm."""
    why = {
        "active": "it is in another swarm",
        "pending": "it never got into this swarm",
        "error": f"its swarm state is an error: {engine.error}",
        "locked": "it is locked out of another swarm",
    }.get(engine.state, "")
    check_loss_of_data(node, engine, swarm)
    has_manager_ghost = any(ghost.is_manager for ghost in swarm.by_hostname(node.swarm_name))
    # Its ghost may hold the same address in the raft group: a manager will remove that and promote it.
    role = "worker" if has_manager_ghost and not swarm.manageable else node.state
    return [
        *([Action("leave", node.name, NODE, why=why)] if engine.state != "inactive" else []),
        *_plan_ghosts(node, "", swarm, quorum),
        Action("init", node.name, NODE, role="manager") if starts_swarm else Action("join", node.name, NODE, role=role),
        *_plan_update(node, None, swarm),
    ]


def _why_rejoin(node: WantedNode, engine: EngineMembership, entry: Entry, *, cut_off: bool) -> str:
    """Why a member has to leave and come in again; empty: it doesn't."""
    if node.has_moved(engine):
        return f"its address changed from {engine.address} to {node.address}"
    if entry.state == "ready":
        return ""
    if cut_off:
        return "the managers it knows are elsewhere now"
    return f"the managers see it {entry.state}; its engine: {engine.error or engine.state}"


def _plan_member(node: WantedNode, entry: Entry, swarm: Swarm, quorum: Quorum) -> list[Action]:
    """For a node that is in: its name to itself, its role, its labels and availability."""
    return [
        *_plan_ghosts(node, entry.id, swarm, quorum),
        *_plan_role(node, entry, swarm, quorum),
        *_plan_update(node, entry, swarm),
    ]


def _plan_from_manager(node: WantedNode, swarm: Swarm, quorum: Quorum) -> list[Action]:
    rows = swarm.by_hostname(node.swarm_name)
    live = [row for row in rows if row.state == "ready"]
    if len(live) > 1:
        raise PlatformError(
            f"{node.name}: the swarm has {len(live)} live nodes of this name "
            f"({', '.join(row.id for row in live)}): names must differ"
        )
    if not rows:
        # It isn't there yet (check mode), or it never joined: the update waits for it, and says when it doesn't come.
        return _plan_update(node, None, swarm)
    return _plan_member(node, rows[0], swarm, quorum)


def _plan_ghosts(node: WantedNode, current_id: str, swarm: Swarm, quorum: Quorum) -> list[Action]:
    """Take away other rows of the same name: what a former engine of this node left behind."""
    actions: list[Action] = []
    if not swarm.manageable:
        return actions
    for ghost in swarm.by_hostname(node.swarm_name):
        if ghost.id == current_id:
            continue
        if ghost.manager_address:
            quorum.check_loss_of(
                ghost, leaves_group=True, doing=f"can't remove the old entry {ghost.id} of {node.name}"
            )
            actions.append(Action("demote", node.name, MANAGER, node_id=ghost.id, why="left by a former engine"))
        gone = ghost.state != "ready" or bool(node.address and ghost.address == node.address)
        actions.append(Action("remove", node.name, MANAGER, node_id=ghost.id, gone=gone, why="left by a former engine"))
    return actions


def _plan_rejoin(node: WantedNode, entry: Entry, swarm: Swarm, quorum: Quorum, why: str) -> list[Action]:
    actions: list[Action] = []
    if entry.manager_address:
        quorum.check_loss_of(
            entry, leaves_group=swarm.manageable, doing=f"can't let {node.name} leave and join again ({why})"
        )
        if swarm.manageable:
            actions.append(Action("demote", node.name, MANAGER, node_id=entry.id))
    actions.append(Action("leave", node.name, NODE, node_id=entry.id, why=why))
    role = node.state
    if swarm.manageable:
        actions.append(Action("remove", node.name, MANAGER, node_id=entry.id))
        actions.extend(_plan_ghosts(node, entry.id, swarm, quorum))
    elif entry.is_manager:
        role = "worker"
    actions.append(Action("join", node.name, NODE, role=role))
    return [*actions, *_plan_update(node, None, swarm, former=entry)]


def _plan_role(node: WantedNode, entry: Entry, swarm: Swarm, quorum: Quorum) -> list[Action]:
    if not swarm.manageable or swarm.roles_elsewhere:
        return []
    if node.state == "manager" and entry.role != "manager":
        return [Action("promote", node.name, MANAGER, node_id=entry.id)]
    if node.state == "worker" and entry.role != "worker":
        quorum.check_loss_of(entry, leaves_group=True, doing=f"can't demote {node.name}")
        return [Action("demote", node.name, MANAGER, node_id=entry.id)]
    return []


def _plan_update(node: WantedNode, entry: Entry | None, swarm: Swarm, *, former: Entry | None = None) -> list[Action]:
    """Labels and availability. ``entry`` None: for the row that the node gets by joining; ``former``: what it had."""
    if not swarm.manageable:
        return []
    row = entry or Entry("", node.swarm_name)
    labels, availability, carried = node.labels, node.availability, platform_labels(former.labels if former else {})
    if former:
        labels = without_platform_labels(former.labels) if labels is None else labels
        availability = availability or former.availability
    new_labels = labels if labels is not None and dict(labels) != without_platform_labels(row.labels) else None
    new_availability = availability if availability and availability != row.availability else None
    if new_labels is None and new_availability is None and not carried:
        return []
    return [
        Action(
            "update",
            node.name,
            MANAGER,
            node_id=row.id,
            labels=new_labels,
            availability=new_availability,
            carried_labels=carried,
        )
    ]
