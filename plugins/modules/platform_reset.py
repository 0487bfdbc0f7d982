#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_reset
short_description: Take a platform off a docker host
version_added: 1.0.0
description:
  - Removes what carries the platform's label on a docker host's engine, or that of its Jenkins (the platform's name
    with C(-jenkins)), and the platform's own folders. Nothing else.
  - A folder is the platform's where its marker, the file C(.fungap-platform), says so, by name and ID. One that
    was made before there were markers is, where a container of the platform mounts what the platform keeps there, or
    where it has the login for O(registry). What an operator laid into it (C(images)) stays.
  - Volumes, which hold the nodes' identity, the registry's images and the apps' data, go only when asked for.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Says what would be removed.
  diff_mode:
    support: full
    description: Lists what is there before and after.
  idempotent:
    support: full
    description: A second call finds nothing to remove.
options:
  platform:
    description: Name of the platform.
    type: str
    required: true
  ca_file:
    description:
      - The platform's CA on the controller, whose key is its ID. Where a marker has another one, nothing is removed.
    type: path
    default: ""
  id_replaced:
    description: The ID of another platform of the same name that is to be removed all the same.
    type: str
    default: ""
  platform_ids:
    description: What these two come to. Filled in by the action plugin; not meant to be given.
    type: list
    elements: str
    default: []
  paths:
    description:
      - Folders of the platform. One that the system or something else on the machine uses, or that is not empty and
        not proved to be the platform's, is refused before anything is removed.
    type: list
    elements: path
    default: []
  volumes:
    description: Remove the volumes too. What is on them is lost.
    type: bool
    default: false
  registry:
    description:
      - The platform's own registry as C(host:port). Its folder in C(/etc/docker/certs.d) goes. With O(volumes), the
        names that images have for it go too; the images stay under their other names.
    type: str
    default: ""
  images:
    description:
      - Remove the images that were built for the platform; the next run makes them again. What was built for another
        platform stays, and beside another one what doesn't say for which (an older version has built it).
    type: bool
    default: false
  leave_swarm:
    description:
      - Let the docker host's own engine leave the swarm that it is in, whatever its role. A manager ends all services
        first, and the engine leaves when none of their tasks is left on it, after 60 s at the latest.
      - It stays where none of O(paths) is proved to be the platform's, as the swarm may be somebody else's.
    type: bool
    default: false
  memory_file:
    description:
      - A file on the controller in which it is remembered what is in force. It goes, too. Anything else at that path
        stays, and RV(listing) says so.
    type: path
    default: ""
  memory_left:
    description: Why that file stays. Filled in by the action plugin; not meant to be given.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Take the platform away, keep its data
  fungap.swarm.platform_reset:
    platform: fungap
    paths: [/etc/fungap, /run/fungap]
"""

RETURN = r"""
actions:
  description: What was removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [remove container fungap-manager1, remove path /etc/fungap]
listing:
  description: What is removed and what stays, a line for each kind of things, for a person to read.
  returned: success
  type: list
  elements: str
  sample:
    - "remove containers: fungap-manager1, fungap-registry"
    - "remove folders, with what is in them: /etc/fungap, /run/fungap"
    - "keep volumes: fungap-manager1, fungap-registry (-e reset_volumes=true removes them)"
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.reset.operation import Reset


def main() -> None:
    """Run the module."""
    runner.run(
        Reset,
        {
            "platform": {"type": "str", "required": True},
            "ca_file": {"type": "path", "default": ""},
            "id_replaced": {"type": "str", "default": ""},
            "platform_ids": {"type": "list", "elements": "str", "default": []},
            **DOCKER,
            "paths": {"type": "list", "elements": "path", "default": []},
            "volumes": {"type": "bool", "default": False},
            "registry": {"type": "str", "default": ""},
            "images": {"type": "bool", "default": False},
            "leave_swarm": {"type": "bool", "default": False},
            "memory_file": {"type": "path", "default": ""},
            "memory_left": {"type": "str", "default": ""},
        },
    )


if __name__ == "__main__":
    main()
