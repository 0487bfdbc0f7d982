# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the platform's nodes to what swarm_member is told on one docker host. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def member_nodes(
    nodes: Sequence[Mapping[str, Any]], host: str, *, only_here: bool = False, absent: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """The module's ``nodes``, for a call on ``host``.

    ``nodes``: {name, host, role, socket, address, labels?, availability?, hostname?, data_path_address?}; only those
    on ``host`` get a socket. ``only_here``: leave out the others. ``absent``: {name, host?, socket?} of nodes to take
    away.
    The first manager of all may start a swarm.
    """
    first = next((node["name"] for node in nodes if node["role"] == "manager"), None)
    wanted = [
        {
            "name": node["name"],
            "state": node["role"],
            "bootstrap": node["name"] == first,
            **_given(node, "address", "data_path_address", "labels", "availability", "hostname"),
            **(_given(node, "socket") if node["host"] == host else {}),
        }
        for node in nodes
        if node["host"] == host or not only_here
    ]
    gone = [
        {"name": node["name"], "state": "absent", **(_given(node, "socket") if node.get("host", host) == host else {})}
        for node in absent
        if node.get("host", host) == host or not only_here
    ]
    return wanted + gone


def _given(node: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: node[key] for key in keys if node.get(key) is not None}
