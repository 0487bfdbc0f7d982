#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_logs
short_description: Print the logs of a stack's services
version_added: 1.0.0
description:
  - Reads what the tasks of a stack have logged on whatever node, puts it in order of time, and prints it on the
    controller with each line's task and node.
  - What has ended is there too, as long as swarm remembers the task and the engine has its container.
author: The fungap.swarm authors (@fungap)
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
  stack:
    description: Name of the stack; an app is one.
    type: str
    required: true
  service:
    description: One service of it. By default all.
    type: str
  requests:
    description:
      - Read the access log of the stack V(proxy) in place of O(stack)'s own logs, and these requests of it.
      - The filter P(fungap.swarm.app_requests#filter) makes it for an app.
    type: list
    elements: dict
    version_added: 1.1.0
    suboptions:
      host:
        description: Host name.
        type: str
        required: true
      paths:
        description: Paths, each with all below it.
        type: list
        elements: str
        default: [/]
      other_paths:
        description: Paths of other apps. A longer one takes precedence.
        type: list
        elements: str
        default: []
  since:
    description:
      - How far back, as V(10m) or V(1h30m). By default as far as there is anything, V(15m) with O(requests).
    type: str
  lines:
    description: How many lines at most, the latest.
    type: int
    default: 200
  timeout_seconds:
    description: How long to wait for nodes that do not answer.
    type: int
    default: 20
"""

EXAMPLES = r"""
- name: Show what the app web has said within the last ten minutes
  fungap.swarm.stack_logs:
    stack: web
    since: 10m
    manager_sockets: [/run/fungap/manager1/docker.sock]
"""

RETURN = r"""
lines:
  description: The oldest first.
  returned: success
  type: list
  elements: dict
  sample: [{when: "2026-11-22T15:00:00.123456789Z", task: web.1, node: worker1, text: listening on 3000}]
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import MANAGERS
from ansible_collections.fungap.swarm.plugins.module_utils.stack.read_logs import StackLogs


def main() -> None:
    """Run the module."""
    runner.run(
        StackLogs,
        {
            "stack": {"type": "str", "required": True},
            "service": {"type": "str"},
            "requests": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "host": {"type": "str", "required": True},
                    "paths": {"type": "list", "elements": "str", "default": ["/"]},
                    "other_paths": {"type": "list", "elements": "str", "default": []},
                },
            },
            **MANAGERS,
            "since": {"type": "str"},
            "lines": {"type": "int", "default": 200},
            "timeout_seconds": {"type": "int", "default": 20},
        },
    )


if __name__ == "__main__":
    main()
