# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""On which node an app's volumes are, and what is to be done about it. Pure.

A node's label decides. Where there is none, the node that has the volume gets it; where nobody has it, and nobody ever
had, it is made. What was there once and is nowhere is never made anew unless somebody says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.model import (
    HERE,
    SeenVolume,
    node_label,
    volume_name,
)
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

Names = frozenset[str]
NONE: Names = frozenset()


@dataclass(frozen=True)
class SeenNode:
    """A node of the swarm.

    ``here``, ``leaving``: the app's volumes that its labels name so. ``volumes``: those on its engine, None where that
    can't be asked. ``fits``: whether the services' constraints allow it. ``others``: how many volumes it has in all.
    """

    name: str
    here: Names = NONE
    leaving: Names = NONE
    volumes: Mapping[str, SeenVolume] | None = field(default_factory=dict)
    fits: bool = True
    is_ready: bool = True
    is_active: bool = True
    is_manager: bool = False
    others: int = 0

    def has(self, volume: str) -> bool:
        return volume in (self.volumes or {})

    @property
    def can_take(self) -> bool:
        """Whether a new volume can be made here."""
        return self.fits and self.is_ready and self.is_active and self.volumes is not None


@dataclass(frozen=True)
class Create:
    """Make an empty volume."""

    node: str
    volume: str

    def __str__(self) -> str:
        return f"create volume {self.volume} on {self.node}"


@dataclass(frozen=True)
class Offer:
    """Say that the volume is on the node."""

    node: str
    volume: str

    def __str__(self) -> str:
        return f"place on {self.node} what mounts volume {self.volume}"


@dataclass(frozen=True)
class Withdraw:
    """Take the label away: the node has the volume no more."""

    node: str
    volume: str

    def __str__(self) -> str:
        return f"no longer say that volume {self.volume} is on {self.node}"


@dataclass(frozen=True)
class Discard:
    """Remove a volume whose content is elsewhere, or is not wanted any more."""

    node: str
    volume: str
    why: str

    def __str__(self) -> str:
        return f"remove volume {self.volume} from {self.node} ({self.why})"


Action: TypeAlias = "Create | Offer | Withdraw | Discard"


@dataclass(frozen=True)
class Wish:
    """``begun``: the volumes that a service or a revision knows. ``anew``: those that may begin empty all the same."""

    app: str
    volumes: Sequence[str]
    begun: Collection[str] = ()
    anew: Collection[str] = ()


def plan_volumes(wish: Wish, nodes: Sequence[SeenNode]) -> tuple[str, list[Action]]:
    """The node for all of the app's volumes, and what makes it so. Raises where data is at stake."""
    homes = {volume: _home(wish, volume, nodes) for volume in sorted(wish.volumes)}
    home = _common_home(wish, homes) or _new_home(wish, nodes)
    _refuse_unfit(wish, home)
    actions = [step for volume, found in homes.items() for step in _steps(wish.app, volume, found, home, nodes)]
    return home.name, actions


def _home(wish: Wish, volume: str, nodes: Sequence[SeenNode]) -> SeenNode | None:
    """The node that has the volume; None where it is to be made."""
    name = volume_name(wish.app, volume)
    here = [node for node in nodes if volume in node.here] or [node for node in nodes if volume in node.leaving]
    if len(here) > 1:
        raise PlatformError(
            f"volume {name} is said to be on {names_of(here)}: which one counts can't be told. Take the label from the "
            f"other one: docker node update --label-rm {node_label(wish.app, volume)} NODE"
        )
    if here and (here[0].volumes is None or here[0].has(volume)):
        return here[0]
    if not here and (found := _unlabelled(wish, volume, nodes)):
        return found
    if volume in wish.anew or not (here or volume in wish.begun):
        return None
    silent = [node for node in nodes if node.volumes is None]
    where = f"on {here[0].name}, where it was," if here else "on any node"
    maybe = f" {names_of(silent)} can't be asked: bring it back, and run this again." if silent and not here else ""
    raise PlatformError(
        f"volume {name} is lost: it is not {where} any more, and an empty one is not made in its place.{maybe} "
        f"Bring its node back, or put a backup into a volume of that name on a node, and say that it is there: "
        f"docker node update --label-add {node_label(wish.app, volume)}={HERE} NODE. Where its data is given up: "
        f"""-e '{{"apps_volumes_anew": ["{name}"]}}'"""
    )


def _unlabelled(wish: Wish, volume: str, nodes: Sequence[SeenNode]) -> SeenNode | None:
    """The one node that has it, though no label says so: the swarm is another one, or a run was killed."""
    name, label = volume_name(wish.app, volume), node_label(wish.app, volume)
    holders = [node for node in nodes if node.has(volume)]
    if len(holders) > 1:
        raise PlatformError(
            f"volume {name} is on {names_of(holders)}, and no label says which one counts. Say it: docker node update "
            f"--label-add {label}={HERE} NODE"
        )
    if holders and not (holders[0].volumes or {})[volume].is_ours:
        raise PlatformError(
            f"volume {name} is on {holders[0].name} already, and nothing shows that it is the app's. To take it for "
            f"the app's: docker node update --label-add {label}={HERE} {holders[0].name}. Or give another name"
        )
    return holders[0] if holders else None


def _common_home(wish: Wish, homes: Mapping[str, SeenNode | None]) -> SeenNode | None:
    found = {node.name: node for node in homes.values() if node}
    if len(found) > 1:
        said = ", ".join(f"{volume_name(wish.app, one)} on {node.name}" for one, node in homes.items() if node)
        raise PlatformError(
            f"app {wish.app} can't be placed where all of its volumes are: {said}. Take one of them out of the app, or "
            "bring its data to the other node"
        )
    return next(iter(found.values()), None)


def _new_home(wish: Wish, nodes: Sequence[SeenNode]) -> SeenNode:
    """A worker before a manager, and of these the one with the fewest volumes."""
    able = [node for node in nodes if node.can_take]
    if not able:
        raise PlatformError(
            f"no node can take the volumes of app {wish.app}: it has to be ready, active, within reach, and allowed by "
            "the constraints of all services that mount one"
        )
    return min(able, key=lambda node: (node.is_manager, node.others, node.name))


def _refuse_unfit(wish: Wish, home: SeenNode) -> None:
    if not home.fits:
        raise PlatformError(
            f"the volumes of app {wish.app} are on {home.name}, which the constraints of a service that mounts one "
            f"don't allow: change these, or move the data (playbooks/move.yml -e volume="
            f"{volume_name(wish.app, sorted(wish.volumes)[0])} -e to=NODE)"
        )


def _steps(
    app: str, volume: str, found: SeenNode | None, home: SeenNode, nodes: Sequence[SeenNode]
) -> Iterator[Action]:
    name = volume_name(app, volume)
    if found is None:
        yield from (Withdraw(node.name, name) for node in nodes if volume in node.here | node.leaving)
        yield Create(home.name, name)
    if found is None or volume not in home.here:
        yield Offer(home.name, name)
    for node in nodes:
        # What can't be asked proves nothing: its copy may be gone by now.
        if node is home or found is None or node.volumes is None or home.volumes is None:
            continue
        # Of a move that was killed: before its copy was proved, or behind that.
        is_copy = node.has(volume) and node.volumes[volume].moved_from == home.name and volume in home.leaving
        if is_copy or (volume in node.leaving and node.has(volume)):
            yield Discard(node.name, name, f"a move has left it, and {home.name} has all of it")
        if volume in node.leaving:
            yield Withdraw(node.name, name)


def by_docker_host(
    actions: Sequence[Action], here: Collection[str]
) -> tuple[list[Action], dict[str, dict[str, list[str]]]]:
    """(what is done by this call, what other docker hosts' calls do first, by node: ``create`` and ``discard``).

    ``here``: the nodes whose engines this call can speak to. A label follows what it speaks of, so it waits for that.
    """
    away = [one for one in actions if isinstance(one, (Create, Discard)) and one.node not in here]
    todo: dict[str, dict[str, list[str]]] = {}
    for one in away:
        key = "create" if isinstance(one, Create) else "discard"
        todo.setdefault(one.node, {}).setdefault(key, []).append(one.volume.partition("_")[2])
    waiting = {(one.node, one.volume) for one in away}
    return [one for one in actions if (one.node, one.volume) not in waiting], todo


def warnings(home: SeenNode, app: str) -> list[str]:
    """What keeps the app from running where its volumes are."""
    if home.is_ready and home.is_active:
        return []
    state = "is down" if not home.is_ready else "takes no tasks (its availability is not active)"
    return [f"app {app}: {home.name}, which has its volumes, {state}: it can't run anywhere else"]


def plan_absent(app: str, volumes: Sequence[str], nodes: Sequence[SeenNode], users: Collection[str]) -> list[Action]:
    """Take volumes away that somebody has named. ``users``: what still mounts one of them."""
    if users:
        raise PlatformError(
            f"volumes of app {app} are still mounted by {', '.join(sorted(users))}: take the app away first "
            "(apps_absent), or deploy it without them"
        )
    actions: list[Action] = []
    for node in nodes:
        for volume in sorted(volumes):
            if volume in node.here | node.leaving:
                actions.append(Withdraw(node.name, volume_name(app, volume)))
            if node.has(volume) and (node.volumes or {})[volume].is_ours:
                actions.append(Discard(node.name, volume_name(app, volume), "asked away by name"))
    return actions


def names_of(nodes: Sequence[SeenNode]) -> str:
    return ", ".join(node.name for node in nodes)
