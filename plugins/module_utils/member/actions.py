# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What can be done to a node, and what it makes of the managers' quorum. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import Entry, Swarm

# On which engine an action is carried out: the node's own, or one of the swarm's managers.
NODE = "node"
MANAGER = "manager"


@dataclass(frozen=True)
class Action:
    """One step for one node.

    ``node_id``: the row it is about; empty: the row that the node has by then. ``carried_labels``: labels of another
    owner that a rejoining engine takes along. ``gone``: (remove) the engine behind the row surely isn't using it any
    more; else the row must be seen down first.
    """

    kind: str
    node: str
    side: str
    node_id: str = ""
    role: str = ""
    availability: str | None = None
    labels: Mapping[str, str] | None = None
    carried_labels: Mapping[str, str] = field(default_factory=dict)
    gone: bool = True
    why: str = ""

    def __str__(self) -> str:
        what = {
            "unlock": f"unlock {self.node}",
            "init": f"start a swarm on {self.node}",
            "force_new_cluster": f"restart the swarm from {self.node} alone",
            "leave": f"{self.node} leaves its swarm",
            "join": f"join {self.node} as {self.role}",
            "promote": f"promote {self.node} to manager",
            "demote": f"demote {self.node} to worker"
            if not self.why
            else f"demote the old entry {self.node_id} of {self.node}",
            "drain": f"drain {self.node}",
            "remove": f"remove the entry {self.node_id} of {self.node}",
            "update": f"set {self._settings()} of {self.node}",
        }[self.kind]
        return f"{what} ({self.why})" if self.why else what

    def _settings(self) -> str:
        parts = [f"availability {self.availability}"] if self.availability else []
        if self.labels is not None:
            parts.append(
                "labels " + (", ".join(f"{key}={value}" for key, value in sorted(self.labels.items())) or "(none)")
            )
        if self.carried_labels:
            parts.append("its env labels")
        return " and ".join(parts)


@dataclass(frozen=True)
class Quorum:
    """How many members the raft group has, and how many of them answer."""

    managers: int = 0
    reachable: int = 0

    @classmethod
    def of(cls, swarm: Swarm) -> Quorum:
        managers = [entry for entry in swarm.entries if entry.manager_address]
        return cls(len(managers), sum(entry.reachable for entry in managers))

    @property
    def has_majority(self) -> bool:
        """Whether enough of them answer to decide anything."""
        return self.reachable * 2 > self.managers

    def after(self, actions: Sequence[Action], swarm: Swarm) -> Quorum:
        """The quorum once ``actions`` are done."""
        managers, reachable = self.managers, self.reachable
        demoted: set[str] = set()
        for action in actions:
            entry = swarm.by_id(action.node_id)
            if action.kind in ("init", "promote") or (action.kind == "join" and action.role == "manager"):
                managers, reachable = managers + 1, reachable + 1
            elif action.kind == "force_new_cluster":
                managers, reachable = 1, 1
            elif action.kind == "demote" and entry and entry.manager_address:
                managers, reachable = managers - 1, reachable - entry.reachable
                demoted.add(entry.id)
            elif action.kind == "leave" and entry and entry.manager_address and entry.id not in demoted:
                reachable -= entry.reachable
        return Quorum(managers, reachable)

    def check_loss_of(self, entry: Entry, *, leaves_group: bool, doing: str) -> None:
        """Raise PlatformError when the swarm couldn't decide anything any more without this manager.

        ``leaves_group``: it is demoted first, so it doesn't count any more; else it goes on counting, unreachable.
        """
        if not entry.manager_address:
            return  # called a manager, but no member of the raft group
        if self.managers <= 1:
            raise PlatformError(
                f"{doing}: it is the last manager of the swarm. Make another node a manager first (two managers are "
                "fine for the moment of the change)"
            )
        left = Quorum(self.managers - leaves_group, self.reachable - entry.reachable)
        if not left.has_majority:
            raise PlatformError(
                f"{doing}: the swarm would lose its quorum, {left.reachable} of {left.managers} managers would be "
                "reachable. Bring the unreachable managers back or remove them (state: absent) first"
            )
