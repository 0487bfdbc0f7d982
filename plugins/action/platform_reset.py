# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes a platform off a docker host, and what the controller remembers of it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import parse_all
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain

MODULE = "fungap.swarm.platform_reset"


class ActionModule(ActionBase):
    """See the module's documentation. What lies on the controller is looked at and removed here."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        path = os.path.expanduser(str(args.get("memory_file") or ""))
        if path:
            path = os.path.join(str((task_vars or {}).get("inventory_dir") or ""), path)
        left = why_no_memory(path) if path and os.path.lexists(path) else ""
        args.update(memory_file=path if os.path.lexists(path) else "", memory_left=left)
        result.update(self._execute_module(MODULE, args, task_vars=task_vars))
        if args["memory_file"] and not left and not result.get("failed") and not self._task.check_mode:
            # Another docker host of this run may have been quicker.
            with suppress(FileNotFoundError):
                os.unlink(path)
        return result


def why_no_memory(path: str) -> str:
    """Why what is at a path is not a controller's memory of what is in force; '' where it is."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return "it is no regular file"
    try:
        with open(path, encoding="utf-8") as file:
            parse_all(file.read())
    except (OSError, ValueError) as error:
        return f"it is not what a controller remembers ({error})"
    return ""
