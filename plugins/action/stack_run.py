# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs M(fungap.swarm.stack_run) as a job that outlives the controller, and shows its output meanwhile."""

from __future__ import annotations

import getpass
import socket
import uuid
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.background import Streamed, run_followed
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain

MODULE = "fungap.swarm.stack_run"


class ActionModule(ActionBase):
    """See the module's documentation."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = {"who": f"{getpass.getuser()}@{socket.gethostname()}", **plain(self._task.args)}
        if self._task.check_mode:
            result.update(self._execute_module(MODULE, args, task_vars=task_vars))
            return result
        progress = f"/run/.fungap-run-{uuid.uuid4().hex[:12]}.progress"
        show = Streamed(self._display, str(args.get("stack")))
        done = run_followed(self, MODULE, {**args, "progress": progress}, task_vars, progress=progress, show=show)
        show.lines(done.get("lines") or [])
        result.update(done)
        return result
