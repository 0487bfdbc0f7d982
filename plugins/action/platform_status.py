# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Print what M(fungap.swarm.platform_info) saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import of_platform
from ansible_collections.fungap.swarm.plugins.module_utils.stack.status import unwell
from ansible_collections.fungap.swarm.plugins.plugin_utils.background import run_followed, shown
from ansible_collections.fungap.swarm.plugins.plugin_utils.controllers_memory import remember
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.status import (
    certificate_problems,
    gone,
    history_lines,
    platform_notes,
    status_lines,
    strangers,
)

MODULE = "fungap.swarm.platform_info"


class ActionModule(ActionBase):
    """Reads through the module, prints on the controller; with ``strict`` it fails where something does not work."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = self._task.args
        seen = self._look(args, task_vars)
        result.update(seen)
        # Revisions have the apps' environment, and the hashes of their logins: nothing for a log (-v).
        result["_ansible_verbose_override"] = True
        if seen.get("failed"):
            return result
        if args.get("history_of"):
            lines = [args["title"], "", *history_lines(seen["stacks"].get(str(args["history_of"])))]
        else:
            platform, containers = args["platform"], args.get("containers") or {}
            wanting = [
                *strangers(platform, seen, containers),
                *certificate_problems(platform, args.get("secrets") or {}),
            ]
            tables = status_lines(seen["nodes"], seen["services"], seen["stacks"], wanting)
            below = platform_notes(
                platform,
                args.get("secrets") or {},
                seen,
                args.get("disks"),
                args.get("left_out") or {},
                args.get("sources") or {},
                containers,
            )
            lines = [args["title"], "", *tables, "", *args.get("notes", []), *below]
        self._display.display("\n" + "\n".join(f"  {line}".rstrip() for line in lines) + "\n")
        if args.get("memory_file") and not self._task.check_mode:
            remember(str(args["memory_file"]), of_platform(seen))
        wrong = [*unwell(seen["nodes"], seen["services"]), *gone(seen["stacks"])]
        if args.get("strict") and wrong:
            result.update(failed=True, msg="; ".join(wrong))
        return result

    def _look(self, args: Mapping[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        """What there is; where it is not as it should be, and may still be starting, once it is or is given up."""
        asked = {"manager_sockets": args["manager_sockets"], "stacks_dir": args.get("stacks_dir")}
        seen: dict[str, Any] = self._execute_module(MODULE, asked, task_vars=task_vars)
        wait_seconds = 0 if self._task.check_mode else int(args.get("wait_seconds", 0))
        if seen.get("failed") or not wait_seconds or not unwell(seen["nodes"], seen["services"]):
            return seen
        name = str(args["platform"]["name"])
        progress = f"/run/.{name}.progress"
        waiting = plain({**asked, "wait_seconds": wait_seconds, "progress": progress})
        return run_followed(self, MODULE, waiting, task_vars, progress=progress, show=shown(self._display, name))
