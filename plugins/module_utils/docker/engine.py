# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One Docker Engine: what it says of itself, and its API by subject.

Methods speak the Engine API's own shapes (the dicts of its JSON).
"""

from __future__ import annotations

import socket as sockets
import struct
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.client import Client, Json
from ansible_collections.fungap.swarm.plugins.module_utils.docker.containers import Containers
from ansible_collections.fungap.swarm.plugins.module_utils.docker.images import Images
from ansible_collections.fungap.swarm.plugins.module_utils.docker.networks import Networks
from ansible_collections.fungap.swarm.plugins.module_utils.docker.services import Services
from ansible_collections.fungap.swarm.plugins.module_utils.docker.stacks import Stacks
from ansible_collections.fungap.swarm.plugins.module_utils.docker.swarm import Swarm
from ansible_collections.fungap.swarm.plugins.module_utils.docker.volumes import Volumes
from ansible_collections.fungap.swarm.plugins.module_utils.member.model import EngineMembership
from ansible_collections.fungap.swarm.plugins.module_utils.member.on_disk import read_raft_log, read_swarm_data
from ansible_collections.fungap.swarm.plugins.module_utils.node.model import PLATFORM_LABEL


def answering_manager(sockets: Sequence[str], *, timeout_seconds: int, otherwise: str) -> Engine:
    """The first engine of ``sockets`` that answers as a manager of a swarm; ``otherwise``: what there is none means."""
    asked = []
    for socket in sockets:
        engine = Engine(socket, timeout_seconds=timeout_seconds)
        silence = engine.silence()
        if not silence and engine.info()["Swarm"]["ControlAvailable"]:
            return engine
        asked.append(f"{socket} ({silence or 'it manages none'})")
    raise PlatformError(
        f"no engine answers as a manager of a swarm on {', '.join(asked) or 'this host (no socket given)'}{otherwise}"
    )


class Engine(Client):
    """One Docker Engine; each subject of its API is an attribute."""

    @cached_property
    def containers(self) -> Containers:
        return Containers(self)

    @cached_property
    def images(self) -> Images:
        return Images(self)

    @cached_property
    def networks(self) -> Networks:
        return Networks(self)

    @cached_property
    def volumes(self) -> Volumes:
        return Volumes(self)

    @cached_property
    def swarm(self) -> Swarm:
        return Swarm(self)

    @cached_property
    def services(self) -> Services:
        return Services(self)

    @cached_property
    def stacks(self) -> Stacks:
        return Stacks(self)

    def silence(self) -> str:
        """Why the engine doesn't answer; '' if it does."""
        try:
            with self.errors("connect"):
                self.api.ping()
        except PlatformError as error:
            return error.message
        return ""

    def is_answering(self) -> bool:
        """Whether the engine answers at all."""
        return not self.silence()

    def info(self) -> Json:
        """``GET /info``."""
        with self.errors("read the engine's info"):
            info: Json = self.api.info()
            return info

    def cluster_id(self) -> str:
        """The ID of the swarm that it manages; empty if it manages none."""
        return str(((self.info().get("Swarm") or {}).get("Cluster") or {}).get("ID") or "")

    def membership(self, *, with_log: bool = False) -> EngineMembership:
        """What it says of its part in a swarm, and what it has on its disk. ``with_log``: how far that goes, too."""
        info = self.info()
        folder = self._swarm_folder(str(info.get("DockerRootDir") or "/var/lib/docker"))
        found = EngineMembership.parse(info, read_swarm_data(folder))
        return replace(found, log=read_raft_log(folder)) if with_log and found.holds_data else found

    def _swarm_folder(self, root_dir: str) -> str:
        """Where the engine keeps it: in a container's volume for one that runs in a container."""
        with self.errors("look where it keeps its data"), sockets.socket(sockets.AF_UNIX) as connection:
            connection.connect(self.socket)
            credentials = connection.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, struct.calcsize("3i"))
            process, _user, _group = struct.unpack("3i", credentials)
        # Who listens, as the kernel knows it; its root is the one that its data lies in.
        return f"/proc/{process}/root{root_dir}/swarm"

    def platforms_beside(self, platform: str) -> set[str]:
        """The other platforms that have something on this engine."""
        filters = {"label": [PLATFORM_LABEL]}
        with self.errors("look for platforms"):
            found = [*self.api.containers(all=True, filters=filters), *self.api.networks(filters=filters)]
            found += self.api.volumes(filters=filters)["Volumes"] or []
        return {str(one["Labels"][PLATFORM_LABEL]) for one in found} - {platform, f"{platform}-jenkins"}
