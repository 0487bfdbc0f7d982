# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a swarm was last known to hold. Pure.

A swarm whose raft data is gone starts empty, and says that all is well. So what each stack had in force is remembered
outside of it, beside the stack's compose file on the docker host.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.model.stack import REVISION_LABEL, STACK_LABEL

FILE = "in-force.json"
OPTION = "swarm_member_begin_anew"


@dataclass(frozen=True)
class Memory:
    """Of one stack: the number of its revision in force, in which swarm, since when (UTC), with which nodes."""

    stack: str
    revision: int
    cluster_id: str
    since: str
    nodes: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Memory | None:
        """None where it is no such file."""
        try:
            fields = json.loads(text)
            return cls(**{**fields, "revision": int(fields["revision"]), "nodes": tuple(fields["nodes"])})
        except (ValueError, TypeError, LookupError):
            return None

    def dump(self) -> str:
        return json.dumps(asdict(self), sort_keys=True) + "\n"


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
            lacks.append(f"of stack {memory.stack}, {what}, and {memory.revision} was in force since {memory.since}")
    return lacks


def refusal(lacks: Iterable[str], memories: Sequence[Memory]) -> str:
    """The text for an operator."""
    swarms = sorted({memory.cluster_id for memory in memories})
    nodes = sorted({node for memory in memories for node in memory.nodes})
    return (
        f"the swarm holds less than swarm {', '.join(swarms)} (nodes {', '.join(nodes)}) was known to hold: "
        f"{'; '.join(lacks)}. Its manager has probably lost its data. Nothing was changed. To restore it, stop the "
        "manager's engine, put the folder `swarm` of its data back from a copy, and start it; to repair it, bring back "
        f"a manager that still has it. To begin anew without what is lost, say so once: -e {OPTION}={swarms[0]}"
    )
