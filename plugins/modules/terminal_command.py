#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: terminal_command
short_description: The command that opens a terminal in a container
version_added: 1.1.0
description:
  - Works out the command that opens a terminal in a container of the docker host that the task runs on, by the way
    that Ansible itself takes there (ssh, or none), and writes it to a file or shows it. A task of Ansible has no
    terminal to give.
  - An action plugin that starts no module.
author: The fungap.swarm authors (@fungap)
attributes:
  check_mode:
    support: full
    description: Changes nothing.
  diff_mode:
    support: none
    description: Changes nothing.
options:
  socket:
    description: Unix socket of the engine that has the container, on the docker host.
    type: path
    required: true
  container:
    description: ID of the container.
    type: str
    required: true
  command:
    description: What runs in it.
    type: list
    elements: str
    required: true
  tty:
    description: Whether there is a terminal on this side.
    type: bool
    default: true
  to:
    description: The file on the controller that gets the command, a JSON list of words. Without it, it is shown.
    type: path
"""

EXAMPLES = r"""
- name: Show the way
  fungap.swarm.terminal_command:
    socket: /run/fungap/worker1/docker.sock
    container: 4f3a
    command: [sh]
"""

RETURN = r"""
words:
  description: The command.
  type: list
  elements: str
  returned: success
"""
