#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_use_info
short_description: Which images a swarm runs or can be rolled back to
version_added: 1.0.0
description:
  - Returns every image that a service of the swarm runs, that swarm itself would roll a service back to, and that a
    kept revision of a stack recorded; each with the reason. What M(fungap.swarm.registry_prune) and
    M(fungap.swarm.image_prune) must leave.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker.managers
attributes:
  check_mode:
    support: full
    description: Only reads.
  diff_mode:
    support: none
    description: Only reads.
  idempotent:
    support: full
    description: Only reads.
"""

EXAMPLES = r"""
- name: Ask what the swarm needs
  fungap.swarm.image_use_info:
    manager_sockets: [/run/fungap/manager1/docker.sock]
  register: used
"""

RETURN = r"""
images:
  description: Reference of each image to the reasons for which it is needed.
  returned: success
  type: dict
  sample: {"registry:5000/web@sha256:9f2c...": [service web_web, revision 7 of web]}
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import MANAGERS
from ansible_collections.fungap.swarm.plugins.module_utils.prune.use_info import ImageUse


def main() -> None:
    """Run the module."""
    runner.run(
        ImageUse,
        {
            **MANAGERS,
        },
    )


if __name__ == "__main__":
    main()
