# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller part of ``swarm_stack``: reads the compose file, names configs and secrets, follows the rollout."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import Memory
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import STACKS_FOLDER, compose_path
from ansible_collections.fungap.swarm.plugins.plugin_utils.background import run_followed, shown
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose import as_wanted, render
from ansible_collections.fungap.swarm.plugins.plugin_utils.controllers_memory import remember_stack
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain

MODULE = "fungap.swarm.swarm_stack"


class ActionModule(ActionBase):
    """See the module's documentation."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        seen = args.pop("seen", None) or {}
        memory_file = str(args.pop("memory_file", None) or "")
        tells = args.get("base_moved") == "tell"
        for key in ("text", "rollout", "progress"):
            args.pop(key, None)
        if args.get("state", "present") != "absent" and args.get("name") and args.get("compose"):
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
            if as_wanted(rendered, args, seen):
                return {**result, **_unchanged(args, seen)}
        args.setdefault("who", f"{getpass.getuser()}@{socket.gethostname()}")
        done = self._deploy(args, task_vars)
        if memory_file and done.get("memory") and not self._task.check_mode:
            # Of what failed, too. It is done by now, so what can't be noted here is no failure of it.
            try:
                remember_stack(memory_file, Memory.of(done["memory"]))
            except OSError as error:
                self._display.warning(f"{memory_file} lacks what was done: {error}")
        if tells and done.get("moved"):
            return {**result, "changed": False, "name": args["name"], "moved": True}
        result.update(done)
        return result

    def _deploy(self, args: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """One start of the module where nothing is to be rolled out; else a job that outlives the controller."""
        in_background = bool(self._task.async_val)
        if in_background and args.get("validate"):
            # What the play goes on with meanwhile may count on it.
            judged: dict[str, Any] = self._execute_module(MODULE, {**args, "state": "validated"}, task_vars=task_vars)
            if judged.get("failed"):
                return judged
            args["validated"] = judged["validated"]
        progress = os.path.join(str(args.get("path") or STACKS_FOLDER), f".{args.get('name')}.progress")
        if in_background:
            args["progress"] = progress
            job: dict[str, Any] = self._execute_module(MODULE, args, task_vars=task_vars, wrap_async=True)
            return {**job, "progress": progress}
        if self._task.check_mode or args.get("state") == "validated":
            found: dict[str, Any] = self._execute_module(MODULE, args, task_vars=task_vars)
            return found
        found = self._execute_module(MODULE, {**args, "rollout": "later"}, task_vars=task_vars)
        if not found.pop("pending", False):
            return found
        done = run_followed(
            self,
            MODULE,
            {**args, "progress": progress, "validated": found.get("validated") or ""},
            task_vars,
            progress=progress,
            show=shown(self._display, str(args["name"])),
        )
        # The job found the same to do, and shows it without its diff where it failed.
        return {**done, "diff": done.get("diff") or found.get("diff") or {}}


def _unchanged(args: Mapping[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """What the module returns where there is nothing to do."""
    in_force = next(row for row in seen["revisions"] if row["number"] == seen["in_force"])
    return {
        "changed": False,
        "as_wanted": True,
        "actions": [],
        "name": args["name"],
        "path": compose_path(str(args.get("path") or STACKS_FOLDER), str(args["name"])),
        "revision": in_force["number"],
        "verdict": in_force["verdict"],
        "who": in_force["who"],
        "drift": [],
        "services": seen["services"],
    }
