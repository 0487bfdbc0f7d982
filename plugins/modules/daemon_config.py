#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
---
module: daemon_config
short_description: Merge keys into the engine's daemon.json
version_added: 1.0.0
description:
  - Merges keys into a C(daemon.json) that others have keys in, too. Theirs stay. A key that is wanted with another
    value than theirs is refused, with the cure, before anything is changed.
  - Maps are merged key by key, at every depth. The lists C(allow-nondistributable-artifacts), C(hosts),
    C(insecure-registries) and C(registry-mirrors) are united, theirs first. Every other list is one value.
  - What the module has added is remembered in C(fungap-swarm.json) beside the file. Only that is removed again when it
    is no longer wanted. What was there already is theirs, even with the wanted value, and so is what somebody has
    changed since.
  - The file as it was before the first change is kept beside it, with C(.original) behind its name.
  - A file that is no JSON object, that has a key twice, or that is a link, is refused. An empty file is an empty
    object.
  - Where Docker documents that a reload is enough, the engine is told to reload, and waited for. Otherwise RV(restart)
    says that it has to be restarted. That is refused while containers run that are not ours, without
    O(restart_confirmed).
options:
  defaults:
    description: The keys of a role.
    type: dict
    default: {}
  daemon:
    description:
      - The keys of the operator, which win. A key without a value is left to the machine.
      - Another C(log-driver) in here without C(log-opts) leaves out those of O(defaults).
    type: dict
    default: {}
  path:
    description: The file.
    type: path
    default: /etc/docker/daemon.json
  validate:
    description: A command, run without a shell, with V(%s) where the path of the new file goes. Not run in check mode.
    type: str
    default: ""
  platform:
    description: Name of the platform. Containers with its label, and those of its Jenkins, are ours.
    type: str
    required: true
  swarm_is_ours:
    description: Whether the tasks of the swarm that the engine is a member of are the platform's.
    type: bool
    default: false
  restart_confirmed:
    description: Whether a restart may stop containers that are not the platform's.
    type: bool
    default: false
  seen_digest:
    description:
      - What M(fungap.swarm.docker_host_info) returned as C(config_digest) of the engine earlier in this run. Where it
        shows that nothing is to be done, the module isn't started.
    type: str
    default: ""
extends_documentation_fragment:
  - fungap.swarm.docker
attributes:
  check_mode:
    support: full
    description: Can run in check mode, says what it would change, and refuses what it would refuse.
  diff_mode:
    support: full
    description: Shows the keys that change, without what looks like a login.
  idempotent:
    support: full
    description: A second run changes nothing.
author:
  - The fungap.swarm authors (@fungap)
"""

EXAMPLES = r"""
- name: Rotate the containers' logs
  fungap.swarm.daemon_config:
    platform: fungap
    daemon:
      log-driver: json-file
      log-opts: {max-size: 10m, max-file: "3"}
  register: daemon_config
"""

RETURN = r"""
restart:
  description: Whether the engine has to be restarted, for this run's changes or for those of one that was killed.
  returned: success
  type: bool
actions:
  description: What was done (in check mode, would be done), in words.
  returned: success
  type: list
  elements: str
  sample: [write mtu into /etc/docker/daemon.json]
"""

from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.operation import PATH, DaemonConfig

ARGUMENT_SPEC: dict[str, Any] = {
    "defaults": {"type": "dict", "default": {}},
    "daemon": {"type": "dict", "default": {}},
    "path": {"type": "path", "default": PATH},
    **DOCKER,
    "validate": {"type": "str", "default": ""},
    "platform": {"type": "str", "required": True},
    "swarm_is_ours": {"type": "bool", "default": False},
    "restart_confirmed": {"type": "bool", "default": False},
    "seen_digest": {"type": "str", "default": ""},
}


def main() -> None:
    runner.run(DaemonConfig, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
