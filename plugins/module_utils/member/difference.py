# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan changes of the nodes, for a diff. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    EngineMembership,
    Entry,
    Swarm,
    WantedNode,
    without_platform_labels,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.plan import MembersPlan

Row: TypeAlias = "dict[str, object]"


def describe(
    wanted: Sequence[WantedNode],
    engines: Mapping[str, EngineMembership],
    swarm: Swarm,
    plan: MembersPlan,
) -> tuple[dict[str, Row], dict[str, Row]]:
    """(before, after): {node: {state, role, availability, labels}} for a diff; labels of env_volume are left out."""
    before: dict[str, Row] = {}
    after: dict[str, Row] = {}
    named = {node.name for node in wanted}
    touched = dict.fromkeys(node.name for node in plan.nodes)
    for node in [*wanted, *(WantedNode(name, "absent") for name in touched if name not in named)]:
        engine = engines.get(node.name)
        entry = swarm.row_of(node, engine)
        before[node.name] = now = _as_it_is(engine, entry)
        if node.name not in touched:
            after[node.name] = now
        elif plan.complete:
            after[node.name] = _as_wanted(node, entry)
        else:
            after[node.name] = {**now, "state": "ready"}
    return before, after


def _as_it_is(engine: EngineMembership | None, entry: Entry | None) -> Row:
    if entry:
        return _row(entry.state, entry.role, entry.availability, entry.labels)
    if engine and engine.state != "inactive":
        return {"state": engine.state if engine.state != "active" else "in another swarm"}
    return {"state": "absent"}


def _as_wanted(node: WantedNode, entry: Entry | None) -> Row:
    if node.state == "absent":
        return {"state": "absent"}
    had = entry or Entry("", node.name)
    labels = had.labels if node.labels is None else node.labels
    return _row("ready", node.state, node.availability or had.availability, labels)


def _row(state: str, role: str, availability: str, labels: Mapping[str, str]) -> Row:
    own = dict(sorted(without_platform_labels(labels).items()))
    return {"state": state, "role": role, "availability": availability, "labels": own}
