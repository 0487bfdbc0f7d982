# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs M(community.docker.docker_container), where a look at the host doesn't show that there is nothing to do."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.host_container import as_wanted, with_spec
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """``fungap.swarm.host_container``."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        container = with_spec(args["container"])
        if as_wanted(container, args.get("seen") or []):
            return {**result, "changed": False}
        # One that a killed backup has left paused goes on.
        args = {**container, "paused": False}
        result.update(self._execute_module("community.docker.docker_container", args, task_vars=task_vars))
        return result
