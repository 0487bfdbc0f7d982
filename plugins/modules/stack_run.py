#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_run
short_description: Run a command once with what a service of a stack runs with
version_added: 1.0.0
description:
  - Runs a command as a task of its own on the swarm, with the image, environment, env file, networks and limits of a
    service, as the stack's revision in force has them. What serves goes on beside it.
  - Its output is shown while it runs. The task fails unless the command ends with 0.
  - Swarm never starts it a second time. It is taken away when it has ended, and remembered in the swarm with who ran
    it, when, what, and how it ended; the last 20 of a stack are. Nothing of its output is kept, so nothing secret
    belongs in the command itself.
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker.managers
attributes:
  check_mode:
    support: full
    description: Says what would run, and runs nothing.
  diff_mode:
    support: none
    description: What it changes is not known.
  idempotent:
    support: none
    description: It runs each time.
options:
  stack:
    description: Name of the stack; an app is one.
    type: str
    required: true
  service:
    description: The service of it whose image and environment the command gets.
    type: str
    default: web
  command:
    description: A list of words, or one text, whose quotes are heeded. No shell reads it.
    type: raw
    required: true
  deadline_seconds:
    description: How long it may take. Then it is ended.
    type: float
    default: 3600
  registry_config:
    description:
      - A folder with a C(config.json) of the docker CLI that holds the registry's credentials. They are handed to the
        node.
    type: path
  who:
    description: Who asked for it, for the record.
    type: str
  why:
    description: The reason, for the record.
    type: str
  progress:
    description: Set by the controller part. The file in which its output is told.
    type: path
"""

EXAMPLES = r"""
- name: Run a report
  fungap.swarm.stack_run:
    stack: web
    command: [node, report.js, --month, "11"]
    manager_sockets: [/run/fungap/manager1/docker.sock]
    registry_config: /etc/fungap/registry-client
"""

RETURN = r"""
stack:
  description: The stack's name.
  type: str
  returned: success
revision:
  description: The revision whose image and environment it had.
  type: int
  returned: success
exit_code:
  description: Of the command; none where it did not get to its end.
  type: int
  returned: when it ran
lines:
  description: Its output, the last 5,000 lines of it.
  type: list
  elements: str
  returned: when it ran
detail:
  description: How it ended, and on which node.
  type: str
  returned: when it ran
  sample: done on worker1
seconds:
  description: How long it took.
  type: float
  returned: when it ran
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import MANAGERS
from ansible_collections.fungap.swarm.plugins.module_utils.stack.run_once import StackRun


def main() -> None:
    """Run the module."""
    runner.run(
        StackRun,
        {
            "stack": {"type": "str", "required": True},
            "service": {"type": "str", "default": "web"},
            **MANAGERS,
            "command": {"type": "raw", "required": True},
            "deadline_seconds": {"type": "float", "default": 3600},
            "registry_config": {"type": "path"},
            "who": {"type": "str"},
            "why": {"type": "str"},
            "progress": {"type": "path"},
        },
    )


if __name__ == "__main__":
    main()
