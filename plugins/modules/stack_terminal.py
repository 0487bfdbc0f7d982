#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_terminal
short_description: Find a replica of a service for a terminal in it
version_added: 1.1.0
description:
  - Finds a replica that runs, and remembers in the swarm who asked for a terminal in it, when, why and with which
    command, among what M(fungap.swarm.stack_run) remembers. What is typed and shown there is kept nowhere.
  - Opens none itself - M(fungap.swarm.terminal_command) says how to get there.
author:
  - The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
extends_documentation_fragment:
  - fungap.swarm.docker.managers
attributes:
  check_mode:
    support: full
    description: Finds the replica and remembers nobody.
  diff_mode:
    support: none
    description: What is done in a terminal is not known.
  idempotent:
    support: none
    description: Each time is remembered.
options:
  stack:
    description: Name of the stack; an app is one.
    type: str
    required: true
  service:
    description: The service of it.
    type: str
    default: web
  replica:
    description: Its number, or the node that it runs on. By default the first one that runs.
    type: str
  command:
    description: What is to run in the terminal, a list of words, or one text, whose quotes are heeded.
    type: raw
    default: sh
  who:
    description: Who asks for it, for the record.
    type: str
  why:
    description: The reason, for the record.
    type: str
"""

EXAMPLES = r"""
- name: Find a replica
  fungap.swarm.stack_terminal:
    stack: web
    replica: worker1
    who: me@laptop
    manager_sockets: [/run/fungap/manager1/docker.sock]
"""

RETURN = r"""
node:
  description: The node that it runs on, as the swarm calls it.
  type: str
  returned: success
container:
  description: ID of its container.
  type: str
  returned: success
replica:
  description: Its name.
  type: str
  returned: success
  sample: web.2
command:
  description: The command's words.
  type: list
  elements: str
  returned: success
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.options import MANAGERS
from ansible_collections.fungap.swarm.plugins.module_utils.stack.open_terminal import StackTerminal


def main() -> None:
    """Run the module."""
    runner.run(
        StackTerminal,
        {
            "stack": {"type": "str", "required": True},
            "service": {"type": "str", "default": "web"},
            **MANAGERS,
            "replica": {"type": "str"},
            "command": {"type": "raw", "default": "sh"},
            "who": {"type": "str"},
            "why": {"type": "str"},
        },
    )


if __name__ == "__main__":
    main()
