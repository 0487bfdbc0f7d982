# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: swarm_nodes
short_description: The platform's nodes by the names that the swarm knows
version_added: 1.0.0
description:
  - The swarm calls a node by its host name. A node that is a machine itself may have another one than in the inventory.
  - Returns the nodes with C(hostname) as C(name).
author: The fungap.swarm authors (@fungap)
options:
  _input:
    description: Nodes of the fact C(platform), each with C(name) and C(hostname).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Tell the nodes as docker node ls does
  ansible.builtin.debug:
    msg: "{{ platform.nodes | fungap.swarm.swarm_nodes | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: The nodes, otherwise as they were.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def swarm_nodes(nodes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return each node with its host name as its name."""
    return [{**node, "name": node["hostname"]} for node in nodes]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"swarm_nodes": swarm_nodes}
