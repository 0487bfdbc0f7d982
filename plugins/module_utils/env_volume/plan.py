# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done so that nodes hold the versions of an app's env file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import EnvVolume

Versions = frozenset[str]
NONE: Versions = frozenset()


@dataclass(frozen=True)
class Observed:
    """What is there.

    ``volumes``: of each node of this call, by version. ``labels``: the versions that each node is said to hold
    completely, also of nodes that this call can't reach. ``referenced``: versions that a service refers to. ``in_use``:
    versions that a container of a node refers to. ``helpers``: ids of containers to be removed first: a killed run
    left them on a node, or their engine gave up removing them.
    ``elsewhere``: version to the node that it was read from, of what another docker host gives to this call's nodes.
    """

    volumes: Mapping[str, Mapping[str, EnvVolume]]
    labels: Mapping[str, Versions]
    referenced: Versions = NONE
    in_use: Mapping[str, Versions] = field(default_factory=dict)
    helpers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    def holds(self, node: str, version: str) -> bool:
        """Whether the node holds the version completely."""
        volume = self.volumes.get(node, {}).get(version)
        return volume is not None and volume.managed and version in self.labels.get(node, NONE)


@dataclass(frozen=True)
class Desired:
    """What shall be.

    ``version``: the one that the app is about to run with, None when there is none (state absent, or labels only).
    ``keep``: how many older ones stay for rollbacks, None when none is to be removed; ``keep_versions``: that stay
    in any case. ``ready``: node to versions that another call wrote; ``lost``: that another call did not find there.
    ``labels``: whether node labels can be set (a manager is at hand). ``absent``: take everything away. ``content``:
    the version's content is at hand; else it comes from a node that holds it.
    """

    version: str | None = None
    keep: int | None = 5
    keep_versions: Versions = NONE
    ready: Mapping[str, Versions] = field(default_factory=dict)
    lost: Mapping[str, Versions] = field(default_factory=dict)
    labels: bool = True
    absent: bool = False
    content: bool = True


@dataclass(frozen=True)
class RemoveHelper:
    """Remove a container that a killed run left."""

    node: str
    helper: str

    def __str__(self) -> str:
        return f"remove leftover container {self.helper[:12]} from {self.node}"


@dataclass(frozen=True)
class Unlabel:
    """Take the label away: the node doesn't hold the version (any more)."""

    node: str
    version: str

    def __str__(self) -> str:
        return f"no longer offer env version {self.version} on {self.node}"


@dataclass(frozen=True)
class Write:
    """Write the given content. ``anew``: make the volume anew, it holds nothing that counts."""

    node: str
    version: str
    anew: bool = False

    def __str__(self) -> str:
        return f"write env version {self.version} on {self.node}"


@dataclass(frozen=True)
class Copy:
    """Copy a version from a node that holds it."""

    node: str
    version: str
    source: str
    anew: bool = False

    def __str__(self) -> str:
        return f"copy env version {self.version} from {self.source} to {self.node}"


@dataclass(frozen=True)
class Remove:
    """Remove a version's volume."""

    node: str
    version: str

    def __str__(self) -> str:
        return f"remove env version {self.version} from {self.node}"


@dataclass(frozen=True)
class Label:
    """Say that the node holds the version completely."""

    node: str
    version: str

    def __str__(self) -> str:
        return f"offer env version {self.version} on {self.node}"


Action: TypeAlias = "RemoveHelper | Unlabel | Write | Copy | Remove | Label"


def age_order(observed: Observed) -> list[str]:
    """Every version that is known, newest first; one whose volume nobody can see counts as oldest."""
    created: dict[str, str] = {version: "" for versions in observed.labels.values() for version in versions}
    for volumes in observed.volumes.values():
        for version, volume in volumes.items():
            if volume.managed:
                earliest = min(filter(None, (created.get(version), volume.created)), default="")
                created[version] = earliest
    return sorted(created, key=lambda version: (created[version], version), reverse=True)


def outdated_versions(observed: Observed, desired: Desired) -> Versions:
    """Versions that shall go: neither current, nor referred to, nor among the newest ``keep`` older ones."""
    used = frozenset().union(observed.referenced, *observed.in_use.values())
    older = [version for version in age_order(observed) if version != desired.version]
    if desired.absent:
        return frozenset(older)
    if desired.keep is None:
        return NONE
    removable = [version for version in older if version not in used | desired.keep_versions]
    # What is referred to is an older version that is kept, too: it takes a place.
    free = max(desired.keep - (len(older) - len(removable)), 0)
    return frozenset(removable[free:])


def plan_env_volume(observed: Observed, desired: Desired) -> list[Action]:
    """Actions in the order in which they are safe: no label without content, at any moment."""
    _refuse_what_is_lost(observed, desired)
    outdated = outdated_versions(observed, desired)
    actions: list[Action] = []
    for node in sorted(observed.volumes):
        actions.extend(_at_node(node, observed, desired, outdated))
    for node in sorted(set(observed.labels) - set(observed.volumes)):
        gone = outdated | desired.lost.get(node, NONE)
        actions.extend(Unlabel(node, version) for version in sorted(observed.labels[node] & gone))
    for node in sorted(set(desired.ready) - set(observed.volumes)):
        written = desired.ready[node] - observed.labels.get(node, NONE) - outdated
        actions.extend(Label(node, version) for version in sorted(written))
    if not desired.labels:
        return [action for action in actions if not isinstance(action, (Unlabel, Label))]
    return sorted(actions, key=_phase)


def _refuse_what_is_lost(observed: Observed, desired: Desired) -> None:
    if desired.version is None or desired.content:
        return
    if not any(desired.version in versions for versions in (*observed.labels.values(), *desired.ready.values())):
        raise PlatformError(
            f"env version {desired.version} is on no node of the swarm any more: deploy with the env file itself"
        )


def _phase(action: Action) -> int:
    """Labels that say too much go before all else, and those of what is written now come behind it."""
    return 0 if isinstance(action, Unlabel) else 2 if isinstance(action, Label) else 1


def _at_node(node: str, observed: Observed, desired: Desired, outdated: Versions) -> Iterator[Action]:
    """What is to be done at a node of this call, oldest version first; the given content last."""
    yield from (RemoveHelper(node, helper) for helper in observed.helpers.get(node, ()))
    given = desired.version if desired.content else None
    looked_at = age_order(observed) if desired.version is not None or desired.absent else []
    for version in reversed(looked_at):
        if version == given:
            continue
        if version in outdated:
            yield from _take_away(node, version, observed)
        elif not observed.holds(node, version):
            yield from _bring(node, version, observed)
    if given is not None and not observed.holds(node, given):
        yield from _unlabel(node, given, observed)
        yield Write(node, given, anew=_anew(observed, node, given))
        yield Label(node, given)


def _take_away(node: str, version: str, observed: Observed) -> Iterator[Action]:
    yield from _unlabel(node, version, observed)
    if version in observed.volumes[node] and version not in observed.in_use.get(node, NONE):
        yield Remove(node, version)


def _bring(node: str, version: str, observed: Observed) -> Iterator[Action]:
    """From a node of this call that holds it, else from another docker host's; where nobody has it, there is no way."""
    yield from _unlabel(node, version, observed)
    holders = (other for other in sorted(observed.volumes) if observed.holds(other, version))
    source = next(holders, observed.elsewhere.get(version))
    if source is not None:
        yield Copy(node, version, source, anew=_anew(observed, node, version))
        yield Label(node, version)


def _unlabel(node: str, version: str, observed: Observed) -> Iterator[Action]:
    if version in observed.labels.get(node, NONE):
        yield Unlabel(node, version)


def _anew(observed: Observed, node: str, version: str) -> bool:
    """Whether the node's volume can be made anew: it isn't ours (so lacks our labels) and no container holds it."""
    volume = observed.volumes[node].get(version)
    return volume is not None and not volume.managed and version not in observed.in_use.get(node, NONE)


def labels_after(observed: Observed, actions: list[Action], desired: Desired) -> dict[str, list[str]]:
    """Which versions each node holds after these actions. Of this call's nodes, what was seen counts, not a label."""
    after = {node: set(versions) for node, versions in observed.labels.items()}
    for node in observed.volumes:
        after[node] = {version for version in observed.labels.get(node, NONE) if observed.holds(node, version)}
    for node, versions in desired.ready.items():
        after.setdefault(node, set()).update(versions)
    for action in actions:
        if isinstance(action, (Unlabel, Remove)):
            after.setdefault(action.node, set()).discard(action.version)
    for action in actions:
        if isinstance(action, (Write, Copy, Label)):
            after.setdefault(action.node, set()).add(action.version)
    return {node: sorted(versions) for node, versions in sorted(after.items())}


def lacking(observed: Observed, desired: Desired, after: Mapping[str, list[str]]) -> list[str]:
    """Nodes of this call that don't get the version, since no node that could be read holds it."""
    if desired.version is None:
        return []
    return [node for node in sorted(observed.volumes) if desired.version not in after[node]]
