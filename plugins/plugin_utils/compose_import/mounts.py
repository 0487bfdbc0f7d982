# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The mounts of a service of a compose file. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.notes import Around, Note

# As names of volumes these say nothing of whose they are.
COMMON_FOLDERS = ("cache", "config", "conf", "data", "db", "log", "logs", "storage", "tmp")
FOR_DEVELOPMENT = "the source code lies over the image for development; the image has it"


class Mounts:
    """The volumes of a service: named ones, others that a swarm has, and those that it has not."""

    def __init__(self, service: str, around: Around, context: str = "") -> None:
        """``context``: of the service's build."""
        self.service, self.around, self.context = service, around, posixpath.normpath(context) if context else ""
        self.named: list[tuple[str, str, bool]] = []
        self.others: list[Any] = []
        self.notes: list[Note] = []

    def add(self, one: Mapping[str, Any]) -> None:
        kind, source, target = one["type"], str(one.get("source") or ""), str(one["target"])
        if kind == "volume" and source:
            self.named.append((source, target, bool(one.get("read_only"))))
        elif kind == "volume":
            cure = "volumes, where the data is to be kept; else nothing"
            self._note(f"{target} has no name, so its data is lost with each container", cure)
        elif kind == "tmpfs":
            self._tmpfs(target, (one.get("tmpfs") or {}).get("size"))
        elif kind == "bind":
            self._bind(source, target, bool(one.get("read_only")))
        else:
            self._note(f"{target} is of the type {kind}, which an app has not", "another one")

    def add_memory(self, service: Mapping[str, Any]) -> None:
        for one in service.get("tmpfs") or ():
            self._tmpfs(str(one).partition(":")[0], None)
        if service.get("shm_size"):
            self._tmpfs("/dev/shm", service["shm_size"])

    def _tmpfs(self, target: str, given: Any) -> None:
        limit = {"tmpfs": {"size": int(given)}} if given and str(given).isdigit() else {}
        self.others.append({"type": "tmpfs", "target": target, **limit})

    def _bind(self, source: str, target: str, is_read_only: bool) -> None:
        there = self.around.beside.get(source, "")
        if source.endswith("docker.sock") or target.endswith("docker.sock"):
            cure = "do without it; what only reads of the platform asks its own monitoring"
            self._note("the engine's socket is root on the node, and it knows that node alone", cure)
        elif target in ("/etc/localtime", "/etc/timezone"):
            self._note(f"{target} is the machine's own", "TZ in environment, as Europe/Berlin")
        elif self._is_code(source, there) and not is_read_only:
            self._note(f"{source} over {target}: {FOR_DEVELOPMENT}", "nothing, if its Dockerfile copies it")
        elif not is_read_only and self._is_data(source, target):
            self._folder(source, target)
        elif source.startswith("/"):
            cure = f"volumes; or, with that folder on the nodes, volumes: ['{source}:{target}'] of the service"
            self._note(f"{source} is a folder of the machine, and another one on each node", cure)
        else:
            cure = "in the image (COPY); or volumes with what it holds"
            self._note(f"{source} lies beside the compose file, and on no node: {target}", cure)

    def _is_code(self, source: str, there: str) -> bool:
        path = posixpath.normpath(source)
        is_within = there in ("folder", "file") and path.startswith(f"{self.context}/")
        return bool(self.context) and not source.startswith("/") and (path == self.context or is_within)

    def _is_data(self, source: str, target: str) -> bool:
        """A folder that Docker would make, or one that a variable names."""
        is_made = self.around.beside.get(source) == "nothing" or self.around.refer.has_mark(source)
        last = posixpath.basename(target.rstrip("/"))
        return is_made and not posixpath.splitext(last)[1] and not last.lower().endswith("file")

    def _folder(self, source: str, target: str) -> None:
        last = target if self.around.refer.has_mark(source) else source
        name = re.sub(r"[^a-z0-9]+", "-", posixpath.basename(last.rstrip("/")).lower()).strip("-") or "data"
        name = f"{self.service}-{name}" if name in COMMON_FOLDERS else name
        self.named.append((name, target, False))
        self._note(f"the folder {source} becomes the volume {name}", "copy into it what the app had there")

    def _note(self, reason: str, cure: str) -> None:
        self.notes.append(Note(f"{self.service}.volumes", reason, cure))
