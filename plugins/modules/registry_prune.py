#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: registry_prune
short_description: Delete what nothing needs from the platform's registry, and free its space
version_added: 1.0.0
description:
  - Deletes, by the registry's API, every image that is not needed, not part of a needed one, and not younger than a
    grace period. Images that have lost their tag are found too, since the registry's storage is read where it lies.
  - Then the registry collects its garbage in a window in which it is read-only. Pulls go on, but for a second at each
    end, when the registry's container is exchanged. The window is closed however the collection ends; after a run that
    was killed, the next one closes it, or the role registry does.
  - Before the window opens, pushes are waited for. One that begins in it is refused by the registry, and has to be made
    again.
  - It runs on the docker host that carries the registry.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Says what would be deleted, and how many bytes that would free.
  diff_mode:
    support: full
    description: Lists the images, and why each one stays.
  idempotent:
    support: full
    description: A second call finds nothing to delete and does not restart the registry.
options:
  container:
    description: Name of the registry's container. Its data is on a volume at C(/var/lib/registry).
    type: str
    required: true
  registry_address:
    description: The registry as C(host:port), as it stands in the references of images.
    type: str
    required: true
  registry_config:
    description: The folder with the C(config.json) of a Docker CLI that has the registry's login.
    type: path
  certs_dir:
    description: The registry is trusted through C(<certs_dir>/<registry_address>/ca.crt).
    type: path
    default: /etc/docker/certs.d
  needed:
    description:
      - Reference of each image that has to stay, to a list of reasons, as RV(fungap.swarm.image_use_info#module:images)
        has it. Those of other registries are ignored; one that this registry lacks is warned of.
    type: dict
    required: true
  catalog:
    description: References of the catalog's images, which stay too.
    type: list
    elements: str
    default: []
  grace_seconds:
    description: What was pushed within this time stays, whether it is needed or not.
    type: float
    default: 3600
  quiet_seconds:
    description: How long no push may have been heard of before the window opens.
    type: float
    default: 15
  deadline_seconds:
    description: How long to wait for pushes to end, and for the collection.
    type: float
    default: 1800
"""

EXAMPLES = r"""
- name: Delete what nothing needs
  fungap.swarm.registry_prune:
    container: fungap-registry
    registry_address: registry:5000
    registry_config: /etc/fungap/registry-client
    needed: "{{ used.images }}"
"""

RETURN = r"""
kept:
  description: The images that stay.
  returned: success
  type: list
  elements: dict
  contains:
    image:
      description: The reference by digest.
      type: str
    tags:
      description: Its tags.
      type: list
      elements: str
    why:
      description: The reasons.
      type: list
      elements: str
removed:
  description: The images that were deleted, or would be, with the keys C(image) and C(tags).
  returned: success
  type: list
  elements: dict
removed_repositories:
  description: Names of the repositories that are empty and were removed, or would be.
  returned: success
  type: list
  elements: str
missing:
  description: Needed images that the registry does not have, to the reasons.
  returned: success
  type: dict
bytes_freed:
  description: The space that became free, measured on the volume. In check mode the sizes of what would be removed.
  returned: success
  type: int
bytes_used:
  description: The space that the registry takes now.
  returned: success
  type: int
window_seconds:
  description: How long nothing could be pushed.
  returned: when space was freed
  type: float
log:
  description: The last lines of the registry's garbage collection.
  returned: when space was freed
  type: list
  elements: str
actions:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run
from ansible_collections.fungap.swarm.plugins.module_utils.prune.registry import RegistryPrune


def main() -> None:
    """Run the module."""
    run(
        RegistryPrune,
        {
            **DOCKER,
            "container": {"type": "str", "required": True},
            "registry_address": {"type": "str", "required": True},
            "registry_config": {"type": "path"},
            "certs_dir": {"type": "path", "default": "/etc/docker/certs.d"},
            "needed": {"type": "dict", "required": True},
            "catalog": {"type": "list", "elements": "str", "default": []},
            "grace_seconds": {"type": "float", "default": 3600},
            "quiet_seconds": {"type": "float", "default": 15},
            "deadline_seconds": {"type": "float", "default": 1800},
        },
    )


if __name__ == "__main__":
    main()
