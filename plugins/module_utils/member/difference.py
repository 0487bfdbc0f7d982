# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan changes of the nodes, for a diff. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ansible_collections.fungap.swarm.plugins.module_utils.member.model import (
    ENV_LABEL_PREFIX,
    EngineMembership,
    Entry,
    Swarm,
    WantedNode,
)
from ansible_collections.fungap.swarm.plugins.module_utils.member.plan import MembersPlan


def describe(
    wanted: Sequence[WantedNode],
    engines: Mapping[str, EngineMembership],
    swarm: Swarm,
    plan: MembersPlan,
) -> tuple[dict[str, dict[str, object]], dict[str, dict[str, object]]]:
    """(before, after): {node: {state, role, availability, labels}} for a diff; labels of env_volume are left out."""
    before: dict[str, dict[str, object]] = {}
    after: dict[str, dict[str, object]] = {}
    touched = {node.name: node for node in plan.nodes}
    for node in [
        *wanted,
        *(WantedNode(name, "absent") for name in touched if name not in {one.name for one in wanted}),
    ]:
        engine = engines.get(node.name)
        entry = (swarm.by_id(engine.node_id) if engine else None) or next(
            iter(swarm.by_hostname(node.swarm_name)), None
        )
        if entry and engine and entry.id != engine.node_id:
            entry = None
        now: dict[str, object] = {"state": "absent"}
        if entry:
            now = _row(entry.state, entry.role, entry.availability, entry.labels)
        elif engine and engine.state != "inactive":
            now = {"state": engine.state if engine.state != "active" else "in another swarm"}
        before[node.name] = now
        after[node.name] = now
        if node.name in touched and plan.complete:
            if node.state == "absent":
                after[node.name] = {"state": "absent"}
            else:
                shown = replace(entry, state="ready") if entry else Entry("", node.name)
                after[node.name] = _row(
                    "ready",
                    node.state,
                    node.availability or shown.availability,
                    shown.labels if node.labels is None else node.labels,
                )
        elif node.name in touched:
            after[node.name] = {**now, "state": "ready"}
    return before, after


def _row(state: str, role: str, availability: str, labels: Mapping[str, str]) -> dict[str, object]:
    own = {key: value for key, value in sorted(labels.items()) if not key.startswith(ENV_LABEL_PREFIX)}
    return {"state": state, "role": role, "availability": availability, "labels": own}
