# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller part of ``swarm_stack``: reads the compose file, names configs and secrets, starts the module once."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose import render
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """See the module's documentation."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        args.pop("text", None)
        if args.get("state", "present") == "present" and args.get("name") and args.get("compose"):
            for key in ("configs", "secrets"):
                if not isinstance(args.get(key) or {}, dict):
                    return {**result, "failed": True, "msg": f"{key}: must be a dictionary of contents by key"}
            try:
                rendered = render(
                    str(args["name"]), args["compose"], args.get("configs") or {}, args.get("secrets") or {}
                )
            except PlatformError as error:
                return {**result, "failed": True, "msg": error.message, **error.details}
            args.update(
                compose=rendered.compose, text=rendered.text, configs=rendered.configs, secrets=rendered.secrets
            )
        result.update(
            self._execute_module(
                module_name="fungap.swarm.swarm_stack",
                module_args=args,
                task_vars=task_vars,
                wrap_async=bool(self._task.async_val),
            )
        )
        return result
