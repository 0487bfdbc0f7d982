# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait for an asynchronous task, and show how far it is."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.background import follow, shown
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain

# Of what tells nothing itself.
TOLD_EVERY_SECONDS = 15


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, params = self.validate_argument_spec(
            {
                "job": {"type": "dict", "required": True},
                "what": {"type": "str", "required": True},
                "deadline_seconds": {"type": "int", "default": 1800},
            }
        )
        job, what = plain(params["job"]), str(params["what"])
        show_line = shown(self._display, what)
        progress = str(job.get("progress") or "")
        self._told = 0.0

        def show(seconds: float, text: str) -> None:
            if progress:
                show_line(seconds, text)
            elif seconds - self._told >= TOLD_EVERY_SECONDS:
                self._told = seconds
                show_line(seconds, "at work")

        deadline = params["deadline_seconds"]
        return {**result, **follow(self, job, what, show=show, progress=progress, deadline_seconds=deadline)}
