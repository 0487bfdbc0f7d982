# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules have in common that ask an engine; their argument specs take it from ``module_utils/core/options``."""

from __future__ import annotations


class ModuleDocFragment:
    """``docker``: the docker host's engine; ``docker.managers``: the swarm's managers."""

    DOCUMENTATION = r"""
options:
  docker_socket:
    description: Unix socket of the docker host's own engine.
    type: path
    default: /var/run/docker.sock
attributes:
  action_group:
    description: C(group/fungap.swarm.docker) in C(module_defaults) sets its options for all of them.
    support: full
    membership: [fungap.swarm.docker]
"""

    MANAGERS = r"""
options:
  manager_sockets:
    description: Unix sockets of managers' engines on the docker host. The first that answers as a manager is asked.
    type: list
    elements: path
    required: true
attributes:
  action_group:
    description: C(group/fungap.swarm.managers) in C(module_defaults) sets its options for all of them.
    support: full
    membership: [fungap.swarm.managers]
"""
