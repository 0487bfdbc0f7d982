#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: volume_copy
short_description: Keep a copy of a container's volume before the container gets another image
version_added: 1.0.0
description:
  - Where a container was made of another image than the wanted one, stops it and copies its volume to another one,
    whose name ends with C(-before-) and the version that leaves. An older copy of that name is replaced.
  - Else, and where there is no container, nothing is done. Whoever puts the new container in place starts it.
  - A run that is killed in between copies anew.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Says what it would copy.
  diff_mode:
    support: full
    description: Shows the image before and after.
  idempotent:
    support: full
    description: With the new container in place nothing is done.
options:
  volume:
    description: The volume, of the driver C(local).
    type: str
    required: true
  container:
    description: The container that uses it.
    type: str
    required: true
  image:
    description: The image that the container is to have, by name or ID.
    type: str
    required: true
  version_variable:
    description:
      - The environment variable by which an image tells its version. One without it is told by the first twelve digits
        of its ID.
    type: str
    required: true
  labels:
    description: Labels of the copy.
    type: dict
    default: {}
  stop_seconds:
    description: How long the container may take to stop.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Keep the home of the version that is replaced
  fungap.swarm.volume_copy:
    volume: fungap-jenkins-home
    container: fungap-jenkins
    image: fungap/jenkins:0d5a8b1e7c3f
    version_variable: JENKINS_VERSION
"""

RETURN = r"""
copy:
  description: The volume that holds the copy; empty where none was to be made.
  returned: success
  type: str
  sample: fungap-jenkins-home-before-2.555.3
actions:
  description: What was done, or would be.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.volume.copy import VolumeCopy


def main() -> None:
    """Run the module."""
    runner.run(
        VolumeCopy,
        {
            **DOCKER,
            "volume": {"type": "str", "required": True},
            "container": {"type": "str", "required": True},
            "image": {"type": "str", "required": True},
            "version_variable": {"type": "str", "required": True},
            "labels": {"type": "dict", "default": {}},
            "stop_seconds": {"type": "int", "default": 60},
        },
    )


if __name__ == "__main__":
    main()
