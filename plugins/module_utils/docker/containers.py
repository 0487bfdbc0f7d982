# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Containers of one engine: looked at, made, run, and read and written as archives."""

from __future__ import annotations

import json
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.waiting import wait_until
from ansible_collections.fungap.swarm.plugins.module_utils.docker import cli
from ansible_collections.fungap.swarm.plugins.module_utils.docker.archives import tar_entry, tar_of
from ansible_collections.fungap.swarm.plugins.module_utils.docker.client import (
    Json,
    Part,
    again_while,
    frames,
    label_filters,
)

with suppress(ImportError):  # the client says so
    import docker
    import docker.types
    import requests.exceptions

# On each container that swarm has made.
TASK_LABEL = "com.docker.swarm.task.id"


def volumes_of(container: Json) -> set[str]:
    """Names of the volumes that one of ``with_labels`` has mounted."""
    return {str(mount["Name"]) for mount in container.get("Mounts") or [] if mount.get("Name")}


def said(container: Json) -> str:
    """Name and state of one of ``with_labels``, as an operator knows it."""
    name = str((container.get("Names") or [container["Id"][:12]])[0]).lstrip("/")
    return f"{name} ({container.get('State')})"


class Containers(Part):
    """Containers of one engine: looked at, made, run, and read and written as archives."""

    def with_labels(self, labels: Mapping[str, str] | Mapping[str, None]) -> list[Json]:
        """``GET /containers/json`` of all containers, stopped ones too, that carry ``labels``; None: any value."""
        with self.errors("list containers"):
            found: list[Json] = self.api.containers(all=True, filters={"label": label_filters(labels)})
            return found

    def is_left_over(self, container: Json) -> bool:
        """Whether one of ``with_labels`` is what is left of a task of the swarm, or of a removal that failed.

        The engine tries once to remove the container of a task that swarm has forgotten (swarmkit v1.12,
        ``agent/worker.go``: "best effort"). One that it could not remove then stays for good, and holds its volumes.
        """
        if container.get("State") in ("removing", "dead"):
            # A list doesn't tell one that could not be removed from one that is being removed.
            found = self.inspect(container["Id"])
            return bool(found and found["State"]["Status"] == "dead")
        return container.get("State") in ("exited", "created") and TASK_LABEL in (container.get("Labels") or {})

    def inspect(self, name: str) -> Json | None:
        """``GET /containers/<name>/json``; None when there is none of that name."""
        with self.errors(f"inspect container {name}"):
            try:
                container: Json = self.api.inspect_container(name)
            except docker.errors.NotFound:
                return None
            return container

    def log(self, name: str, lines: int = 15) -> str:
        """The last ``lines`` lines that a container wrote."""
        with self.errors(f"read the log of {name}"):
            return bytes(self.api.logs(name, tail=lines)).decode(errors="replace")

    def last_exit_code(self, name: str, within_seconds: float) -> int | None:
        """Of a container's last end, though it may have been started again; None when it has not ended in that time.

        By the engine's events: of a container that runs, nothing else tells what it died of.
        """
        now = time.time()
        with self.errors(f"read the events of {name}"):
            filters = {"container": name, "event": "die"}
            ends = list(self.api.events(since=now - within_seconds, until=now, filters=filters, decode=True))
        return int(ends[-1]["Actor"]["Attributes"]["exitCode"]) if ends else None

    def health_log(self, container_id: str) -> str:
        """What the last failing health checks of a container of this engine printed; empty when there is nothing."""
        try:
            health = self.api.inspect_container(container_id)["State"].get("Health") or {}
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError):
            return ""
        failed = [entry for entry in health.get("Log") or [] if entry.get("ExitCode")]
        return "\n".join(f"exit code {entry['ExitCode']}: {str(entry.get('Output')).strip()}" for entry in failed[-2:])

    def create(self, name: str, body: Json, files: Mapping[str, tuple[int, str]]) -> None:
        """``POST /containers/create`` with ``body`` as it is, then copy ``files`` in (path -> mode, content).

        The SDK's own builders refuse MaskedPaths and ReadonlyPaths, so the body goes past them.
        """
        with self.errors(f"create container {name}"):
            self.api.create_container_from_config(body, name=name)
            if not files:
                return
            entries = [tar_entry(path, content, mode) for path, (mode, content) in sorted(files.items())]
            self.api.put_archive(name, "/", tar_of(entries))

    def connect(self, name: str, network: str, address: str | None) -> None:
        """Attach a container to one network more, with a fixed address if there is one."""
        with self.errors(f"attach container {name} to network {network}"):
            self.api.connect_container_to_network(name, network, ipv4_address=address)

    def start(self, name: str) -> None:
        """Start a container; one that runs is left as it is."""
        with self.errors(f"start container {name}"):
            self.api.start(name)

    def stop(self, name: str, stop_seconds: int) -> None:
        """Stop a container, giving it ``stop_seconds``; one that is stopped is left as it is."""
        with self.errors(f"stop container {name}"):
            self.api.stop(name, timeout=stop_seconds)

    def rename(self, name: str, new_name: str) -> None:
        """Give a container another name."""
        with self.errors(f"rename container {name}"):
            self.api.rename(name, new_name)

    def wait(self, name: str, deadline_seconds: float) -> int:
        """Wait until a container has ended; its exit code."""
        state: Json = {}

        def ended() -> bool:
            state.update((self.inspect(name) or {"State": {"Running": False, "ExitCode": 125}})["State"])
            return not state["Running"]

        wait_until(
            ended,
            deadline_seconds=deadline_seconds,
            failure=lambda: f"container {name} on {self.socket} has not ended after {deadline_seconds:g} s",
        )
        return int(state["ExitCode"])

    @contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """Hold a container's processes for as long as the block takes; one that doesn't run is left as it is.

        One that a killed run has left paused goes on, too, and one whose pause was given up or interrupted: the engine
        may have carried it out by then.
        """
        state = (self.inspect(name) or {"State": {}})["State"]
        if not state.get("Running"):
            yield
            return

        def pause() -> None:
            with self.errors(f"pause container {name}"):
                self.api.pause(name)

        try:
            if not state.get("Paused"):
                # With cgroup v1, runc gives up on processes that start others all the time, and lets them go on.
                again_while("unable to freeze", pause, attempts=10)
            yield
        finally:
            if (self.inspect(name) or {"State": {}})["State"].get("Paused"):
                with self.errors(f"go on with container {name}"):
                    self.api.unpause(name)

    def remove(self, name: str, stop_seconds: int) -> None:
        """Stop a container, giving it ``stop_seconds``, and remove it; its named volumes stay."""
        with self.errors(f"remove container {name}"):
            self.api.stop(name, timeout=stop_seconds)  # which waits that much longer than for other answers
            self.api.remove_container(name)

    def remove_with_volumes(self, container: str) -> None:
        """Remove a container and its anonymous volumes; one that isn't there, or is on its way, is fine."""
        with self.errors(f"remove container {container}"):
            try:
                self.api.remove_container(container, v=True, force=True)
            except docker.errors.APIError as error:
                # Not there, or being removed.
                if error.status_code not in (404, 409):
                    raise

    def run_once(
        self, body: Json, files: Iterable[tuple[tarfile.TarInfo, bytes]], *, timeout_seconds: float
    ) -> tuple[int, str]:
        """Run a container to its end, with ``files`` in it: its exit code, and what it wrote.

        ``body``: of ``POST /containers/create``, with AutoRemove: the engine removes it, whoever is gone by then.
        """
        with self.errors(f"create a container of {body['Image']}"):
            container = str(self.api.create_container_from_config(body)["Id"])
        try:
            with self.errors(f"write to a container of {body['Image']}"):
                self.api.put_archive(container, "/", tar_of(files))
            # The client hears of the end of a container that removes itself; a question after its end comes too late.
            return cli.run(self.socket, ["start", "--attach", container], timeout_seconds=timeout_seconds)
        finally:
            self.remove_with_volumes(container)

    def exec(
        self,
        name: str,
        command: Sequence[str],
        *,
        user: str = "",
        environment: Mapping[str, str] | None = None,
        timeout_seconds: int = 60,
    ) -> tuple[int, str]:
        """Run a command in a container that runs: its exit code and what it wrote.

        ``user``: the image's own by default. ``timeout_seconds``: how long the command may write nothing.
        """
        with self.errors(f"run {command[0]} in container {name}"):
            started = self.api.exec_create(name, list(command), user=user, environment=dict(environment or {}))["Id"]
            # The SDK's exec_start reads from the socket behind the answer's buffer, and loses what came together
            # with the answer's head: all that a quick command writes.
            api: Any = self.api
            url = api._url("/exec/{0}/start", started)
            response = api._post_json(url, data={"Tty": False, "Detach": False}, timeout=timeout_seconds)
            output = frames(api._result(response, binary=True)).decode(errors="replace")
            return int(self.api.exec_inspect(started)["ExitCode"]), output

    @contextmanager
    def helper(
        self, image: str | None, labels: dict[str, str], *, volume: str | None = None, target: str | None = None
    ) -> Iterator[str]:
        """A created, never started container: its id; removed at the end, with its image where that is ours.

        ``image``: a reference, or None for an empty image, imported for the purpose. ``volume``: mounted at ``target``.
        """
        mounts = [docker.types.Mount(target, volume, type="volume", no_copy=True)] if volume and target else []
        empty = None
        container = None
        try:
            with self.errors("create a helper container"):
                if image is None:
                    # An empty tar: two blocks of zeros.
                    reply = self.api.import_image_from_data(b"\0" * 1024)
                    empty = json.loads(reply.strip().splitlines()[-1])["status"]
                container = self.api.create_container(
                    image or empty,
                    ["/never-started"],
                    entrypoint="",
                    labels=labels,
                    host_config=self.api.create_host_config(network_mode="none", mounts=mounts),
                )["Id"]
            yield container
        finally:
            with self.errors("remove a helper container"):
                if container:
                    self.api.remove_container(container, v=True, force=True)
                if empty:
                    with suppress(docker.errors.APIError):  # another call's helper may have the same empty image
                        self.api.remove_image(empty)

    def read_archive(self, container: str, path: str) -> Iterator[bytes] | None:
        """A tar of a path in a container as a stream, or None when there is no such path."""
        with self.errors(f"read {path} of a helper container"):
            try:
                stream: Iterator[bytes] = self.api.get_archive(container, path)[0]
            except docker.errors.NotFound:
                return None
            return stream

    def write_archive(self, container: str, path: str, archive: bytes | IO[bytes] | Iterator[bytes]) -> None:
        """Unpack a tar into a folder of a container."""
        with self.errors(f"write to {path} of a helper container"):
            api: Any = self.api
            api.put_archive(container, path, archive)
