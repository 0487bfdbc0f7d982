# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of ``volume_restore``: takes the archive to the docker host, once its SHA-256 is trusted."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.backup import trusted_sha256
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.secret_file import read_secret


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
        if not os.path.isabs(path):
            raise AnsibleActionFail(f"archive is {path!r}: give an absolute path on the controller")
        if not os.path.isfile(path):
            raise AnsibleActionFail(f"archive is {path}: there is no such file on the controller")
        sha256 = str(args.get("sha256") or "").lower() or self._signed(path, str(args.get("key_file") or ""))
        temporary = self._connection._shell.join_path(self._make_tmp_path(), "volume.tar")
        try:
            self._connection.put_file(path, temporary)
            module_args = {**args, "temporary": temporary, "sha256": sha256}
            result.update(self._execute_module(module_args=module_args, task_vars=task_vars))
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _signed(self, path: str, key_file: str) -> str:
        """The SHA-256 beside the archive, which our key has signed."""
        try:
            for name in (f"{path}.sha256", key_file):
                if not os.path.isfile(name):
                    raise PlatformError(f"there is no file {name} on the controller")
            with open(f"{path}.sha256", encoding="utf-8", errors="replace") as file:
                return trusted_sha256(file.read(), os.path.basename(path), read_secret(self._loader, key_file))
        except PlatformError as error:
            raise AnsibleActionFail(
                f"{path} can't be trusted: {error.message}. Take another archive. Or, if you know from elsewhere what "
                "sha256sum says of it (backup.yml said it), vouch for it with -e backup_sha256=<that>"
            ) from None  # its message is in ours
