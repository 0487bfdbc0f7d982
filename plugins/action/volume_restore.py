# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of ``volume_restore``: takes the archive to the docker host."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """``fungap.swarm.volume_restore``."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        path = str(args.get("archive") or "")
        if not path:
            result.update(self._execute_module(module_args=args, task_vars=task_vars))
            return result
        sha256 = _written_down(path)
        temporary = self._connection._shell.join_path(self._make_tmp_path(), "volume.tar")
        try:
            self._connection.put_file(path, temporary)
            module_args = {**args, "temporary": temporary, "sha256": sha256}
            result.update(self._execute_module(module_args=module_args, task_vars=task_vars))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result


def _written_down(path: str) -> str:
    if not os.path.isabs(path):
        raise AnsibleActionFail(f"archive is {path!r}: give an absolute path on the controller")
    for name in (path, f"{path}.sha256"):
        if not os.path.isfile(name):
            raise AnsibleActionFail(
                f"there is no file {name} on the controller: an archive and its .sha256 belong together"
            )
    with open(f"{path}.sha256", encoding="utf-8") as file:
        return file.read().split(" ")[0].strip()
