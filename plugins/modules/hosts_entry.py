#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: hosts_entry
short_description: Keep one entry in the hosts file, whoever else changes it
version_added: 1.0.0
description:
  - Keeps a line in C(/etc/hosts), between two comments that name its owner. The rest of the file stays as it is.
  - Runs for several platforms on one machine may change the file at the same time. Each waits for the other, for at
    most 30 s; with a module that reads and writes without a lock, the later one undoes what the earlier one wrote.
  - A name that another line gives another address is refused. The first line counts, so one of the two would be wrong.
  - A file that can't be replaced, as that of a container, which is a mount, is written in its place.
author: The fungap.swarm authors (@fungap)
attributes:
  check_mode:
    support: full
    description: Says what would be changed.
  diff_mode:
    support: full
    description: Shows the file before and after.
  idempotent:
    support: full
    description: A second call changes nothing.
options:
  owner:
    description: Whose entry it is; the comments around it name this.
    type: str
    required: true
  entry:
    description: The line, as hosts(5) has it, an address and names. Empty, there is to be none.
    type: str
    default: ""
  path:
    description: The file.
    type: path
    default: /etc/hosts
"""

EXAMPLES = r"""
- name: Name the registry
  fungap.swarm.hosts_entry:
    owner: fungap-registry
    entry: 172.30.0.2 registry

- name: Forget the registry's name
  fungap.swarm.hosts_entry:
    owner: fungap-registry
"""

RETURN = r"""
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["write '172.30.0.2 registry' into /etc/hosts"]
"""

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.host.hosts_entry import HostsEntry


def main() -> None:
    """Run the module."""
    runner.run(
        HostsEntry,
        {
            "owner": {"type": "str", "required": True},
            "entry": {"type": "str", "default": ""},
            "path": {"type": "path", "default": "/etc/hosts"},
        },
    )


if __name__ == "__main__":
    main()
