#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_info
short_description: Nodes and services of a platform as its swarm sees them
version_added: 1.0.0
description:
  - Reads nodes, services and their running replicas from the first of the given managers that answers as one, and the
    recorded revisions of the stacks that M(fungap.swarm.swarm_stack) deployed.
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
options:
  stacks_dir:
    description: The O(fungap.swarm.swarm_stack#module:path) that the stacks are deployed with. With it, RV(stacks)
      tells who changes one right now, and
      whether there is anything to do.
    type: path
  keep:
    description: The O(fungap.swarm.swarm_stack#module:keep) that the stacks are deployed with.
    type: int
    default: 5
  wait_seconds:
    description: How long to wait for nodes that are not ready yet, and services whose replicas do not all run yet.
    type: int
    default: 0
  progress:
    description: Set by whoever follows the wait. The file in which is told what is not there yet.
    type: path
"""

EXAMPLES = r"""
- name: Look at the platform
  fungap.swarm.platform_info:
    manager_sockets: [/run/fungap/manager1/docker.sock]
  register: platform_now
"""

RETURN = r"""
cluster_id:
  description: The swarm's ID.
  returned: success
  type: str
nodes:
  description: Nodes, sorted by role and name. C(volumes) are those of apps that their labels say they have.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: manager1, role: manager, state: ready, availability: active, address: 172.30.0.11, volumes: [wiki_uploads]}
services:
  description: Services, sorted by name, with the number of replicas that run and that are wanted.
  returned: success
  type: list
  elements: dict
  sample: [{name: web_web, mode: replicated, running: 3, wanted: 3}]
stacks:
  description: By name, the stacks that have a record.
  returned: success
  type: dict
  contains:
    in_force:
      description: Number of the revision that ought to be running, V(0) when none ever ran.
      type: int
    revisions:
      description: Newest first, each with its C(number), C(when), C(who), C(why), C(kind), C(verdict), C(cause),
        C(images) by service, and C(release).
      type: list
      elements: dict
    runs:
      description: What M(fungap.swarm.stack_run) ran, newest first, each with C(when), C(who), C(why), C(what),
        C(revision), C(seconds) and C(detail), how it ended.
      type: list
      elements: dict
    scheduled_runs:
      description: What became of the slots of an app's C(cron), newest first, the last ten of each, with the same.
      type: list
      elements: dict
    drift:
      description: What was changed by hand since the deploy, a line each.
      type: list
      elements: str
    locked_by:
      description: Who changes the stack right now, empty when nobody does.
      type: str
    services:
      description: Running and wanted tasks by service.
      type: dict
    made_for:
      description: Whether the docker hosts had C(ipvs) when it was deployed, and the C(mtu) of its own networks.
      type: dict
    settled:
      description:
        - With O(stacks_dir), where nothing is left to do and every replica runs, a digest of what is deployed. For
          O(fungap.swarm.swarm_stack#module:seen).
      type: str
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import MANAGERS
from ansible_collections.fungap.swarm.plugins.module_utils.stack.info import Status


def main() -> None:
    """Run the module."""
    runner.run(
        Status,
        {
            **MANAGERS,
            "stacks_dir": {"type": "path"},
            "keep": {"type": "int", "default": 5},
            "wait_seconds": {"type": "int", "default": 0},
            "progress": {"type": "path"},
        },
    )


if __name__ == "__main__":
    main()
