# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The swarm that an engine is in: membership, its nodes, and what it keeps (configs and secrets)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.client import OUT_OF_SEQUENCE, Json, Part, again_while

with suppress(ImportError):  # the client says so
    import docker


class Swarm(Part):
    """The swarm that an engine is in: membership, its nodes, and what it keeps (configs and secrets)."""

    def inspect(self) -> Json:
        """``GET /swarm``: settings, version and, under ``JoinTokens``, secrets."""
        with self.errors("read the swarm"):
            swarm: Json = self.api.inspect_swarm()
            return swarm

    def unlock_key(self) -> str:
        """The key that a locked manager needs; empty without autolock. A secret."""
        with self.errors("read the swarm's unlock key"):
            return str(self.api.get_unlock_key().get("UnlockKey") or "")

    def init(self, body: Json) -> None:
        """``POST /swarm/init``."""
        self.post("start a swarm", "/swarm/init", {"ListenAddr": "0.0.0.0:2377", **body})

    def join(self, body: Json) -> None:
        """``POST /swarm/join``. The token in ``body`` never shows in an error."""
        token = body["JoinToken"]
        try:
            self.post("join the swarm", "/swarm/join", {"ListenAddr": "0.0.0.0:2377", **body})
        except PlatformError as error:
            raise PlatformError(error.message.replace(token, "<the token>"), **error.details) from None

    def leave(self) -> None:
        """Leave, also as a manager; no error when it is in no swarm."""
        with self.errors("leave the swarm"):
            self.api.leave_swarm(force=True)

    def unlock(self, key: str) -> None:
        """``POST /swarm/unlock``."""
        try:
            self.post("unlock the swarm", "/swarm/unlock", {"UnlockKey": key})
        except PlatformError as error:
            raise PlatformError(error.message.replace(key, "<the key>"), **error.details) from None

    def update(self, change: Callable[[Json], Json], **rotate: bool) -> None:
        """``POST /swarm/update`` with ``change(spec)``; ``rotate``: rotateWorkerToken, rotateManagerToken."""
        query = {key: "true" for key, value in rotate.items() if value}

        def write() -> None:
            swarm = self.inspect()
            version = str(swarm["Version"]["Index"])
            self.post("update the swarm", "/swarm/update", change(swarm["Spec"]), version=version, **query)

        again_while(OUT_OF_SEQUENCE, write)

    def nodes(self) -> list[Json]:
        """``GET /nodes`` (a manager with a leader only)."""
        with self.errors("list the swarm's nodes"):
            nodes: list[Json] = self.api.nodes()
            return nodes

    def node(self, node_id: str) -> Json | None:
        """``GET /nodes/<id>``; None when there is none."""
        with self.errors("read a swarm node"):
            try:
                node: Json = self.api.inspect_node(node_id)
            except docker.errors.NotFound:
                return None
            return node

    def update_node(self, node_id: str, change: Callable[[Json], Json]) -> None:
        """``POST /nodes/<id>/update`` with ``change(spec)``, read and written again when someone else was faster."""

        def write() -> None:
            node = self.node(node_id)
            if node is None:
                raise PlatformError(f"there is no swarm node {node_id} (asked {self.socket})")
            version = str(node["Version"]["Index"])
            self.post("update a swarm node", f"/nodes/{node_id}/update", change(node["Spec"]), version=version)

        again_while(OUT_OF_SEQUENCE, write)

    def remove_node(self, node_id: str) -> None:
        """Take a node out of the list, also one that isn't down; no error when there is none."""
        with self.errors("remove a swarm node"):
            try:
                self.api.remove_node(node_id, force=True)
            except docker.errors.NotFound:
                return

    def busy_tasks(self, node_id: str) -> list[str]:
        """Names (or IDs) of containers that tasks still hold on a node."""
        with self.errors("list a node's tasks"):
            tasks: list[Json] = self.api.tasks(filters={"node": node_id})
        at_rest = {"complete", "shutdown", "failed", "rejected", "remove", "orphaned"}
        return [task["ID"] for task in tasks if task["Status"]["State"] not in at_rest]

    def items(self, kind: str, label: str) -> list[Json]:
        """``GET /configs`` or ``GET /secrets`` with a label. ``kind``: ``config`` or ``secret``."""
        with self.errors(f"list {kind}s"):
            read: Any = self.api.configs if kind == "config" else self.api.secrets
            items: list[Json] = read(filters={"label": label})
            return items

    def create_item(self, kind: str, name: str, content: str, labels: dict[str, str]) -> None:
        """Create a config or a secret."""
        with self.errors(f"create {kind} {name}"):
            create = self.api.create_config if kind == "config" else self.api.create_secret
            create(name, content.encode(), labels)

    def remove_item(self, kind: str, item_id: str) -> None:
        """Remove a config or a secret; one that is gone is fine."""
        with self.errors(f"remove {kind} {item_id}"), suppress(docker.errors.NotFound):
            (self.api.remove_config if kind == "config" else self.api.remove_secret)(item_id)
