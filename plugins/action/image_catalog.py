# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run module image_catalog; bring it the builds' contexts and packages only if it asks for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.build_context import Context, pack

MODULE = "fungap.swarm.image_catalog"
DEFAULT_BUILD_PACKAGES = ["mmdebstrap", "debian-archive-keyring"]


class ActionModule(ActionBase):
    """One start of the module when nothing is to be built."""

    TRANSFERS_FILES = False
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        contexts = self._pack(arguments.get("catalog"), _asked(arguments))
        arguments["contexts"] = {name: {"sha256": context.sha256} for name, context in contexts.items()}
        if arguments.get("bases"):
            for name in contexts:
                arguments["contexts"][name]["dockerfile"] = self._dockerfile(arguments["catalog"][name])
        if self._task.async_val:
            # In the background nobody can be asked for more: for pushes, which need nothing.
            progress = arguments["progress"] = f"/run/.{arguments.get('platform', 'fungap')}-images.progress"
            job: dict[str, Any] = self._execute_module(
                module_name=MODULE, module_args=arguments, task_vars=task_vars, wrap_async=True
            )
            return {**job, "progress": progress}
        result = self._module(arguments, task_vars)
        needs = result.pop("needs", None)
        if not needs:
            return result
        if needs.get("packages"):
            installed = self._install(arguments.get("build_packages") or DEFAULT_BUILD_PACKAGES, task_vars)
            if installed.get("failed"):
                return installed
        try:
            for name in needs.get("contexts", ()):
                arguments["contexts"][name]["path"] = self._bring(name, contexts[name])
            result = self._module(arguments, task_vars)
        finally:
            if self._connection._shell.tmpdir:
                self._remove_tmp_path(self._connection._shell.tmpdir)
                self._connection._shell.tmpdir = None
        if result.pop("needs", None):
            raise AnsibleActionFail(f"{MODULE} still lacks something to build with: {needs}")
        return result

    def _module(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        return result

    def _pack(self, catalog: Any, asked: set[str]) -> dict[str, Context]:
        """The contexts of all builds but optional ones that nobody asked for. What is wrong is the module's to say."""
        contexts = {}
        for name, entry in catalog.items() if isinstance(catalog, Mapping) else ():
            build = entry.get("build") if isinstance(entry, Mapping) else None
            folder = build.get("context") if isinstance(build, Mapping) else None
            include = build.get("include") or {} if isinstance(build, Mapping) else {}
            if folder and isinstance(include, Mapping) and (name in asked or not entry.get("optional")):
                try:
                    contexts[name] = pack(
                        self._path(folder), {str(path): self._path(source) for path, source in include.items()}
                    )
                except (PlatformError, OSError) as error:
                    raise AnsibleActionFail(f"the context of image {name} can't be packed: {error}") from error
        return contexts

    def _dockerfile(self, entry: Mapping[str, Any]) -> str:
        path = os.path.join(self._path(entry["build"]["context"]), "Dockerfile")
        with open(path, "rb") as file:
            try:
                return file.read().decode()
            except UnicodeDecodeError as error:
                raise AnsibleActionFail(f"{path} is not UTF-8, so what it is built on can't be told") from error

    def _path(self, path: str) -> str:
        found: str = self._loader.path_dwim_relative(self._loader.get_basedir(), "files", path)
        return found

    def _install(self, packages: list[str], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="ansible.builtin.apt",
            module_args={"name": packages, "install_recommends": False, "update_cache": True, "cache_valid_time": 3600},
            task_vars=task_vars,
        )
        return result

    def _bring(self, name: str, context: Context) -> str:
        """Put a context on the docker host; return its path there."""
        shell = self._connection._shell
        if not shell.tmpdir:
            self._make_tmp_path()
        remote: str = shell.join_path(shell.tmpdir, f"context-{name}.tar.gz")
        with tempfile.NamedTemporaryFile() as file:
            file.write(context.archive)
            file.flush()
            self._transfer_file(file.name, remote)
        self._fixup_perms2((shell.tmpdir, remote))
        return os.fspath(remote)


def _asked(arguments: Mapping[str, Any]) -> set[str]:
    """The names that are asked for, and the bases of any image and what stands in for one: they may be optional."""
    catalog = arguments.get("catalog")
    entries = catalog.values() if isinstance(catalog, Mapping) else ()
    builds = [entry.get("build") for entry in entries if isinstance(entry, Mapping)]
    bases = [build.get("base") for build in builds if isinstance(build, Mapping)]
    stand_ins = arguments.get("bases")
    bases += stand_ins.values() if isinstance(stand_ins, Mapping) else ()
    named = [name for key in ("names", "optional", "required") for name in arguments.get(key) or []] + bases
    return {str(name) for name in named if name}
