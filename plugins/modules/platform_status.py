#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_status
short_description: Print nodes and services of a platform, or the revisions of an app
version_added: 1.0.0
description:
  - Prints nodes, services and what is wrong with them as tables, on the controller.
  - An action plugin that reads through M(fungap.swarm.platform_info) and returns what that returns.
author: The fungap.swarm authors (@fungap)
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
  manager_sockets:
    description: Unix sockets of managers' engines on this docker host.
    type: list
    elements: path
    required: true
  title:
    description: The first line.
    type: str
    required: true
  platform:
    description:
      - The fact C(platform) of M(fungap.swarm.preflight). What the inventory has and the swarm lacks, or the other way
        round, is said, and where the apps and pages that are there are reached. Not needed with O(history_of).
    type: dict
  secrets:
    description: The fact of M(fungap.swarm.platform_secrets), for where passwords and the CA are.
    type: dict
    default: {}
  disks:
    description: Docker host -> C(disk) of its fact C(docker_host).
    type: dict
    default: {}
  containers:
    description:
      - Docker host -> C(docker.containers) of its fact C(docker_host). With it, a Jenkins that runs and is not in the
        inventory is named.
    type: dict
    default: {}
  left_out:
    description: Images that could not be had, and why, by name.
    type: dict
    default: {}
  sources:
    description: Of the others, by name, V(pull), V(build) or V(bootstrap), where that was decided image by image.
    type: dict
    default: {}
  notes:
    description: More lines below the tables.
    type: list
    elements: str
    default: []
  stacks_dir:
    description: Where the stacks' compose files are. With it, who changes one right now is shown.
    type: path
  history_of:
    description: Print the revisions of this stack instead.
    type: str
  wait_seconds:
    description: How long to wait for nodes that are not ready yet, and services whose replicas do not all run yet.
    type: int
    default: 0
  memory_file:
    description:
      - A file on the controller in which it is remembered what is in force, for M(fungap.swarm.swarm_member). It is no
        change of the platform, and not written in check mode.
    type: path
  strict:
    description: Fail where a node is not ready or a service does not run as wanted.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Show the platform
  fungap.swarm.platform_status:
    title: Platform fungap
    manager_sockets: [/run/fungap/manager1/docker.sock]
    platform: "{{ ansible_facts['platform'] }}"
"""

RETURN = r"""
nodes:
  description: As returned by M(fungap.swarm.platform_info).
  returned: success
  type: list
  elements: dict
services:
  description: As returned by M(fungap.swarm.platform_info).
  returned: success
  type: list
  elements: dict
"""
