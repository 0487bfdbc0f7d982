# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller part of ``container_answer``: shows how far it is."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.background import run_followed, shown
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain

MODULE = "fungap.swarm.container_answer"


class ActionModule(ActionBase):
    """See the module's documentation."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        if self._task.check_mode:
            return {**result, "changed": False}
        args = plain(self._task.args)
        name = str(args.get("container"))
        progress = f"/run/.{name}.progress"
        args["progress"] = progress
        done = run_followed(self, MODULE, args, task_vars, progress=progress, show=shown(self._display, name))
        for line in done.get("quoted", []):
            self._display.display(f"  {name}: {line}")
        return {**result, **done}
