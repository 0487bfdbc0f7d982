# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``app_volume_copy``: an app's volumes from one node to another, or halfway, into files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.app_volume import contents, look, model
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker.containers import said, volumes_of
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine


class Copy:
    """One call. Without a source the files are read, without a target they are written."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.app: str = params["app"]
        self.volumes: list[str] = params["volumes"]
        look.check_names(self.app, self.volumes)
        self.source = Engine(params["source_socket"]) if params["source_socket"] else None
        self.target = Engine(params["target_socket"]) if params["target_socket"] else None
        self.moved_from: str = params["moved_from"]
        self.temporary: str = params["temporary"]
        self.stop_seconds: float = params["stop_seconds"]
        self.digests: dict[str, str] = params["digests"]
        if not (self.source and self.target) and not self.temporary:
            raise PlatformError("give source_socket and target_socket, or a connection that carries the files")

    def plan(self) -> Plan:
        """See the protocol."""
        doing = "copy" if self.source and self.target else "read" if self.source else "write"
        actions = [f"{doing} volume {model.volume_name(self.app, one)}" for one in self.volumes]
        return Plan(actions=actions, result={"digests": {}, "bytes": 0})

    def apply(self, plan: Plan) -> Mapping[str, Any]:  # noqa: ARG002  there is one thing to do
        """See the protocol."""
        digests, size = {}, 0
        for short in self.volumes:
            digests[short], found = self._carry(short)
            size += found
        return {"digests": digests, "bytes": size}

    def _carry(self, short: str) -> tuple[str, int]:
        name, file = model.volume_name(self.app, short), os.path.join(self.temporary or "/", f"{short}.tar")
        if self.source is not None:
            await_end(self.source, name, self.stop_seconds)
        if self.source is not None and self.target is not None:
            with contents.mounted(self.source, self.app, name) as helper:
                self._write(self.target, short, contents.chunks(self.source, helper, name))
            return self._verified(short, *contents.volume_digest(self.source, self.app, name))
        if self.source is not None:
            with contents.mounted(self.source, self.app, name) as helper:
                _save(contents.chunks(self.source, helper, name), file)
            return contents.volume_digest(self.source, self.app, name)
        if self.target is None:
            raise PlatformError("neither a source nor a target is given")
        self._write(self.target, short, _blocks(file))
        return self._verified(short, self.digests[short], 0)

    def _write(self, target: Engine, short: str, stream: Iterator[bytes]) -> None:
        """Into a fresh volume: what is there by now is what a move that failed has left."""
        name = model.volume_name(self.app, short)
        there = model.seen_volumes(self.app, target.volumes.containing(name)).get(short)
        if there and not (there.is_ours and there.moved_from == self.moved_from):
            raise PlatformError(f"there is a volume {name} on {target.socket} that no move has left: look at it first")
        target.volumes.remove(name)
        target.volumes.create(name, model.volume_labels(self.app, short, self.moved_from))
        with contents.mounted(target, self.app, name) as helper:
            target.containers.write_archive(helper, contents.ABOVE, stream)

    def _verified(self, short: str, wanted: str, size: int) -> tuple[str, int]:
        """What arrived is read again: only then may what it was copied from go."""
        name = model.volume_name(self.app, short)
        if self.target is not None:
            found, read = contents.volume_digest(self.target, self.app, name)
            if found != wanted:
                raise PlatformError(
                    f"volume {name} did not arrive as it was: its SHA-256 is {found}, and has to be {wanted}. "
                    "Something else may have written to it meanwhile; try again"
                )
            size = size or read
        return wanted, size


def await_end(engine: Engine, volume: str, deadline_seconds: float) -> None:
    """Wait until nothing that runs can write to a volume.

    What swarm says of a task is no proof: one that has to leave its node counts as rejected before its container ends.
    """

    def writers() -> list[str]:
        return [
            said(one)
            for one in engine.containers.with_labels({})
            if one.get("State") in ("running", "paused", "restarting") and volume in volumes_of(one)
        ]

    wait_until(
        lambda: not writers(),
        deadline_seconds=deadline_seconds,
        failure=lambda: f"volume {volume} is still in use by {', '.join(writers())} after {deadline_seconds:g} s",
    )


def _save(stream: Iterator[bytes], path: str) -> None:
    with contents.as_platform_error(f"write {path}"):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for chunk in stream:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        # For the connection's user, who takes it away.
        status = os.stat(os.path.dirname(path))
        os.chown(path, status.st_uid, status.st_gid)


def _blocks(path: str) -> Iterator[bytes]:
    with contents.as_platform_error(f"read {path}"), open(path, "rb") as file:
        while block := file.read(contents.BLOCK_BYTES):
            yield block
