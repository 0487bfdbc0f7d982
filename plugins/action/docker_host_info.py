# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the module of the same name, with the key of this run for the digests of what it finds."""

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.run_key import run_key


class ActionModule(ActionBase):
    """``fungap.swarm.docker_host_info``."""

    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = {"digest_key": run_key(constants.DEFAULT_LOCAL_TMP), **self._task.args}
        for option, name in (args.pop("variables", None) or {}).items():
            try:
                args[option] = plain(self._templar.template((task_vars or {})[name]))
            except Exception:  # whatever a filter or a lookup raises; its words have pieces of the template
                return {**result, "failed": True, "msg": f"{option} can't be resolved"}
        result.update(
            self._execute_module(module_name="fungap.swarm.docker_host_info", module_args=args, task_vars=task_vars)
        )
        return result
