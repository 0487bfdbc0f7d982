# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Volumes of one engine."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from ansible_collections.fungap.swarm.plugins.module_utils.docker.client import Json, Part, label_filters

with suppress(ImportError):  # the client says so
    import docker


class Volumes(Part):
    """Volumes of one engine."""

    def names(self, labels: Mapping[str, str] | Mapping[str, None]) -> list[str]:
        """Names of the volumes that carry ``labels``; None stands for any value."""
        with self.errors("list volumes"):
            found = self.api.volumes(filters={"label": label_filters(labels)})["Volumes"] or []
            return [volume["Name"] for volume in found]

    def containing(self, name: str) -> list[Json]:
        """Volumes whose name contains ``name``."""
        with self.errors("list volumes"):
            return list(self.api.volumes(filters={"name": name})["Volumes"] or [])

    def path(self, name: str) -> str | None:
        """Where a local volume's files lie on this machine; None when there is no such volume."""
        with self.errors(f"look at volume {name}"):
            try:
                return str(self.api.inspect_volume(name)["Mountpoint"])
            except docker.errors.NotFound:
                return None

    def create(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a local volume; one of that name that is there is left as it is."""
        with self.errors(f"create volume {name}"):
            self.api.create_volume(name, driver="local", labels=dict(labels))

    def remove(self, name: str) -> None:
        """Remove a volume; one that isn't there is fine."""
        with self.errors(f"remove volume {name}"):
            try:
                self.api.remove_volume(name)
            except docker.errors.NotFound:
                return
