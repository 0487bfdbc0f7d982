#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_pull
short_description: Pull an image on swarm nodes, in parallel, before a rollout needs it
version_added: 1.0.0
description:
  - Every given node that lacks the image pulls it. What would make a task fail later fails here, before anything is
    changed - an image that is missing, a registry that is down, an image for another architecture, a full disk.
  - A node whose engine does not answer is left out with a warning. Swarm does not place anything there either.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
attributes:
  check_mode:
    support: full
    description: Says which nodes would pull.
  diff_mode:
    support: full
    description: Lists the nodes that have the image.
  idempotent:
    support: full
    description: With an image by digest.
options:
  image:
    description: The image, by digest.
    type: str
    required: true
  nodes:
    description: Nodes of this docker host.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node.
        type: str
        required: true
      socket:
        description: Path of the unix socket of its engine.
        type: str
        required: true
  registry_config:
    description: Folder with the C(config.json) that holds the registry's credentials.
    type: path
"""

EXAMPLES = r"""
- name: Have the new image on the nodes
  fungap.swarm.image_pull:
    image: registry:5000/app-web@sha256:6b1d1b3b0a3a5bd7e7a7a5a9c2f1c0d5f1f8b4c9d2e3f4a5b6c7d8e9f0a1b2c3
    nodes:
      - {name: manager1, socket: /run/fungap/manager1/docker.sock}
      - {name: worker1, socket: /run/fungap/worker1/docker.sock}
    registry_config: /etc/fungap/registry-client
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import run
from ansible_collections.fungap.swarm.plugins.module_utils.image.pull import ImagePull


def main() -> None:
    """Be the module."""
    node = {"name": {"type": "str", "required": True}, "socket": {"type": "str", "required": True}}
    run(
        ImagePull,
        {
            "image": {"type": "str", "required": True},
            "nodes": {"type": "list", "elements": "dict", "required": True, "options": node},
            "registry_config": {"type": "path"},
        },
    )


if __name__ == "__main__":
    main()
