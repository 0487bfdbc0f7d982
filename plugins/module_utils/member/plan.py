# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From what nodes and managers say, and what is wanted, to the ordered actions that make it so. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.member.actions import MANAGER, NODE, Action, Quorum
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    ENV_LABEL_PREFIX,
    EngineMembership,
    Entry,
    Swarm,
    WantedNode,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.raft import newest
from ansible_collections.fungap.swarm.plugins.module_utils.member.repair import repair


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


@dataclass(frozen=True)
class Circumstances:
    """What a plan may count on besides the nodes; the options of the module of the same names.

    ``can_join_elsewhere``: the swarm's managers run on another machine, tokens are given.
    """

    can_unlock: bool = False
    can_join_elsewhere: bool = False
    recover_quorum: bool = False
    prune: bool = False
    dissolve: bool = False
    drain: bool = True


def choose_swarm(
    wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarms: Mapping[str, Sequence[Entry]]
) -> str | None:
    """Which of several live swarms is the platform's: the name of a node that controls it.

    ``swarms``: {name of a node, or a socket, that controls a swarm: its rows}. The one controlled by a node that is to
    be a manager, then
    the one with most of the wanted nodes in it, then the one of the bootstrap node, then the first.
    """

    def score(controller: str) -> tuple[bool, int, bool]:
        rows = {entry.id for entry in swarms[controller]}
        members = [node for node in wanted if node.name in engines and engines[node.name].node_id in rows]
        managers = [node for node in members if node.state == "manager" and engines[node.name].is_manager]
        known = any(node.name == controller for node in wanted)
        return bool(managers) or not known, len(members), any(node.bootstrap for node in members)

    return max(swarms, key=score) if swarms else None


def unsettled(wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarm: Swarm) -> list[str]:
    """Names of nodes that aren't right but may come right by themselves within seconds (just restarted)."""
    return [
        node.name
        for node in wanted
        if node.state != "absent" and _may_settle(node, engines.get(node.name), swarm, engines)
    ]


def _may_settle(
    node: WantedNode, engine: EngineMembership | None, swarm: Swarm, engines: Mapping[str, EngineMembership]
) -> bool:
    if engine is None:
        return len([row for row in swarm.by_hostname(node.swarm_name) if row.state == "ready"]) > 1
    if engine.state in ("inactive", "locked") or not (engine.node_id or engine.holds_data):
        return False
    if not swarm.exists:
        return _holds_a_swarm(engine)
    entry = swarm.by_id(engine.node_id)
    if entry is None or (entry.state == "ready" and engine.state == "active"):
        return False
    return not _moved(node, engine) and not _is_cut_off(engine, swarm, engines)


def _holds_a_swarm(engine: EngineMembership) -> bool:
    """Whether a manager's data is on this engine, though it doesn't lead now."""
    return engine.holds_data or (bool(engine.node_id) and (engine.is_manager or engine.node_id in engine.managers))


def _moved(node: WantedNode, engine: EngineMembership) -> bool:
    return bool(node.address and engine.address and node.address != engine.address)


def _is_cut_off(engine: EngineMembership, swarm: Swarm, engines: Mapping[str, EngineMembership]) -> bool:
    """True if every manager address that this engine knows is outdated."""
    advertised = {other.node_id: other.address for other in engines.values() if other.node_id}
    live = {
        advertised.get(entry.id) or entry.manager_address.rpartition(":")[0]
        for entry in swarm.entries
        if entry.is_manager
    }
    known = {address.rpartition(":")[0] for address in engine.managers.values()}
    return bool(known) and not known & live


def plan_members(
    wanted: Sequence[WantedNode],
    engines: Mapping[str, EngineMembership],
    swarm: Swarm,
    circumstances: Circumstances = Circumstances(),
) -> MembersPlan:
    """The actions for all nodes.

    ``engines``: {name: what the node's engine says} for those whose engine can be asked from here. Raises PlatformError
    when what is wanted can't be, naming node and cure.
    """
    swarm = _without_recreated_managers(wanted, engines, swarm)
    first = _plan_prerequisites(wanted, engines, swarm, circumstances)
    if first:
        return MembersPlan([NodePlan(node.name, 0, [action]) for node, action in first], complete=False)

    warnings = []
    bootstrap = None
    if not swarm.exists and any(node.state != "absent" for node in wanted):
        for node in wanted:
            if node.name in engines and not (node.state == "absent" and circumstances.dissolve):
                _check_loss_of_data(node, engines[node.name], swarm)
        bootstrap = _choose_bootstrap(wanted, engines)
        swarm = Swarm(exists=True, manageable=True)

    stages: dict[int, list[WantedNode]] = {0: [], 1: [], 2: []}
    for node in wanted:
        stages[_stage(node, engines.get(node.name), swarm)].append(node)
    stages[0].sort(key=lambda node: (node is not bootstrap, not node.bootstrap))

    quorum = Quorum.of(swarm)
    plans = []
    for stage, nodes in stages.items():
        for node in nodes:
            actions = plan_node(
                node,
                engines.get(node.name),
                swarm,
                quorum,
                circumstances,
                starts_swarm=node is bootstrap,
                cut_off=bool(node.name in engines and _is_cut_off(engines[node.name], swarm, engines)),
            )
            quorum = quorum.after(actions, swarm)
            if any(
                action.kind == "promote" or (action.kind == "join" and action.role == "manager") for action in actions
            ):
                _check_raft_addresses(node, swarm, engines)
            if any(action.kind in ("init", "join") for action in actions):
                newcomer = Entry("", node.swarm_name, availability=node.availability or "active")
                swarm = replace(swarm, entries=[*swarm.entries, newcomer])
            plans.append(NodePlan(node.name, stage, actions))
    if circumstances.prune and swarm.manageable:
        named = {node.swarm_name for node in wanted}
        for name in sorted({entry.hostname for entry in swarm.entries} - named):
            actions = _plan_absent(WantedNode(name, "absent"), None, swarm, quorum, circumstances)
            quorum = quorum.after(actions, swarm)
            plans.append(NodePlan(name, 2, actions))
    for entry, address in _stale_raft_addresses(swarm, engines):
        warnings.append(
            f"{entry.hostname} moved to {address}, but the swarm's raft data keeps {entry.manager_address}: a node "
            "that restarts won't find it again before the next run, and no manager can be added. Give it back its old "
            "address, or make a new swarm"
        )
    return MembersPlan([plan for plan in plans if plan.actions], warnings=warnings)


def _stage(node: WantedNode, engine: EngineMembership | None, swarm: Swarm) -> int:
    if node.state == "manager":
        return 0
    if node.state == "absent":
        return 2
    entry = swarm.by_id(engine.node_id) if engine else next(iter(swarm.by_hostname(node.swarm_name)), None)
    return 2 if entry and entry.is_manager else 1


def _plan_prerequisites(
    wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarm: Swarm, circumstances: Circumstances
) -> list[tuple[WantedNode, Action]]:
    """What must be done before anything else can be known: unlock, or let the one manager with the data lead again."""
    locked = [
        node
        for node in wanted
        if node.state != "absent" and node.name in engines and engines[node.name].state == "locked"
    ]
    if locked and not circumstances.can_unlock:
        raise PlatformError(
            f"{', '.join(node.name for node in locked)}: the swarm is locked (autolock) and no unlock_key is "
            "given. Give the key that `docker swarm unlock-key` shows on another manager, or that was kept when "
            "autolock was switched on"
        )
    if locked:
        return [(node, Action("unlock", node.name, NODE)) for node in locked]
    if swarm.exists:
        moved = [
            node
            for node in wanted
            if node.state == "manager"
            and node.name in engines
            and _moved(node, engines[node.name])
            and (entry := swarm.by_id(engines[node.name].node_id))
            and entry.is_manager
        ]
        if moved and Quorum.of(swarm).managers == 1:
            node = moved[0]
            engine = engines[node.name]
            why = f"its address changed from {engine.address} to {node.address}"
            return [(node, Action("force_new_cluster", node.name, NODE, node_id=engine.node_id, why=why))]
        quorum = Quorum.of(swarm)
        if quorum.reachable * 2 > quorum.managers or not _recreated_managers(wanted, engines, swarm):
            return []
    elif circumstances.can_join_elsewhere:
        return []
    holders = [
        node
        for node in wanted
        if node.state == "manager"
        and node.name in engines
        and _holds_a_swarm(engines[node.name])
        and (not swarm.exists or swarm.by_id(engines[node.name].node_id))
    ]
    if not holders:
        return []
    if circumstances.recover_quorum:
        node = _newest(wanted, holders, engines)
        why = "the other managers are lost"
        return [
            (node, Action("force_new_cluster", node.name, NODE, node_id=engines[node.name].node_id, why=why)),
        ]
    node = holders[0]
    engine = engines[node.name]
    others = ", ".join(address for peer, address in engine.managers.items() if peer != engine.node_id)
    if engine.state == "error":
        told = "; ".join(f"{one.name}: {engines[one.name].error or 'no reason given'}" for one in holders)
        raise PlatformError(
            f"{', '.join(one.name for one in holders)} can't read the swarm that its disk holds ({told}). It is left "
            f"as it is: services, secrets, configs and revisions are in it. To get it back: {repair(engine.error)}"
        )
    raise PlatformError(
        f"{node.name} holds a swarm that can't decide anything: {engine.error or 'it has no leader'}. Bring back its "
        f"other managers ({others or 'none known'}), or, when they are lost for good, let this one start again alone "
        "with recover_quorum: true"
    )


def _newest(
    wanted: Sequence[WantedNode], holders: Sequence[WantedNode], engines: Mapping[str, EngineMembership]
) -> WantedNode:
    """The manager that starts the swarm again alone. What only the others have would be lost: they join it blank."""
    rivals = [
        node for node in wanted if node not in holders and node.name in engines and _holds_a_swarm(engines[node.name])
    ]
    # Of equal ones, rather one that reads what it has.
    everybody = sorted([*holders, *rivals], key=lambda node: (node in rivals, engines[node.name].state == "error"))
    if len(everybody) == 1:
        return everybody[0]
    swarms = sorted({engines[node.name].cluster_id for node in everybody} - {""})
    names = ", ".join(node.name for node in everybody)
    if len(swarms) > 1:
        raise PlatformError(
            f"{names} hold the data of different swarms ({', '.join(swarms)}), and none of them is led. Let the "
            "engines of the one that doesn't count leave it (docker swarm leave --force)"
        )
    found = newest({node.name: engines[node.name].log for node in everybody})
    if found is None or found in {node.name for node in rivals}:
        why = (
            f"{found} has the newest copy and is not to be a manager"
            if found
            else "whose copy is the newest can't be told"
        )
        first = next((node for node in everybody if node.name == found), everybody[0])
        raise PlatformError(
            f"{names} hold the data of a swarm that can't decide anything, and {why}: what only one of them has would "
            "be lost. Nothing was changed. Let the one that counts start it again alone by hand, and run this again: "
            f"docker --host unix://{first.socket} swarm init --force-new-cluster"
        )
    return next(node for node in holders if node.name == found)


def _recreated_managers(
    wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarm: Swarm
) -> set[str]:
    """IDs of managers' rows whose engine is another one now: they may still be listed as reachable, for seconds."""
    current = {node.swarm_name: engines[node.name].node_id for node in wanted if node.name in engines}
    return {
        entry.id
        for entry in swarm.entries
        if entry.is_manager and entry.hostname in current and current[entry.hostname] != entry.id
    }


def _without_recreated_managers(
    wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarm: Swarm
) -> Swarm:
    gone = _recreated_managers(wanted, engines, swarm)
    return replace(
        swarm, entries=[replace(entry, reachable=False) if entry.id in gone else entry for entry in swarm.entries]
    )


def _choose_bootstrap(wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership]) -> WantedNode:
    for node in wanted:
        if node.state == "manager" and node.bootstrap and node.name in engines:
            return node
    raise PlatformError(
        "no manager of a live swarm can be reached, and no node may start one: set bootstrap on a node with state "
        "manager, or give join_tokens, remote_addrs and swarm_nodes of the swarm to join"
    )


def plan_node(
    node: WantedNode,
    engine: EngineMembership | None,
    swarm: Swarm,
    quorum: Quorum,
    circumstances: Circumstances = Circumstances(),
    *,
    starts_swarm: bool = False,
    cut_off: bool = False,
) -> list[Action]:
    """The ordered actions for one node.

    ``engine`` None: its engine can't be asked from here; then only what a manager can do is planned. ``cut_off``: the
    managers that it knows are elsewhere now.
    """
    if node.state == "absent":
        return _plan_absent(node, engine, swarm, quorum, circumstances)
    if engine is None:
        return _plan_from_manager(node, swarm, quorum)

    entry = swarm.by_id(engine.node_id) if engine.state != "inactive" else None
    if entry is None:
        why = {
            "active": "it is in another swarm",
            "pending": "it never got into this swarm",
            "error": f"its swarm state is an error: {engine.error}",
            "locked": "it is locked out of another swarm",
        }.get(engine.state, "")
        leave = [Action("leave", node.name, NODE, why=why)] if engine.state != "inactive" else []
        _check_loss_of_data(node, engine, swarm)
        ghosts, role = _plan_ghosts(node, "", swarm, quorum), node.state
        if any(ghost.is_manager for ghost in swarm.by_hostname(node.swarm_name)) and not swarm.manageable:
            # Its ghost may hold the same address in the raft group: a manager will remove that and promote it.
            role = "worker"
        enter = (
            Action("init", node.name, NODE, role="manager")
            if starts_swarm
            else Action("join", node.name, NODE, role=role)
        )
        return [*leave, *ghosts, enter, *_plan_update(node, None, swarm)]

    if _moved(node, engine) or entry.state != "ready":
        if _moved(node, engine):
            why = f"its address changed from {engine.address} to {node.address}"
        elif cut_off:
            why = "the managers it knows are elsewhere now"
        else:
            why = f"the managers see it {entry.state}; its engine: {engine.error or engine.state}"
        return _plan_rejoin(node, entry, swarm, quorum, why)

    return [
        *_plan_ghosts(node, entry.id, swarm, quorum),
        *_plan_role(node, entry, swarm, quorum),
        *_plan_update(node, entry, swarm),
    ]


def _check_loss_of_data(node: WantedNode, engine: EngineMembership, swarm: Swarm) -> None:
    """Raise for an engine that isn't in this swarm and holds a manager's data, which would be lost by what is next.

    Only a manager of the same swarm proves that its data is not the last.
    """
    if not _holds_a_swarm(engine) or (engine.cluster_id and engine.cluster_id == swarm.cluster_id):
        return
    whose = f"of swarm {engine.cluster_id}" if engine.cluster_id else "of a swarm that can't be told"
    raise PlatformError(
        f"{node.name} holds the data {whose}, which no other manager is known to have: services, secrets, configs and "
        f"revisions would be lost. Its state is {engine.state}"
        + (f": {engine.error}. To get it back: {repair(engine.error)}" if engine.error else "")
        + f". If nothing of it is needed, say so on its engine: docker --host unix://{node.socket} swarm leave --force"
    )


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
    return [
        *_plan_ghosts(node, rows[0].id, swarm, quorum),
        *_plan_role(node, rows[0], swarm, quorum),
        *_plan_update(node, rows[0], swarm),
    ]


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
    labels = {
        key: value for key, value in (entry.labels if entry else {}).items() if not key.startswith(ENV_LABEL_PREFIX)
    }
    carried = {
        key: value for key, value in (former.labels if former else {}).items() if key.startswith(ENV_LABEL_PREFIX)
    }
    availability, wanted_labels = node.availability, node.labels
    if former:
        if wanted_labels is None:
            wanted_labels = {key: value for key, value in former.labels.items() if key not in carried}
        availability = availability or former.availability
    new_labels = wanted_labels if wanted_labels is not None and dict(wanted_labels) != labels else None
    new_availability = (
        availability if availability and availability != (entry.availability if entry else "active") else None
    )
    if new_labels is None and new_availability is None and not carried:
        return []
    return [
        Action(
            "update",
            node.name,
            MANAGER,
            node_id=entry.id if entry else "",
            labels=new_labels,
            availability=new_availability,
            carried_labels=carried,
        )
    ]


def _plan_absent(
    node: WantedNode, engine: EngineMembership | None, swarm: Swarm, quorum: Quorum, circumstances: Circumstances
) -> list[Action]:
    is_member = engine is not None and engine.state != "inactive"
    if is_member and engine and not swarm.by_id(engine.node_id) and not circumstances.dissolve:
        _check_loss_of_data(node, engine, swarm)
    rows = swarm.by_hostname(node.swarm_name)
    if engine is not None and (own := swarm.by_id(engine.node_id)) and own not in rows:
        rows = [own, *rows]
    actions: list[Action] = []
    if swarm.exists:
        for row in rows:
            if row.manager_address:
                try:
                    quorum.check_loss_of(
                        row, leaves_group=swarm.manageable, doing=f"can't remove {node.name} from the swarm"
                    )
                except PlatformError:
                    if not circumstances.dissolve:
                        raise
                    continue
            if swarm.manageable:
                others = [
                    other for other in swarm.entries if other.hostname != node.swarm_name and other.state == "ready"
                ]
                takes_tasks = [other for other in others if other.availability == "active"]
                if circumstances.drain and takes_tasks and row.state == "ready":
                    actions.append(Action("drain", node.name, MANAGER, node_id=row.id))
                if row.manager_address:
                    actions.append(Action("demote", node.name, MANAGER, node_id=row.id))
    if is_member and engine:
        actions.append(Action("leave", node.name, NODE, node_id=engine.node_id))
    if swarm.exists and swarm.manageable:
        demoted = {action.node_id for action in actions if action.kind == "demote"}
        actions.extend(
            Action("remove", node.name, MANAGER, node_id=row.id)
            for row in rows
            if not row.manager_address or row.id in demoted
        )
    return actions


def _stale_raft_addresses(swarm: Swarm, engines: Mapping[str, EngineMembership]) -> list[tuple[Entry, str]]:
    """Managers whose raft data names another address than they advertise: [(row, advertised address)]."""
    advertised = {engine.node_id: engine.address for engine in engines.values() if engine.node_id and engine.address}
    return [
        (entry, advertised[entry.id])
        for entry in swarm.entries
        if entry.manager_address
        and entry.id in advertised
        and entry.manager_address.rpartition(":")[0] != advertised[entry.id]
    ]


def _check_raft_addresses(node: WantedNode, swarm: Swarm, engines: Mapping[str, EngineMembership]) -> None:
    """A manager that joins must reach the others at the addresses of the raft data; else the swarm loses its quorum."""
    for entry, address in _stale_raft_addresses(swarm, engines):
        raise PlatformError(
            f"can't make {node.name} a manager: the swarm's raft data keeps the former address {entry.manager_address} "
            f"of {entry.hostname} (now {address}), where no new manager would find it, and the swarm would lose its "
            f"quorum. Give {entry.hostname} back its old address, or make a new swarm"
        )
