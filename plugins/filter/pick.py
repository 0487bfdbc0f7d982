# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: pick
short_description: Some keys of each mapping of a list
version_added: 1.0.0
description: Returns the list with only the named keys of each mapping; a key that a mapping lacks is left out.
author: The fungap.swarm authors (@fungap)
positional: keys
options:
  _input:
    description: The mappings.
    type: list
    elements: dict
    required: true
  keys:
    description: Names of the keys, one argument each.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Hand a module what it takes
  ansible.builtin.debug:
    msg: "{{ nodes | fungap.swarm.pick('name', 'address') }}"
"""

RETURN = r"""
_value:
  description: The mappings with only these keys.
  type: list
  elements: dict
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def pick(mappings: Iterable[Mapping[str, Any]], *keys: str) -> list[dict[str, Any]]:
    """Return each mapping with only ``keys``."""
    return [{key: mapping[key] for key in keys if key in mapping} for mapping in mappings]


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"pick": pick}
