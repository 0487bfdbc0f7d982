# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which nodes may yet come right by themselves, after a restart. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ansible_collections.fungap.swarm.plugins.module_utils.member.model import EngineMembership, Swarm, WantedNode


def unsettled(wanted: Sequence[WantedNode], engines: Mapping[str, EngineMembership], swarm: Swarm) -> list[str]:
    """Names of nodes that aren't right but may come right by themselves within seconds (just restarted)."""
    return [
        node.name
        for node in wanted
        if node.state != "absent" and _may_settle(node, engines.get(node.name), swarm, engines)
    ]


def _may_settle(
    node: WantedNode, engine: EngineMembership | None, swarm: Swarm, engines: Mapping[str, EngineMembership]
) -> bool:
    if engine is None:
        return len([row for row in swarm.by_hostname(node.swarm_name) if row.state == "ready"]) > 1
    if engine.state in ("inactive", "locked") or not (engine.node_id or engine.holds_data):
        return False
    if not swarm.exists:
        return engine.holds_a_swarm
    entry = swarm.by_id(engine.node_id)
    if entry is None or (entry.state == "ready" and engine.state == "active"):
        return False
    return not node.has_moved(engine) and not is_cut_off(engine, swarm, engines)


def is_cut_off(engine: EngineMembership, swarm: Swarm, engines: Mapping[str, EngineMembership]) -> bool:
    """True if every manager address that this engine knows is outdated."""
    advertised = {other.node_id: other.address for other in engines.values() if other.node_id}
    live = {
        advertised.get(entry.id) or entry.manager_address.rpartition(":")[0]
        for entry in swarm.entries
        if entry.is_manager
    }
    known = {address.rpartition(":")[0] for address in engine.managers.values()}
    return bool(known) and not known & live
