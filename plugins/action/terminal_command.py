# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Says, on the controller, which command opens a terminal in a container of a docker host."""

from __future__ import annotations

import json
import os
import shlex
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain
from ansible_collections.fungap.swarm.plugins.plugin_utils.terminal import controllers_words, exec_words

ARGS = ("ssh_args", "ssh_common_args", "ssh_extra_args")


class ActionModule(ActionBase):
    """``fungap.swarm.terminal_command``."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """See the module's documentation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        tty = bool(args.get("tty", True))
        inside = exec_words(args["socket"], args["container"], [str(word) for word in args["command"]], tty=tty)
        try:
            words = controllers_words(inside, self._route(), tty=tty)
        except PlatformError as error:
            raise AnsibleActionFail(error.message) from error
        if args.get("to"):
            with open(os.open(args["to"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
                json.dump(words, file)
        else:
            self._display.display(f"\n  {shlex.join(words)}\n")
        return {**result, "changed": False, "words": words}

    def _route(self) -> dict[str, Any]:
        """How Ansible itself gets to the docker host."""
        connection = self._connection
        if connection.transport != "ssh":
            return {"transport": connection.transport, "is_root": os.geteuid() == 0}
        user = connection.get_option("remote_user") or ""
        return {
            "transport": "ssh",
            "is_root": user == "root",
            "executable": connection.get_option("ssh_executable"),
            "host": connection.get_option("host"),
            "user": user,
            "port": connection.get_option("port"),
            "key_file": connection.get_option("private_key_file"),
            "args": [connection.get_option(name) for name in ARGS],
        }
