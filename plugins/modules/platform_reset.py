#!/usr/bin/python
# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: platform_reset
short_description: Take a platform off a docker host
version_added: 0.1.0
description:
  - Removes what carries the platform's label on a docker host's engine, or that of its Jenkins (the platform's name
    with C(-jenkins)), and the platform's own folders. Nothing else.
  - A folder is the platform's where its marker, the file C(.fungap-platform), says so, by name and ID. One that
    was made before there were markers is, where a container of the platform mounts what the platform keeps there, or
    where it has the login for O(registry). What an operator laid into it (C(images)) stays.
  - Volumes, which hold the nodes' identity, the registry's images and the apps' data, go only when asked for.
author: The fungap.swarm authors (@fungap)
requirements:
  - Docker SDK for Python
attributes:
  check_mode:
    support: full
    description: Says what would be removed.
  diff_mode:
    support: full
    description: Lists what is there before and after.
  idempotent:
    support: full
    description: A second call finds nothing to remove.
options:
  platform:
    description: Name of the platform.
    type: str
    required: true
  ca_file:
    description:
      - The platform's CA on the controller, whose key is its ID. Where a marker has another one, nothing is removed.
    type: path
    default: ""
  id_replaced:
    description: The ID of another platform of the same name that is to be removed all the same.
    type: str
    default: ""
  platform_ids:
    description: What these two come to. Filled in by the action plugin; not meant to be given.
    type: list
    elements: str
    default: []
  docker_socket:
    description: Unix socket of the docker host's own engine.
    type: path
    default: /var/run/docker.sock
  paths:
    description:
      - Folders of the platform. One that the system or something else on the machine uses, or that is not empty and
        not proved to be the platform's, is refused before anything is removed.
    type: list
    elements: path
    default: []
  volumes:
    description: Remove the volumes too. What is on them is lost.
    type: bool
    default: false
  registry:
    description:
      - The platform's own registry as C(host:port). Its folder in C(/etc/docker/certs.d) goes. With O(volumes), the
        names that images have for it go too; the images stay under their other names.
    type: str
    default: ""
  images:
    description:
      - Remove the images that were built for the platform; the next run makes them again. What was built for another
        platform stays, and beside another one what doesn't say for which (an older version has built it).
    type: bool
    default: false
  leave_swarm:
    description:
      - Let the docker host's own engine leave the swarm that it is in, whatever its role. A manager ends all services
        first, and the engine leaves when none of their tasks is left on it, after 60 s at the latest.
      - It stays where none of O(paths) is proved to be the platform's, as the swarm may be somebody else's.
    type: bool
    default: false
  memory_file:
    description:
      - A file on the controller in which it is remembered what is in force. It goes, too. Anything else at that path
        stays, and RV(listing) says so.
    type: path
    default: ""
  memory_left:
    description: Why that file stays. Filled in by the action plugin; not meant to be given.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Take the platform away, keep its data
  fungap.swarm.platform_reset:
    platform: fungap
    paths: [/etc/fungap, /run/fungap]
"""

RETURN = r"""
actions:
  description: What was removed, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [remove container fungap-manager1, remove path /etc/fungap]
listing:
  description: What is removed and what stays, a line for each kind of things, for a person to read.
  returned: success
  type: list
  elements: str
  sample:
    - "remove containers: fungap-manager1, fungap-registry"
    - "remove folders, with what is in them: /etc/fungap, /run/fungap"
    - "keep volumes: fungap-manager1, fungap-registry (-e reset_volumes=true removes them)"
"""

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils import files, folders, runner
from ansible_collections.fungap.swarm.plugins.module_utils.engine import Engine, wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.model.env import LABEL_APP
from ansible_collections.fungap.swarm.plugins.module_utils.model.folder import OPERATORS, why_not_own_folder
from ansible_collections.fungap.swarm.plugins.module_utils.model.node import PLATFORM_LABEL
from ansible_collections.fungap.swarm.plugins.module_utils.plan.reset import Remove, SeenPlatform, listing, plan_reset

# What a role by itself may be told; the inventory's check asks for more.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
REGISTRY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:[0-9]{1,5}")
TASK_LABEL = "com.docker.swarm.task.id"
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
        env_volumes = self.engine.volume_names({LABEL_APP: None}) if has_env else []
        seen = SeenPlatform(
            containers=[
                container["Names"][0].lstrip("/") for label in labels for container in self.engine.containers(label)
            ],
            networks=[name for label in labels for name in self.engine.network_names(label)],
            volumes=[name for label in labels for name in self.engine.volume_names(label)] + env_volumes,
            images=self.engine.catalog_images(platform),
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
        refused = [f"{path} {one.why}; {one.cure(path, platform)}" for path, one in found.items() if one.is_refused]
        if refused:
            raise PlatformError("nothing was removed: " + ". ".join(refused))
        paths = [path for path, one in found.items() if one.is_ours]
        # No marker is proof for what lies on it.
        if mounted := [point for path in paths for point in folders.mounted_below(path)]:
            raise PlatformError(
                f"nothing was removed: {', '.join(mounted)} is another filesystem, mounted in a folder of the "
                "platform's: unmount it first, or what is on it would be removed, too"
            )
        left = {
            os.path.join(path, name): "an operator laid it there"
            for path in paths
            for name in OPERATORS
            if os.path.lexists(os.path.join(path, name))
        }
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
        names = self.engine.registry_images(registry) if registry and certificates not in left else []
        return {"paths": paths, "left": left, "pushed": names}

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:
        """Containers in parallel, the rest one after the other."""
        # What proves that they are the platform's goes before they do.
        for path in self.unmarked:
            folders.claim(path, str(self.params["platform"]), self.params["platform_ids"])
        removals: list[Remove] = list(plan.actions)
        containers = [removal.name for removal in removals if removal.kind == "container"]
        if containers:
            with ThreadPoolExecutor(len(containers)) as pool:
                list(pool.map(lambda name: self.engine.remove_container(name, stop_seconds=10), containers))
        for removal in removals:
            if removal.kind == "swarm":
                self._leave_swarm()
            elif removal.kind == "path":
                folders.remove(removal.name)
            elif removal.kind not in ("container", "memory"):  # the latter is the action plugin's
                self.engine.remove(removal.kind, removal.name)
        return {}

    def _leave_swarm(self) -> None:
        """Leave when nothing of the swarm runs here any more.

        An engine that is still ending tasks when it leaves can keep a network of the swarm's, which nothing removes
        until it starts again. Where no manager can act any more the tasks end with the swarm: no reason to stay.
        """
        with suppress(PlatformError):
            if self.engine.info()["Swarm"]["ControlAvailable"]:
                for service in self.engine.swarm_services():
                    self.engine.remove_service(service["ID"])
            wait_until(
                lambda: not self.engine.containers({TASK_LABEL: None}),
                deadline_seconds=TASKS_END_SECONDS,
                failure=lambda: f"tasks still run after {TASKS_END_SECONDS} s",
            )
        self.engine.swarm_leave()


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


def main() -> None:
    """Run the module."""
    runner.run(
        Reset,
        {
            "platform": {"type": "str", "required": True},
            "ca_file": {"type": "path", "default": ""},
            "id_replaced": {"type": "str", "default": ""},
            "platform_ids": {"type": "list", "elements": "str", "default": []},
            "docker_socket": {"type": "path", "default": "/var/run/docker.sock"},
            "paths": {"type": "list", "elements": "path", "default": []},
            "volumes": {"type": "bool", "default": False},
            "registry": {"type": "str", "default": ""},
            "images": {"type": "bool", "default": False},
            "leave_swarm": {"type": "bool", "default": False},
            "memory_file": {"type": "path", "default": ""},
            "memory_left": {"type": "str", "default": ""},
        },
    )


if __name__ == "__main__":
    main()
