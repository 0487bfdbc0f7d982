# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Print what M(fungap.swarm.stack_logs) has read."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.status import access_lines, log_lines


class ActionModule(ActionBase):
    """Reads through the module of the same name, prints on the controller."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        result.update(self._execute_module("fungap.swarm.stack_logs", self._task.args, task_vars=task_vars))
        if not result.get("failed"):
            shown = access_lines if self._task.args.get("requests") else log_lines
            self._display.display("\n" + "\n".join(shown(result["lines"])) + "\n")
        return result
