# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Wait for an asynchronous task, and say so in a line now and then."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.background import follow
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain

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
        self._told = 0.0
        what = str(params["what"])

        def show(seconds: float, _text: str) -> None:
            if seconds - self._told >= TOLD_EVERY_SECONDS:
                self._told = seconds
                self._display.display(f"  {seconds:.0f} s, waiting for {what}")

        job = plain(params["job"])
        return {**result, **follow(self, job, what, show=show, deadline_seconds=params["deadline_seconds"])}
