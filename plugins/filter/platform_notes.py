# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: platform_notes
short_description: Where a platform is reached, and what to try next
version_added: 0.1.0
description: Returns the lines that stand below the tables of a summary.
author: The fungap.swarm authors (@fungap)
positional: secrets, disk, left_out
options:
  _input:
    description: The fact C(platform), as M(fungap.swarm.preflight) returns it.
    type: dict
    required: true
  secrets:
    description: The fact C(platform_secrets), as M(fungap.swarm.platform_secrets) returns it.
    type: dict
    required: true
  disk:
    description: C(disk) of the fact C(docker_host).
    type: dict
  left_out:
    description: Name to reason, of images that could not be had, as the fact C(platform_images_missing) has them.
    type: dict
"""

EXAMPLES = r"""
- name: Say where the platform is reached
  ansible.builtin.debug:
    msg: "{{ ansible_facts['platform'] | fungap.swarm.platform_notes(ansible_facts['platform_secrets']) }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: list
  elements: str
"""

from collections.abc import Callable

from ansible_collections.fungap.swarm.plugins.plugin_utils.status import platform_notes


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., list[str]]]:
        """Return the filter by its name."""
        return {"platform_notes": platform_notes}
