#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: hosts_entry
short_description: Keep one entry in the hosts file, whoever else changes it
version_added: 0.1.0
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

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import files, runner
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.lock import FOLDER, acquire_lock
from ansible_collections.fungap.swarm.plugins.module_utils.plan.hosts_file import clashes, parse_lines, with_entry

LOCK_FILE = f"{FOLDER}/hosts.lock"
WAIT_SECONDS = 30


class HostsEntry:
    """One file."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.owner, self.entry = str(params["owner"]), str(params["entry"])
        self.path = os.path.realpath(params["path"])

    def plan(self) -> runner.Plan:
        before = self._read()
        self._refuse_clashes(before)
        after = with_entry(before, self.owner, self.entry)
        said = f"write {self.entry!r} into {self.path}" if self.entry else f"remove {self.owner} from {self.path}"
        return runner.Plan(actions=[said] if after != before else [], before=before, after=after)

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:  # noqa: ARG002  it is made anew, under the lock
        with acquire_lock(LOCK_FILE, f"a run that changes {self.path}", wait_seconds=WAIT_SECONDS):
            # Another run may have written since the plan was made.
            now = self._read()
            self._refuse_clashes(now)
            files.rewrite(self.path, with_entry(now, self.owner, self.entry))
        return {}

    def _refuse_clashes(self, text: str) -> None:
        """The first line that gives a name counts: two addresses for one name are right for one owner at most."""
        address, *names = self.entry.split() or [""]
        for name in names:
            for line in clashes(parse_lines(text), self.owner, address, name):
                raise PlatformError(
                    f"{self.path} says that {name} is {line.address} ({line.owner or 'a line of its own'}), and "
                    f"{self.owner} wants it to be {address}: choose another name, or remove that line"
                )

    def _read(self) -> str:
        state = files.read_state(self.path)
        if state.content is None:
            raise PlatformError(
                f"{self.path} is no text file ({state.kind}): put one there, 127.0.0.1 localhost at least"
            )
        return state.content


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
