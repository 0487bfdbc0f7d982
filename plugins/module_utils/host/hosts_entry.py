# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``hosts_entry``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import FOLDER, acquire_lock
from ansible_collections.fungap.swarm.plugins.module_utils.host import files
from ansible_collections.fungap.swarm.plugins.module_utils.host.hosts_file import clashes, parse_lines, with_entry

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

    def lock(self, _plan: runner.Plan) -> AbstractContextManager[object]:
        return acquire_lock(LOCK_FILE, f"a run that changes {self.path}", wait_seconds=WAIT_SECONDS)

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        files.rewrite(self.path, str(plan.after))
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
