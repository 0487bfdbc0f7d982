#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: host_container
short_description: Run a container on a docker host, and look at it only once in a run
version_added: 1.0.0
description:
  - Runs M(community.docker.docker_container), which does the work, unless a look at the host earlier in the run showed
    the container as it was made of these very parameters, and running.
  - The parameters are known again by a label, C(io.fungap.spec), so any change of them makes the container anew. What
    can be changed without that (memory limit, restart policy, networks) is compared as well.
  - An action plugin.
author: The fungap.swarm authors (@fungap)
attributes:
  check_mode:
    support: full
    description: As that of M(community.docker.docker_container).
  diff_mode:
    support: full
    description: As that of M(community.docker.docker_container).
  idempotent:
    support: full
    description: A container that is as wanted is left alone.
options:
  container:
    description:
      - The parameters of M(community.docker.docker_container). C(image) is an image's ID, and every one of C(networks)
        has its C(ipv4_address), else each run asks the engine again.
    type: dict
    required: true
  seen:
    description: C(docker.containers) of the fact that M(fungap.swarm.docker_host_info) returned earlier in this run.
    type: list
    elements: dict
    default: []
"""

EXAMPLES = r"""
- name: Run the edge
  fungap.swarm.host_container:
    seen: "{{ ansible_facts['docker_host'].docker.containers }}"
    container:
      name: fungap-edge
      image: sha256:0d5a8b1e7c3f
      networks: [{name: fungap, ipv4_address: 172.30.0.3}]
      memory: 128M
      restart_policy: unless-stopped
"""

RETURN = r"""
container:
  description: As M(community.docker.docker_container) returns it.
  returned: where the look did not show that there is nothing to do
  type: dict
"""
