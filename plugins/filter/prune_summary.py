# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: prune_summary
short_description: What a clean-up did, for a person
version_added: 1.0.0
description: Returns a table of what was removed where, and what is wrong, as lines.
author: The fungap.swarm authors (@fungap)
positional: hosts, check
options:
  _input:
    description: What M(fungap.swarm.registry_prune) returned, empty where the registry's machine does not answer.
    type: dict
    required: true
  hosts:
    description: What M(fungap.swarm.image_prune) returned on each docker host.
    type: list
    elements: dict
    required: true
  check:
    description: Whether nothing was done, because of check mode.
    type: bool
    required: true
"""

EXAMPLES = r"""
- name: Say what was removed
  ansible.builtin.debug:
    msg: "{{ registry_pruned | fungap.swarm.prune_summary([images_pruned], ansible_check_mode) }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.prune import prune_summary


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"prune_summary": prune_summary}
