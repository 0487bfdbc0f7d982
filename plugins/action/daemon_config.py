# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the module of the same name, unless an earlier look at the host shows that all is as wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.model import digest
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.plan import wanted_config
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.run_key import run_key


class ActionModule(ActionBase):
    """``fungap.swarm.daemon_config``."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args: dict[str, Any] = plain(self._task.args)
        seen = args.pop("seen_digest", "")
        keys = [args.get(name) or {} for name in ("defaults", "daemon")]
        # What is malformed is the module's to name.
        if seen and all(isinstance(one, Mapping) for one in keys) and seen == self._digest(*keys):
            return {**result, "changed": False, "restart": False, "actions": []}
        result.update(
            self._execute_module(module_name="fungap.swarm.daemon_config", module_args=args, task_vars=task_vars)
        )
        return result

    @staticmethod
    def _digest(own: Mapping[str, Any], given: Mapping[str, Any]) -> str:
        return digest(wanted_config(own, given), run_key(constants.DEFAULT_LOCAL_TMP))
