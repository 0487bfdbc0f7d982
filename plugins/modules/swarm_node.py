#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_node
short_description: Docker-in-Docker nodes of one docker host
version_added: 1.0.0
description:
  - Brings all Docker-in-Docker nodes that one docker host carries into being, in one call - the bridge network with
    fixed addresses, a named volume per node, the node's container, and an engine that answers on a unix socket.
  - A node whose settings changed gets a new container on its old volume, one node at a time, so it stays the same
    member of the swarm. New nodes start in parallel.
  - Nodes are only containers here; their membership is M(fungap.swarm.swarm_member)'s.
  - Where the look of the role C(preflight) in the same run shows that all is as wanted, the module is not started.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Says what it would do and changes nothing.
  diff_mode:
    support: full
    description: Shows nodes and their settings before and after.
  idempotent:
    support: full
    description: A second call changes nothing.
options:
  platform:
    description: Name of the platform; the prefix of every object.
    type: str
    required: true
  image:
    description: Image of the nodes, as the docker host's engine knows it.
    type: str
    required: true
  subnet:
    description: Subnet of the nodes' bridge network, in CIDR notation.
    type: str
    required: true
  mtu:
    description: MTU of the nodes' bridge network, in bytes.
    type: int
    default: 1500
  run_dir:
    description: Folder on the docker host that holds a root-only folder with the engine's socket for each node.
    type: path
    required: true
  owner:
    description:
      - Name of the platform that O(own_folders) belong to. Not O(platform) for the engine of a platform's Jenkins.
    type: str
    default: ""
  platform_ids:
    description: As M(fungap.swarm.config_files)'s O(fungap.swarm.config_files#module:platform_ids), of O(owner).
    type: list
    elements: str
    default: []
  own_folders:
    description:
      - The platform's folders that nodes mount. Each gets a marker, the file C(.fungap-platform), before a node starts;
        a reboot that empties C(/run) is no change. A folder that is not empty and not the platform's is refused.
    type: list
    elements: path
    default: []
  nodes:
    description: The nodes that this docker host is to carry.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the node; its hostname.
        type: str
        required: true
      address:
        description: Its fixed IPv4 address within O(subnet).
        type: str
        required: true
      cpus:
        description: CPUs that it may use; 0 for all.
        type: float
        default: 0
      memory:
        description: Memory that it may use, for example V(2G); empty for all.
        type: str
        default: ""
  init:
    description: Content of the init script that is PID 1 of each node.
    type: str
    required: true
  daemon:
    description: The nodes' C(daemon.json).
    type: dict
    default: {}
  privileged:
    description: Run nodes with C(--privileged) (V(true)) or with an explicit list of capabilities (V(false)).
    type: bool
    default: false
  extra_hosts:
    description: Names that the nodes' engines resolve, with their addresses.
    type: dict
    default: {}
  binds:
    description: Further mounts, C(host:node[:ro]). What is no path is a volume.
    type: list
    elements: str
    default: []
  prune:
    description: Remove the containers of nodes that are not in O(nodes). Their volumes stay.
    type: bool
    default: false
  deadline_seconds:
    description: Seconds that an engine may take to answer after its start.
    type: int
    default: 90
"""

EXAMPLES = r"""
- name: Run two nodes
  fungap.swarm.swarm_node:
    platform: fungap
    image: fungap/node:5f2d0c1b7a9e
    subnet: 172.30.0.0/24
    run_dir: /run/fungap
    nodes:
      - {name: manager1, address: 172.30.0.11}
      - {name: worker1, address: 172.30.0.21, cpus: 1, memory: 2G}
    init: "{{ lookup('ansible.builtin.file', 'node-init') }}"
    daemon:
      hosts: [unix:///run/node/docker.sock]
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [create network fungap, create node manager1]
surplus:
  description: Nodes of the platform on this docker host that are not in O(nodes).
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.node.operation import Nodes
from ansible_collections.fungap.swarm.plugins.module_utils.node.options import OPTIONS


def main() -> None:
    """Run the module."""
    runner.run(
        Nodes,
        {
            **OPTIONS,
            **DOCKER,
        },
    )


if __name__ == "__main__":
    main()
