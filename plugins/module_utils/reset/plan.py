# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What takes a platform off a docker host, in the order that it has to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Remove:
    """Take away one thing. ``kind``: container, swarm, network, volume, image, path, or memory (on the controller)."""

    kind: str
    name: str

    def __str__(self) -> str:
        return "leave the swarm" if self.kind == "swarm" else f"remove {self.kind} {self.name}"


@dataclass(frozen=True)
class SeenPlatform:
    """Everything on a docker host that carries the platform's label, and the folders that are proved to be its own.

    ``pushed``: the names that images got for the platform's own registry. ``left``: folders that stay, and why.
    ``memories``: files on the controller with what is in force.
    """

    containers: Sequence[str]
    networks: Sequence[str]
    volumes: Sequence[str]
    images: Sequence[str]
    pushed: Sequence[str]
    paths: Sequence[str]
    left: Mapping[str, str] = field(default_factory=dict)
    memories: Sequence[str] = ()


def plan_reset(seen: SeenPlatform, *, volumes: bool, images: bool, leave_swarm: bool) -> list[Remove]:
    """Containers first (they hold the rest), data only when asked for."""
    kinds = {
        "container": seen.containers,
        "swarm": ["the docker host's own engine"] if leave_swarm else (),
        "network": seen.networks,
        "volume": seen.volumes if volumes else (),
        # With the registry's data its names of images go: they stand for nothing any more.
        "image": {*(seen.images if images else ()), *(seen.pushed if volumes else ())},
        "path": seen.paths,
        "memory": seen.memories,
    }
    return [Remove(kind, name) for kind, names in kinds.items() for name in sorted(names)]


TITLES = {
    "container": "containers",
    "network": "networks",
    "volume": "volumes, with the data on them",
    "image": "images",
    "path": "folders, with what is in them",
    "memory": "what the controller remembers to be in force",
}


def listing(platform: str, seen: SeenPlatform, actions: Sequence[Remove]) -> list[str]:
    """What goes and what stays, a line for each kind."""
    lines = []
    for kind, title in TITLES.items():
        names = [action.name for action in actions if action.kind == kind]
        if names:
            lines.append(f"remove {title}: {', '.join(names)}")
    if any(action.kind == "swarm" for action in actions):
        lines.append("leave the swarm: the docker host's own engine")
    if not lines:
        lines.append(f"nothing to remove: there is nothing of platform {platform} here")
    volumes = sorted(set(seen.volumes) - {action.name for action in actions if action.kind == "volume"})
    if volumes:
        lines.append(f"keep volumes: {', '.join(volumes)} (-e reset_volumes=true removes them)")
    return lines + [f"keep {path}: {why}" for path, why in sorted(seen.left.items())]
