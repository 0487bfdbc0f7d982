# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts the module of the same name, where the look at the beginning of the run doesn't show that all is as wanted."""

from __future__ import annotations

import copy
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.core.options import DOCKER
from ansible_collections.fungap.swarm.plugins.module_utils.node.options import OPTIONS
from ansible_collections.fungap.swarm.plugins.plugin_utils.early_look import seen_docker_host
from ansible_collections.fungap.swarm.plugins.plugin_utils.node import surplus_if_as_wanted
from ansible_collections.fungap.swarm.plugins.plugin_utils.plain import plain


class ActionModule(ActionBase):
    """``fungap.swarm.swarm_node``."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args = plain(self._task.args)
        params = ArgumentSpecValidator(copy.deepcopy({**OPTIONS, **DOCKER})).validate(args)
        facts = seen_docker_host(task_vars)
        # What is wrong with them, the module says.
        surplus = surplus_if_as_wanted(params.validated_parameters, facts) if facts and not params.errors else None
        if surplus is not None:
            return {**result, "changed": False, "actions": [], "surplus": surplus}
        result.update(self._execute_module("fungap.swarm.swarm_node", args, task_vars=task_vars))
        return result
