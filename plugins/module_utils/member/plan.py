# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what nodes and managers say, and what is wanted, to the ordered actions that make it so. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.member.absence import plan_absent
from ansible_collections.fungap.swarm.plugins.module_utils.member.actions import Action, Quorum
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    USUAL,
    Circumstances,
    EngineMembership,
    Entry,
    Swarm,
    WantedNode,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.node_plan import plan_node
from ansible_collections.fungap.swarm.plugins.module_utils.member.recovery import (
    plan_prerequisites,
    without_recreated_managers,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.safeguards import (
    check_loss_of_data,
    check_raft_addresses,
    stale_raft_addresses,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.settling import is_cut_off


@dataclass(frozen=True)
class NodePlan:
    """What is done for one node. ``stage``: nodes of one stage are done after those of the stages before.

    Stages: 0 managers, one after another; 1 workers, at the same time; 2 those that step down or go, one after another.
    """

    name: str
    stage: int
    actions: Sequence[Action] = ()


@dataclass(frozen=True)
class MembersPlan:
    """The plan for all nodes. ``complete``: false when what remains to be done shows only after these actions."""

    nodes: Sequence[NodePlan] = ()
    complete: bool = True
    warnings: Sequence[str] = ()

    @property
    def actions(self) -> list[Action]:
        return [action for node in self.nodes for action in node.actions]


def choose_swarm(
    wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarms: Mapping[str, Sequence[Entry]]
) -> str | None:
    """Which of several live swarms is the platform's: the name of a node that controls it.

    ``swarms``: {name of a node, or a socket, that controls a swarm: its rows}. The one controlled by a node that is to
    be a manager, then the one with most of the wanted nodes in it, then the one of the bootstrap node, then the first.
    """

    def score(controller: str) -> tuple[bool, int, bool]:
        rows = {entry.id for entry in swarms[controller]}
        members = [node for node in wanted if node.name in engines and engines[node.name].node_id in rows]
        managers = [node for node in members if node.state == "manager" and engines[node.name].is_manager]
        known = any(node.name == controller for node in wanted)
        return bool(managers) or not known, len(members), any(node.bootstrap for node in members)

    return max(swarms, key=score) if swarms else None


def plan_members(
    wanted: Sequence[WantedNode],
    engines: Mapping[str, EngineMembership],
    swarm: Swarm,
    circumstances: Circumstances = USUAL,
) -> MembersPlan:
    """The actions for all nodes.

    ``engines``: {name: what the node's engine says} for those whose engine can be asked from here. Raises PlatformError
    when what is wanted can't be, naming node and cure.
    """
    swarm = without_recreated_managers(wanted, engines, swarm)
    if first := plan_prerequisites(wanted, engines, swarm, circumstances):
        return MembersPlan([NodePlan(action.node, 0, [action]) for action in first], complete=False)

    bootstrap = None
    if not swarm.exists and any(node.state != "absent" for node in wanted):
        _check_new_swarm(wanted, engines, swarm, circumstances)
        bootstrap = _choose_bootstrap(wanted, engines)
        swarm = Swarm(exists=True, manageable=True)

    quorum = Quorum.of(swarm)
    plans = []
    for stage, node in _in_order(wanted, engines, swarm, bootstrap):
        engine = engines.get(node.name)
        actions = plan_node(
            node,
            engine,
            swarm,
            quorum,
            circumstances,
            starts_swarm=node is bootstrap,
            cut_off=engine is not None and is_cut_off(engine, swarm, engines),
        )
        plans.append(NodePlan(node.name, stage, actions))
        quorum = quorum.after(actions, swarm)
        if _adds_manager(actions):
            check_raft_addresses(node, swarm, engines)
        if any(action.kind in ("init", "join") for action in actions):
            newcomer = Entry("", node.swarm_name, availability=node.availability or "active")
            swarm = replace(swarm, entries=[*swarm.entries, newcomer])
    if circumstances.prune and swarm.manageable:
        plans += _plan_unnamed(wanted, swarm, quorum, circumstances)
    return MembersPlan([plan for plan in plans if plan.actions], warnings=_warn_of_moves(swarm, engines))


def _check_new_swarm(
    wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarm: Swarm, circumstances: Circumstances
) -> None:
    """Raise where an engine still holds another swarm's data."""
    for node in wanted:
        if node.name in engines and not (node.state == "absent" and circumstances.dissolve):
            check_loss_of_data(node, engines[node.name], swarm)


def _choose_bootstrap(wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership]) -> WantedNode:
    for node in wanted:
        if node.state == "manager" and node.bootstrap and node.name in engines:
            return node
    raise PlatformError(
        "no manager of a live swarm can be reached, and no node may start one: set bootstrap on a node with state "
        "manager, or give join_tokens, remote_addrs and swarm_nodes of the swarm to join"
    )


def _in_order(
    wanted: Sequence[WantedNode],
    engines: Mapping[str, EngineMembership],
    swarm: Swarm,
    bootstrap: WantedNode | None,
) -> list[tuple[int, WantedNode]]:
    """(stage, node): by stage, and among managers the one that starts a swarm first; else as they are listed."""

    def place(one: tuple[int, WantedNode]) -> tuple[int, bool, bool]:
        stage, node = one
        return stage, node is not bootstrap, stage == 0 and not node.bootstrap

    return sorted(((_stage(node, engines.get(node.name), swarm), node) for node in wanted), key=place)


def _stage(node: WantedNode, engine: EngineMembership | None, swarm: Swarm) -> int:
    if node.state == "manager":
        return 0
    if node.state == "absent":
        return 2
    entry = swarm.row_of(node, engine)
    return 2 if entry and entry.is_manager else 1


def _adds_manager(actions: Sequence[Action]) -> bool:
    return any(action.kind == "promote" or (action.kind == "join" and action.role == "manager") for action in actions)


def _plan_unnamed(
    wanted: Sequence[WantedNode], swarm: Swarm, quorum: Quorum, circumstances: Circumstances
) -> list[NodePlan]:
    """Take what is in the swarm and not in the inventory out of it."""
    named = {node.swarm_name for node in wanted}
    plans = []
    for name in sorted({entry.hostname for entry in swarm.entries} - named):
        actions = plan_absent(WantedNode(name, "absent"), None, swarm, quorum, circumstances)
        quorum = quorum.after(actions, swarm)
        plans.append(NodePlan(name, 2, actions))
    return plans


def _warn_of_moves(swarm: Swarm, engines: Mapping[str, EngineMembership]) -> list[str]:
    return [
        f"{entry.hostname} moved to {address}, but the swarm's raft data keeps {entry.manager_address}: a node "
        "that restarts won't find it again before the next run, and no manager can be added. Give it back its old "
        "address, or make a new swarm"
        for entry, address in stale_raft_addresses(swarm, engines)
    ]
