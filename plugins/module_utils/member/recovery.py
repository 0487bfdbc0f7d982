# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What comes before all else: a swarm that is locked, or that none of its managers can lead. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.member.actions import NODE, Action, Quorum
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    Circumstances,
    EngineMembership,
    Swarm,
    WantedNode,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.raft import newest
from ansible_collections.fungap.swarm.plugins.module_utils.member.repair import repair

Asked: TypeAlias = "Sequence[tuple[WantedNode, EngineMembership]]"


def plan_prerequisites(
    wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarm: Swarm, circumstances: Circumstances
) -> list[Action]:
    """What must be done before anything else can be known: unlock, or let the one manager with the data lead again."""
    asked = [(node, engines[node.name]) for node in wanted if node.name in engines]
    if locked := [node for node, engine in asked if node.state != "absent" and engine.state == "locked"]:
        return _plan_unlock(locked, circumstances)
    if moved := _only_manager_moved(asked, swarm):
        node, engine = moved
        return [_lead_alone(moved, why=f"its address changed from {engine.address} to {node.address}")]
    holders = _holders(asked, swarm)
    if not holders or not _is_stuck(wanted, engines, swarm, circumstances):
        return []
    if circumstances.recover_quorum:
        return [_lead_alone(_newest(asked, holders), why="the other managers are lost")]
    raise _no_leader(holders)


def _plan_unlock(locked: Sequence[WantedNode], circumstances: Circumstances) -> list[Action]:
    if not circumstances.can_unlock:
        raise PlatformError(
            f"{', '.join(node.name for node in locked)}: the swarm is locked (autolock) and no unlock_key is "
            "given. Give the key that `docker swarm unlock-key` shows on another manager, or that was kept when "
            "autolock was switched on"
        )
    return [Action("unlock", node.name, NODE) for node in locked]


def _only_manager_moved(asked: Asked, swarm: Swarm) -> tuple[WantedNode, EngineMembership] | None:
    """The swarm's one manager, where its address is another one now: it can't lead from there."""
    if Quorum.of(swarm).managers != 1:
        return None
    return next(
        (
            (node, engine)
            for node, engine in asked
            if node.state == "manager"
            and node.has_moved(engine)
            and (entry := swarm.by_id(engine.node_id))
            and entry.is_manager
        ),
        None,
    )


def _lead_alone(asked: tuple[WantedNode, EngineMembership], *, why: str) -> Action:
    node, engine = asked
    return Action("force_new_cluster", node.name, NODE, node_id=engine.node_id, why=why)


def _is_stuck(
    wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarm: Swarm, circumstances: Circumstances
) -> bool:
    """Whether no manager can decide anything: none leads a swarm, or those that were made anew took the majority."""
    if not swarm.exists:
        return not circumstances.can_join_elsewhere
    return not Quorum.of(swarm).has_majority and bool(_recreated_managers(wanted, engines, swarm))


def _holders(asked: Asked, swarm: Swarm) -> Asked:
    """The managers with a manager's data: of this swarm where one is seen, else of any."""
    return [
        (node, engine)
        for node, engine in asked
        if node.state == "manager" and engine.holds_a_swarm and (not swarm.exists or swarm.by_id(engine.node_id))
    ]


def _no_leader(holders: Asked) -> PlatformError:
    """Why nobody leads, and what the operator can do."""
    node, engine = holders[0]
    if engine.state == "error":
        names = ", ".join(one.name for one, _its in holders)
        told = "; ".join(f"{one.name}: {its.error or 'no reason given'}" for one, its in holders)
        return PlatformError(
            f"{names} can't read the swarm that its disk holds ({told}). It is left as it is: services, secrets, "
            f"configs and revisions are in it. To get it back: {repair(engine.error)}"
        )
    others = ", ".join(address for peer, address in engine.managers.items() if peer != engine.node_id)
    return PlatformError(
        f"{node.name} holds a swarm that can't decide anything: {engine.error or 'it has no leader'}. Bring back its "
        f"other managers ({others or 'none known'}), or, when they are lost for good, let this one start again alone "
        "with recover_quorum: true"
    )


def _newest(asked: Asked, holders: Asked) -> tuple[WantedNode, EngineMembership]:
    """The manager that starts the swarm again alone. What only the others have would be lost: they join it blank."""
    rivals = [one for one in asked if one not in holders and one[1].holds_a_swarm]
    # Of equal ones, rather one that reads what it has.
    everybody = sorted([*holders, *rivals], key=lambda one: (one in rivals, one[1].state == "error"))
    if len(everybody) == 1:
        return everybody[0]
    names = ", ".join(node.name for node, _engine in everybody)
    swarms = sorted({engine.cluster_id for _node, engine in everybody} - {""})
    if len(swarms) > 1:
        raise PlatformError(
            f"{names} hold the data of different swarms ({', '.join(swarms)}), and none of them is led. Let the "
            "engines of the one that doesn't count leave it (docker swarm leave --force)"
        )
    found = newest({node.name: engine.log for node, engine in everybody})
    holder = next((one for one in holders if one[0].name == found), None)
    if holder is None:
        why = (
            f"{found} has the newest copy and is not to be a manager"
            if found
            else "whose copy is the newest can't be told"
        )
        first = next((node for node, _engine in everybody if node.name == found), everybody[0][0])
        raise PlatformError(
            f"{names} hold the data of a swarm that can't decide anything, and {why}: what only one of them has would "
            "be lost. Nothing was changed. Let the one that counts start it again alone by hand, and run this again: "
            f"docker --host unix://{first.socket} swarm init --force-new-cluster"
        )
    return holder


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


def without_recreated_managers(
    wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarm: Swarm
) -> Swarm:
    """The swarm with the rows of managers that were made anew as unreachable, which they are."""
    gone = _recreated_managers(wanted, engines, swarm)
    return replace(
        swarm, entries=[replace(entry, reachable=False) if entry.id in gone else entry for entry in swarm.entries]
    )
