# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes a platform off a docker host, and what the controller remembers of it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import parse_all
from ansible_collections.fungap.swarm.plugins.plugin_utils import pki
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.secret_file import read_secret

MODULE = "fungap.swarm.platform_reset"


class ActionModule(ActionBase):
    """See the module's documentation. What lies on the controller is looked at and removed here."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        folder = str((task_vars or {}).get("inventory_dir") or "")
        path = _path(folder, args.get("memory_file"))
        left = why_no_memory(path) if path and os.path.lexists(path) else ""
        args.update(memory_file=path if os.path.lexists(path) else "", memory_left=left)
        args["platform_ids"] = pki.platform_ids(
            self._certificate(_path(folder, args.get("ca_file"))), str(args.get("id_replaced") or "")
        )
        result.update(self._execute_module(MODULE, args, task_vars=task_vars))
        if args["memory_file"] and not left and not result.get("failed") and not self._task.check_mode:
            # Another docker host of this run may have been quicker.
            with suppress(FileNotFoundError):
                os.unlink(path)
        return result

    def _certificate(self, path: str) -> str:
        if not path or not os.path.exists(path):
            return ""
        try:
            pki.check_libraries()
            return read_secret(self._loader, path)
        except PlatformError as error:
            raise AnsibleActionFail(error.message) from error


def _path(folder: str, value: object) -> str:
    """Where a file that an inventory names lies on the controller; '' for none."""
    path = os.path.expanduser(str(value or ""))
    return os.path.join(folder, path) if path else ""


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
