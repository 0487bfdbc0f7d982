# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``config_files``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import parse_config_set
from ansible_collections.fungap.swarm.plugins.module_utils.config_files.plan import (
    Claim,
    MakeDirectory,
    Remove,
    RunCommand,
    SetOwnership,
    WriteFile,
    changed_files,
    describe,
    plan_files,
    proof,
    unmarked,
)
from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.folder import operation as folders
from ansible_collections.fungap.swarm.plugins.module_utils.host import files


class InstallFiles:
    """The module's operation."""

    def __init__(self, params: dict[str, Any]) -> None:
        self._wanted = parse_config_set(params)

    def plan(self) -> runner.Plan:
        found = {path: files.read_state(path) for path in self._wanted.paths}
        belongings = {
            path: folders.whose_is(
                path,
                self._wanted.platform,
                ids=self._wanted.platform_ids,
                proof=proof(self._wanted, found, path),
            )
            for path in unmarked(self._wanted, found)
        }
        actions = plan_files(self._wanted, found, belongings)
        before, after = describe(found, actions)
        return runner.Plan(actions, before, after, {"changed_files": changed_files(self._wanted, actions)})

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        for action in plan.actions:
            if isinstance(action, Claim):
                folders.claim(action.path, action.platform, self._wanted.platform_ids)
        for action in plan.actions:
            if isinstance(action, MakeDirectory):
                files.make_directory(action.path, action.ownership)
        staged: dict[str, str] = {}
        try:
            for action in plan.actions:
                if isinstance(action, WriteFile):
                    staged[action.file.path] = files.stage(action.file)
        except PlatformError:
            for temporary in staged.values():
                files.discard(temporary)
            raise
        if self._wanted.after_change:
            files.write_marker(self._wanted.after_change.marker)
        for action in plan.actions:
            if isinstance(action, WriteFile):
                files.install(staged[action.file.path], action.file.path)
            elif isinstance(action, SetOwnership):
                files.set_ownership(action.path, action.ownership)
            elif isinstance(action, Remove):
                files.remove(action.path)
            elif isinstance(action, RunCommand):
                self._run(action)
        return {}

    def _run(self, action: RunCommand) -> None:
        command = action.after_change.command
        code, output = files.run_command(command)
        if code:
            raise PlatformError(
                f"the files are installed, but {' '.join(command)!r} ended with {code}: {output.strip()[-2000:]}; "
                "the next run tries it again"
            )
        files.remove(action.after_change.marker)
