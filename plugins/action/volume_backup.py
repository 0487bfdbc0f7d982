# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The controller's half of ``volume_backup``: takes the archive from the docker host, and keeps a number of them.

The connection copies the file as it is; the module ``fetch`` would hold it in memory wherever it becomes root.
"""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.volume import operation as volumes
from ansible_collections.fungap.swarm.plugins.plugin_utils.backup import archive_name, archives_to_delete, signed_sha256
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.secret_file import read_secret


class ActionModule(ActionBase):
    """``fungap.swarm.volume_backup``."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        directory = str(args.get("directory") or "")
        if not os.path.isabs(directory):
            raise AnsibleActionFail(f"directory is {directory!r}: give an absolute path on the controller")
        path = os.path.join(directory, archive_name(str(args.get("volume")), datetime.now(timezone.utc)))
        # Before anything is paused for nothing.
        key = "" if self._task.check_mode else self._key(str(args.get("key_file") or ""))
        temporary = self._connection._shell.join_path(self._make_tmp_path(), "volume.tar")
        try:
            result.update(self._execute_module(module_args={**args, "temporary": temporary}, task_vars=task_vars))
            if not result.get("failed"):
                result.update(archive=path, removed=[])
                if not self._task.check_mode:
                    self._take(temporary, path, result["sha256"], key)
                    result["removed"] = self._clean(directory, args)
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return result

    def _key(self, path: str) -> str:
        if not os.path.isfile(path):
            raise AnsibleActionFail(
                f"key_file is {path!r}: there is no such file; fungap.swarm.platform_secrets makes it"
            )
        return read_secret(self._loader, path)

    def _take(self, temporary: str, path: str, sha256: str, key: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        partial = f"{path}.partial"
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        try:
            self._connection.fetch_file(temporary, partial)
            os.chmod(partial, 0o600)
            if volumes.digest(partial) != sha256:
                raise AnsibleActionFail(f"{path} did not arrive as it was sent: try again")
            checksum = os.open(f"{path}.sha256", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(checksum, "w") as file:
                file.write(signed_sha256(os.path.basename(path), sha256, key))
            os.rename(partial, path)
        except PlatformError as error:
            raise AnsibleActionFail(error.message) from error
        finally:
            if os.path.exists(partial):
                os.unlink(partial)

    @staticmethod
    def _clean(directory: str, args: dict[str, Any]) -> list[str]:
        removed = archives_to_delete(os.listdir(directory), str(args["volume"]), int(args.get("keep", 7)))
        for name in removed:
            for path in (os.path.join(directory, name), os.path.join(directory, f"{name}.sha256")):
                if os.path.exists(path):
                    os.unlink(path)
        return [os.path.join(directory, name) for name in removed]
