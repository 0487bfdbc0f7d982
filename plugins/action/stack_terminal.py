# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says to M(fungap.swarm.stack_terminal) who asks."""

from __future__ import annotations

import getpass
import socket
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """``fungap.swarm.stack_terminal``."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = {"who": f"{getpass.getuser()}@{socket.gethostname()}", **plain(self._task.args)}
        result.update(self._execute_module("fungap.swarm.stack_terminal", args, task_vars=task_vars))
        return result
