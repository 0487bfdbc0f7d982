# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation of module registry_prune: delete what nothing needs from a registry, and free its space."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import FOLDER, REGISTRY_LOCK, acquire_lock
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.image.model import parse_registry_auth
from ansible_collections.fungap.swarm.plugins.module_utils.prune.plan import (
    DeleteManifest,
    Restore,
    describe,
    human,
    last_push,
    plan_registry,
)
from ansible_collections.fungap.swarm.plugins.module_utils.registry.api import Registry, RegistrySilentError
from ansible_collections.fungap.swarm.plugins.module_utils.registry.storage import (
    pushed,
    read_storage,
    remove_repository,
    used_bytes,
)
from ansible_collections.fungap.swarm.plugins.module_utils.registry.window import RegistryWindow

LOCK_FILE = FOLDER + "/prune-{container}.lock"
DATA_FOLDER = "/var/lib/registry"
# A registry that was started just before answers within seconds.
ANSWER_SECONDS = 60


class RegistryPrune:
    """One call: one registry."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.engine = Engine(params["docker_socket"])
        self.window = RegistryWindow(self.engine, params["container"])
        self.needed = {**params["needed"]}
        for reference in params["catalog"]:
            self.needed[reference] = [*self.needed.get(reference, []), "the image catalog"]

    # --- look ---

    def plan(self) -> Plan:
        self.root = self._root()
        found = plan_registry(
            read_storage(self.root),
            self.needed,
            address=self.params["registry_address"],
            now=time.time(),
            grace_seconds=self.params["grace_seconds"],
        )
        self.found = found
        stays = [f"{describe(one)}: {', '.join(why)}" for one, why in found.kept.items()]
        goes = [f"{describe(action.manifest)}: nothing needs it" for action in found.deletions]
        empty = [action.name for action in found.repositories]
        actions = [*([Restore()] if self.window.was_left_open() else []), *found.actions]
        size = used_bytes(self.root)
        freed = found.collect.size_bytes if found.collect else 0
        return Plan(
            actions=actions,
            before={"images": sorted(stays + goes), "empty_repositories": empty, "size": human(size)},
            after={"images": sorted(stays), "empty_repositories": [], "size": human(size - freed)},
            result={
                "kept": [
                    {"image": f"{self.params['registry_address']}/{one.name}", "tags": one.tags, "why": why}
                    for one, why in found.kept.items()
                ],
                "removed": [
                    {"image": f"{self.params['registry_address']}/{one.manifest.name}", "tags": one.manifest.tags}
                    for one in found.deletions
                ],
                "removed_repositories": empty,
                "missing": found.missing,
                "bytes_freed": freed,
                "bytes_used": size - freed,
            },
            warnings=[
                f"{text} is not in the registry, but {', '.join(why)} needs it"
                for text, why in found.missing.items()
                if text not in self.params["catalog"]
            ],
        )

    def _root(self) -> str:
        """Where the registry's data lies on this host."""
        for mount in self.window.registry()["Mounts"]:
            if mount["Destination"] == DATA_FOLDER:
                return str(mount["Source"])
        raise PlatformError(f"the registry's container {self.window.name} has nothing mounted on {DATA_FOLDER}")

    # --- act ---

    def lock(self, _plan: Plan) -> AbstractContextManager[object]:
        return acquire_lock(
            LOCK_FILE.format(container=self.params["container"]),
            "a clean-up of the registry",
            wait_seconds=self.params["deadline_seconds"],
        )

    def apply(self, plan: Plan) -> Mapping[str, Any]:
        if any(isinstance(action, Restore) for action in plan.actions):
            self.window.close()
        self._await(writable=True)
        address = self.params["registry_address"]
        with acquire_lock(
            REGISTRY_LOCK.format(address=address), "a clean-up of the registry", wait_seconds=ANSWER_SECONDS
        ):
            self._registry().delete(
                (action.manifest.repository, action.manifest.digest)
                for action in plan.actions
                if isinstance(action, DeleteManifest) and self._is_as_it_was(action)
            )
        if not self.found.actions:
            return plan.result
        self._await_pushes()
        started = time.monotonic()
        with self.window.opened():
            self._await(writable=False)
            before = used_bytes(self.root)
            # What was pushed since the look is not touched: only what is still empty goes.
            inhabited = {one.repository for one in read_storage(self.root).manifests}
            log = self.window.collect(self.params["deadline_seconds"])
            for repository in self.found.repositories:
                if repository.name not in inhabited:
                    remove_repository(self.root, repository.name)
            after = used_bytes(self.root)
        self._await(writable=True)
        return {
            **plan.result,
            "bytes_freed": before - after,
            "bytes_used": after,
            "window_seconds": round(time.monotonic() - started, 1),
            "log": log.splitlines()[-5:],
        }

    def _is_as_it_was(self, action: DeleteManifest) -> bool:
        """False for a manifest that has just been pushed again."""
        manifest = action.manifest
        return pushed(self.root, manifest.repository, manifest.digest) == manifest.pushed

    def _await(self, *, writable: bool) -> None:
        """Until the registry answers; it has to be in the wanted state then."""
        answers: list[bool] = []

        def answered() -> bool:
            with suppress(RegistrySilentError):
                answers.append(self._registry().is_writable())
            return bool(answers)

        wait_until(
            answered,
            deadline_seconds=ANSWER_SECONDS,
            failure=lambda: (
                f"the registry {self.params['registry_address']} did not answer within {ANSWER_SECONDS} s: "
                f"look at docker logs {self.window.name}"
            ),
        )
        if answers[-1] is not writable:
            problem = (
                "deletes nothing: it is read-only, or storage.delete.enabled is not true in its settings"
                if writable
                else "is still taking pushes, so that no space can be freed safely"
            )
            raise PlatformError(f"the registry {self.params['registry_address']} {problem}")

    def _await_pushes(self) -> None:
        """Let pushes come to their end: what they have brought so far belongs to no image yet."""
        quiet = self.params["quiet_seconds"]
        wait_until(
            lambda: time.time() - last_push(read_storage(self.root)) >= quiet,
            deadline_seconds=self.params["deadline_seconds"],
            failure=lambda: (
                f"images are being pushed to {self.params['registry_address']} without a pause of {quiet:g} s: "
                "nothing was freed; run it again later"
            ),
        )

    def _registry(self) -> Registry:
        address, folder = self.params["registry_address"], self.params["registry_config"]
        auth = None
        if folder:
            try:
                with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
                    auth = parse_registry_auth(file.read(), address)
            except OSError as error:
                raise PlatformError(f"the login for {address} can't be read: {error}") from error
        ca_file = os.path.join(self.params["certs_dir"], address, "ca.crt")
        return Registry(address, ca_file=ca_file, auth=auth, timeout_seconds=30)
