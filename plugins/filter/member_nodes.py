# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: member_nodes
short_description: The nodes that swarm_member is to bring in, as it wants them told on one docker host
version_added: 1.0.0
author: The fungap.swarm authors (@fungap)
description:
  - Gives the option O(fungap.swarm.swarm_member#module:nodes) for a call on one docker host. The nodes that this host
    carries get their socket.
  - The first manager of all nodes may start a swarm.
positional: _input, host
options:
  _input:
    description:
      - The platform's nodes, each with C(name), C(host), C(role), C(socket), C(address), optionally C(labels),
        C(availability), C(hostname).
    type: list
    elements: dict
    required: true
  host:
    description: The docker host that the call runs on.
    type: str
    required: true
  only_here:
    description: Whether nodes on other docker hosts are left out.
    type: bool
    default: false
  absent:
    description: Nodes to take away, each with C(name), optionally C(host) and C(socket).
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Make the nodes of this docker host members
  fungap.swarm.swarm_member:
    nodes: "{{ platform.nodes | fungap.swarm.member_nodes(inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: The option C(nodes) of M(fungap.swarm.swarm_member).
  type: list
  elements: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.member import member_nodes


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"member_nodes": member_nodes}
