# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether an app's volumes can be moved, and from where. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.model import volume_name
from ansible_collections.fungap.swarm.plugins.module_utils.app_volume.plan import SeenNode, names_of
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError


@dataclass(frozen=True)
class Move:
    """From where to where an app's volumes go."""

    app: str
    volumes: tuple[str, ...]
    source: str
    target: str


def plan_move(app: str, volume: str, target: str, nodes: Sequence[SeenNode]) -> Move:
    """All volumes of the volume's app go together: its services mount them on one node. Raises where they can't."""
    name = volume_name(app, volume)
    sources = [node for node in nodes if volume in node.here] or [node for node in nodes if volume in node.leaving]
    if len(sources) != 1:
        where = f"said to be on {names_of(sources)}" if sources else "on no node"
        raise PlatformError(f"volume {name} is {where}: there is nothing that could be moved. Deploy its app first")
    source, taking = sources[0], next((node for node in nodes if node.name == target), None)
    names = tuple(sorted(source.here | source.leaving))
    if taking is None:
        raise PlatformError(f"there is no node {target}: the swarm has {names_of(nodes)}")
    if taking is source:
        raise PlatformError(f"volume {name} is on {target} already")
    if not (taking.is_ready and taking.is_active):
        raise PlatformError(f"{target} is not ready for tasks: bring it up, or take another node")
    if not taking.fits:
        raise PlatformError(f"the constraints of a service that mounts {name} don't allow {target}")
    if silent := [node for node in (source, taking) if node.volumes is None]:
        raise PlatformError(f"{names_of(silent)} can't be asked what it has: bring it back first")
    if lost := [volume_name(app, one) for one in names if not source.has(one)]:
        raise PlatformError(f"{', '.join(lost)} is not on {source.name}, where it was: there is nothing to move")
    _refuse_to_overwrite(app, names, source, taking)
    return Move(app, names, source.name, taking.name)


def _refuse_to_overwrite(app: str, names: Sequence[str], source: SeenNode, target: SeenNode) -> None:
    for one in names:
        there = (target.volumes or {}).get(one)
        # What a move from this node has left is no more than that node has.
        if there and not (there.is_ours and there.moved_from == source.name):
            name = volume_name(app, one)
            raise PlatformError(
                f"there is a volume {name} on {target.name} already, and what it holds may be nowhere else. Look at "
                f"it, and remove it when nobody needs it: docker volume rm {name} on that node's engine"
            )
