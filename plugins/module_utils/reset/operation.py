# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``platform_reset``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.parallel import each
from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker.containers import TASK_LABEL
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import LABEL_APP
from ansible_collections.fungap.swarm.plugins.module_utils.folder import operation as folders
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import OPERATORS, Belonging, why_not_own_folder
from ansible_collections.fungap.swarm.plugins.module_utils.host import files
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import PLATFORM_LABEL
from ansible_collections.fungap.swarm.plugins.module_utils.reset.plan import Remove, SeenPlatform, listing, plan_reset

# What a role by itself may be told; the inventory's check asks for more.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
REGISTRY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}")
TASKS_END_SECONDS = 60


class Reset:
    """One docker host."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        if not NAME.fullmatch(params["platform"]):
            raise PlatformError(f"platform {params['platform']!r} is no platform's name: nothing was removed")
        for path in params["paths"]:
            if why := why_not_own_folder(path):
                raise PlatformError(f"{path} {why}: nothing was removed")
        self.engine = Engine(params["docker_socket"])
        self.unmarked: list[str] = []

    def plan(self) -> runner.Plan:
        """Look for the label and the paths."""
        platform = str(self.params["platform"])
        labels = [{PLATFORM_LABEL: platform}, {PLATFORM_LABEL: f"{platform}-jenkins"}]
        found = self._folders()
        is_member = self.params["leave_swarm"] and self.engine.info()["Swarm"]["LocalNodeState"] != "inactive"
        if is_foreign := is_member and not found["paths"]:
            found["left"]["the swarm of the docker host's own engine"] = f"nothing here shows that it is {platform}'s"
        # An engine that is itself a node holds the apps' env volumes among its own.
        has_env = self.params["leave_swarm"] and not is_foreign
        env_volumes = self.engine.volumes.names({LABEL_APP: None}) if has_env else []
        seen = SeenPlatform(
            containers=[
                container["Names"][0].lstrip("/")
                for label in labels
                for container in self.engine.containers.with_labels(label)
            ],
            networks=[name for label in labels for name in self.engine.networks.names(label)],
            volumes=[name for label in labels for name in self.engine.volumes.names(label)] + env_volumes,
            images=self.engine.images.of_catalog(platform, self.engine.platforms_beside(platform)),
            memories=[self.params["memory_file"]]
            if self.params["memory_file"] and not self.params["memory_left"]
            else [],
            **found,
        )
        actions = plan_reset(
            seen,
            volumes=self.params["volumes"],
            images=self.params["images"],
            leave_swarm=is_member and not is_foreign,
        )
        return runner.Plan(
            actions=actions,
            before="".join(f"{action}\n" for action in actions).replace("remove ", ""),
            result={"listing": listing(platform, seen, actions)},
        )

    def _folders(self) -> dict[str, Any]:
        """``paths``, ``left`` and ``pushed`` of what is seen; raises ``PlatformError`` for another's folder."""
        platform, registry = str(self.params["platform"]), str(self.params["registry"])
        ids, socket = self.params["platform_ids"], self.params["docker_socket"]
        found = {
            path: folders.whose_is(path, platform, ids=ids, registry=registry, socket=socket)
            for path in self.params["paths"]
        }
        _refuse_others(found, platform)
        paths = [path for path, one in found.items() if one.is_ours]
        _refuse_mounted(paths)
        left = dict.fromkeys(_operators(paths), "an operator laid it there")
        certificates = _certificates_of(registry)
        if certificates:
            same = _same_ca(certificates, paths, registry)
            found[certificates] = folders.whose_is(certificates, platform, ids=ids, proof=same, socket=socket)
            if found[certificates].is_ours:
                paths.append(certificates)
            elif found[certificates].is_refused:
                left[certificates] = f"it {found[certificates].why}"
        if self.params["memory_left"]:
            left[f"{self.params['memory_file']} on the controller"] = self.params["memory_left"]
        self.unmarked = [path for path, one in found.items() if one.state == "proved"]
        # Where the address is another platform's registry, the names are that platform's, too.
        names = self.engine.images.of_registry(registry) if registry and certificates not in left else []
        return {"paths": paths, "left": left, "pushed": names}

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        """Containers in parallel, the rest one after the other."""
        # What proves that they are the platform's goes before they do.
        for path in self.unmarked:
            folders.claim(path, str(self.params["platform"]), self.params["platform_ids"])
        removals: list[Remove] = list(plan.actions)
        containers = [removal.name for removal in removals if removal.kind == "container"]
        each(partial(self.engine.containers.remove, stop_seconds=10), containers, workers=len(containers))
        engine = self.engine
        remove = {"network": engine.networks.remove, "volume": engine.volumes.remove, "image": engine.images.remove}
        for removal in removals:
            if removal.kind == "swarm":
                self._leave_swarm()
            elif removal.kind == "path":
                folders.remove(removal.name)
            elif removal.kind not in ("container", "memory"):  # the latter is the action plugin's
                remove[removal.kind](removal.name)
        return {}

    def _leave_swarm(self) -> None:
        """Leave when nothing of the swarm runs here any more.

        An engine that is still ending tasks when it leaves can keep a network of the swarm's, which nothing removes
        until it starts again. Where no manager can act any more the tasks end with the swarm: no reason to stay.
        """
        with suppress(PlatformError):
            if self.engine.info()["Swarm"]["ControlAvailable"]:
                for service in self.engine.services.all():
                    self.engine.services.remove(service["ID"])
            wait_until(
                lambda: not self.engine.containers.with_labels({TASK_LABEL: None}),
                deadline_seconds=TASKS_END_SECONDS,
                failure=lambda: f"tasks still run after {TASKS_END_SECONDS} s",
            )
        self.engine.swarm.leave()


def _refuse_others(found: Mapping[str, Belonging], platform: str) -> None:
    refused = [f"{path} {one.why}; {one.cure(path, platform)}" for path, one in found.items() if one.is_refused]
    if refused:
        raise PlatformError("nothing was removed: " + ". ".join(refused))


def _refuse_mounted(paths: Sequence[str]) -> None:
    """No marker is proof for what lies on another filesystem."""
    if mounted := [point for path in paths for point in folders.mounted_below(path)]:
        raise PlatformError(
            f"nothing was removed: {', '.join(mounted)} is another filesystem, mounted in a folder of the "
            "platform's: unmount it first, or what is on it would be removed, too"
        )


def _operators(paths: Sequence[str]) -> list[str]:
    """What in these folders is an operator's, and stays."""
    candidates = [os.path.join(path, name) for path in paths for name in OPERATORS]
    return [path for path in candidates if os.path.lexists(path)]


def _certificates_of(registry: str) -> str:
    """The folder with which engines are told of the registry's CA; '' where no registry is named."""
    return f"/etc/docker/certs.d/{registry}" if REGISTRY.fullmatch(registry) else ""


def _same_ca(certificates: str, paths: Sequence[str], registry: str) -> str:
    """Why the folder with a registry's CA is the platform's: one of the platform's own folders has the same."""
    ca = files.read_state(os.path.join(certificates, "ca.crt")).content
    for path in paths:
        if ca and ca == files.read_state(os.path.join(path, "certs.d", registry, "ca.crt")).content:
            return f"its CA is the one of {path}"
    return ""
