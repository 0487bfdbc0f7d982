# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a swarm was last known to hold. Pure.

A swarm whose raft data is gone starts empty, and says that all is well. So the highest revision of each stack is
remembered outside of it, whatever became of it, and in which swarm of which nodes: beside the stack's compose file on
the docker host; and on the controller, for a docker host that is blank.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import REVISION_LABEL, STACK_LABEL

FILE = "in-force.json"
OPTION = "swarm_member_begin_anew"


@dataclass(frozen=True)
class Memory:
    """Of one stack: the number of its highest revision, in which swarm, since when (UTC), with which nodes."""

    stack: str
    revision: int
    cluster_id: str
    since: str
    nodes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Memory:
        """Raises ``ValueError`` where it is no such file, or a part of one."""
        try:
            return cls.of(json.loads(text))
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(f"{text[:40]!r} is no whole memory of a stack") from error

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Memory:
        return cls(**{**fields, "revision": int(fields["revision"]), "nodes": tuple(fields["nodes"])})

    def dump(self) -> str:
        return json.dumps(asdict(self), sort_keys=True) + "\n"


def controllers_file(platform: str) -> str:
    """The name of the file in which a controller remembers all stacks of a platform, a line each."""
    return f"in-force-{platform}.json"


def parse_all(text: str) -> list[Memory]:
    """Of a controller's file, which has at least one. Raises ``ValueError`` where something of it is missing."""
    lines = text.splitlines()
    if not lines:
        raise ValueError("it is empty")
    return [Memory.parse(line) for line in lines]


def broken(path: str, error: Exception) -> str:
    """The text for an operator of a file that is no memory, or a part of one."""
    return (
        f"{path} is to tell what the swarm was known to hold, and is broken: {error}. Put it back from a copy; or, "
        "where the swarm has the revisions that it should have (make status), remove it: the next run writes it anew"
    )


def of_platform(seen: Mapping[str, Any]) -> list[Memory]:
    """What there is to remember. ``seen``: what platform_info returns."""
    nodes = tuple(node["name"] for node in seen["nodes"])
    found = []
    for name, stack in sorted(seen["stacks"].items()):
        row = max(stack["revisions"], key=lambda row: int(row["number"]), default=None)
        if row:
            found.append(Memory(name, row["number"], seen["cluster_id"], row["when"], nodes))
    return found


def to_be_held(here: Sequence[Memory], elsewhere: Sequence[Memory]) -> Sequence[Memory]:
    """What a swarm has to hold. ``here``: by the docker host, ``elsewhere``: by the controller.

    The controller's word counts where the docker host has none, and where it is the later one of a stack in the same
    swarm: a docker host that was put back from a copy remembers what its swarm held then. It may be of before another
    controller reset the platform, took a stack away, or began anew; that can't be told from a loss, so somebody has to
    say it.
    """
    if not here:
        return elsewhere
    later = {(one.stack, one.cluster_id): one for one in elsewhere}
    return [max((one, later.get((one.stack, one.cluster_id), one)), key=lambda memory: memory.since) for one in here]


def highest_revisions(configs: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """By stack, the highest number that the swarm's records have. ``configs``: of ``GET /configs``."""
    found: dict[str, int] = {}
    for config in configs:
        labels = config["Spec"].get("Labels") or {}
        if labels.get(STACK_LABEL) and str(labels.get(REVISION_LABEL)).isdigit():
            stack = labels[STACK_LABEL]
            found[stack] = max(found.get(stack, 0), int(labels[REVISION_LABEL]))
    return found


def missing(memories: Iterable[Memory], revisions: Mapping[str, int]) -> list[str]:
    """What the swarm was known to hold and lacks, a phrase for each stack."""
    lacks = []
    for memory in sorted(memories, key=lambda one: one.stack):
        has = revisions.get(memory.stack, 0)
        if has < memory.revision:
            what = f"revision {has} is the highest" if has else "there is no record"
            lacks.append(f"of stack {memory.stack}, {what}, and {memory.revision} was recorded at {memory.since}")
    return lacks


def refusal(lacks: Iterable[str], memories: Sequence[Memory]) -> str:
    """The text for an operator."""
    swarms = sorted({memory.cluster_id for memory in memories})
    nodes = sorted({node for memory in memories for node in memory.nodes})
    return (
        f"the swarm holds less than swarm {', '.join(swarms)} (nodes {', '.join(nodes)}) was known to hold: "
        f"{'; '.join(lacks)}. Its manager has probably lost its data. The swarm was left as it is. To restore it, stop "
        "the manager's engine, put the folder `swarm` of its data back from a copy, and start it; to repair it, bring "
        "back a manager that still has it. To begin anew without what is lost, or where another controller took it "
        f"away, say so once: -e {OPTION}={swarms[0]}"
    )
