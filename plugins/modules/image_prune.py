#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_prune
short_description: Remove images that nothing needs from engines
version_added: 1.0.0
description:
  - Looks at the engines of a docker host, its own and those of its nodes, all at once, and removes images of the
    platform's registry that are not needed, older recipes of the catalog's images, and images that have no name at all
    (which builds leave behind).
  - What a container uses, a stopped one too, stays; what is younger than a grace period stays; images of other origin
    are not touched. Beside another platform on the engine, neither is what doesn't say for which it was built (an older
    version's, or pulled, or loaded).
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
attributes:
  check_mode:
    support: full
    description: Says what would be removed.
  diff_mode:
    support: full
    description: Lists the platform's images on each engine, and why each one stays.
  idempotent:
    support: full
    description: A second call finds nothing to remove.
options:
  sockets:
    description: Unix sockets of the engines by their names. One that does not answer is left out with a warning.
    type: dict
    required: true
  platform:
    description: Name of the platform. What was built for another one is not touched and not listed.
    type: str
    required: true
  registry_address:
    description: The platform's registry as C(host:port). Images of other registries stay.
    type: str
    required: true
  needed:
    description: References of the images that have to stay.
    type: list
    elements: str
    required: true
  catalog:
    description:
      - The names that the catalog's images have on the docker host, RV(fungap.swarm.image_catalog#module:tags). Other
        tags of the same names are older recipes. Empty, none of them is removed.
    type: list
    elements: str
    default: []
  grace_seconds:
    description: What was made within this time stays.
    type: float
    default: 3600
"""

EXAMPLES = r"""
- name: Remove what nothing needs from a node
  fungap.swarm.image_prune:
    platform: fungap
    sockets:
      worker1: /run/fungap/worker1/docker.sock
    registry_address: registry:5000
    needed: "{{ used.images.keys() }}"
"""

RETURN = r"""
engines:
  description: By the engine's name.
  returned: success
  type: dict
  contains:
    kept:
      description: The platform's images that stay, with the keys C(names) and C(why).
      type: list
      elements: dict
    removed:
      description: What was removed, or would be, with the keys C(names) and C(size_bytes), shared layers included.
      type: list
      elements: dict
    bytes_freed:
      description: The space that became free, as the engine measures it. Always 0 in check mode.
      type: int
silent:
  description: Names of the engines that did not answer.
  returned: success
  type: list
  elements: str
actions:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run
from ansible_collections.fungap.swarm.plugins.module_utils.prune.images import ImagePrune


def main() -> None:
    """Run the module."""
    run(
        ImagePrune,
        {
            "sockets": {"type": "dict", "required": True},
            "platform": {"type": "str", "required": True},
            "registry_address": {"type": "str", "required": True},
            "needed": {"type": "list", "elements": "str", "required": True},
            "catalog": {"type": "list", "elements": "str", "default": []},
            "grace_seconds": {"type": "float", "default": 3600},
        },
    )


if __name__ == "__main__":
    main()
