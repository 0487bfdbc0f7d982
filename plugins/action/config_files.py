# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keeps the contents of secret files apart, then runs the module of the same name.

Ansible hides a whole parameter or nothing: with the contents of secret files in a parameter of their own, the other
files keep their diffs, and no secret reaches the target's log.
"""

from __future__ import annotations

from typing import Any

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.config_files import nothing_to_do, split_secrets
from ansible_collections.fungap.swarm.plugins.plugin_utils.early_look import seen_trees
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.run_key import run_key


class ActionModule(ActionBase):
    """``fungap.swarm.config_files``."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = split_secrets(plain(self._task.args), is_true=lambda value: bool(boolean(value, strict=False)))
        if nothing_to_do(args, seen_trees(task_vars), run_key(constants.DEFAULT_LOCAL_TMP)):
            return {**result, "changed": False, "changed_files": [], "actions": []}
        result.update(
            self._execute_module(module_name="fungap.swarm.config_files", module_args=args, task_vars=task_vars)
        )
        return result
