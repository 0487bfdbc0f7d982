# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of ``app_volume_copy``: carries the files between two docker hosts, where there are two."""

from __future__ import annotations

import os
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """``fungap.swarm.app_volume_copy``."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        reads, writes = bool(args.get("source_socket")), bool(args.get("target_socket"))
        if reads == writes or self._task.check_mode:
            # In check mode nothing is carried, so any folder will do.
            given = args if reads == writes else {**args, "temporary": "/"}
            return {**result, **self._execute_module(module_args=given, task_vars=task_vars)}
        folder = self._make_tmp_path()
        names = [f"{name}.tar" for name in args.get("volumes") or []]
        there = {self._on_controller(args, name): self._connection._shell.join_path(folder, name) for name in names}
        try:
            if writes:
                for here, path in there.items():
                    self._connection.put_file(here, path)
            result.update(self._execute_module(module_args={**args, "temporary": folder}, task_vars=task_vars))
            if reads and not result.get("failed"):
                for here, path in there.items():
                    os.close(os.open(here, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
                    self._connection.fetch_file(path, here)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
            if writes:
                for here in there:
                    if os.path.exists(here):
                        os.unlink(here)
        return result

    @staticmethod
    def _on_controller(args: dict[str, Any], name: str) -> str:
        """In the folder of this run, which Ansible removes at its end."""
        return os.path.join(constants.DEFAULT_LOCAL_TMP, f"{args.get('app')}-{name}")
