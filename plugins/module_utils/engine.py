# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only file that touches Docker: one engine, reached by its unix socket through the Docker SDK for Python.

Methods speak the Engine API's own shapes (the dicts of its JSON). Every failure leaves as ``PlatformError``.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError

DOCKER_IMPORT_ERROR: str | None = None
try:
    import docker
    import docker.auth
    import docker.errors
    import docker.types
    import requests.exceptions
except ImportError:
    DOCKER_IMPORT_ERROR = traceback.format_exc()

Json = dict[str, Any]


def wait_until(
    ready: Callable[[], bool],
    *,
    deadline_seconds: float,
    failure: Callable[[], str],
    interval_seconds: float = 0.1,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return once ``ready()`` is true; raise ``PlatformError(failure())`` when it is not within the deadline.

    The interval doubles up to one second, so that quick things are seen at once and slow ones cost little.
    """
    end = clock() + deadline_seconds
    while not ready():
        if clock() >= end:
            raise PlatformError(failure())
        sleep(min(interval_seconds, max(end - clock(), 0)))
        interval_seconds = min(interval_seconds * 2, 1.0)


class Engine:
    """One Docker Engine.

    ``socket``: path of its unix socket, as seen by the machine the module runs on. ``timeout_seconds``: for one request.
    """

    def __init__(self, socket: str, *, timeout_seconds: int = 60) -> None:
        if DOCKER_IMPORT_ERROR:
            raise PlatformError(
                "the Docker SDK for Python is missing for this interpreter: install python3-docker "
                "(role docker_engine does) or name another ansible_python_interpreter",
                exception=DOCKER_IMPORT_ERROR,
            )
        self.socket = socket
        with self._errors("connect to"):
            self.api = docker.APIClient(base_url=f"unix://{socket}", version="auto", timeout=timeout_seconds)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turn what the SDK raises into ``PlatformError("cannot <doing> on <socket>: ...")``."""
        try:
            yield
        except docker.errors.APIError as error:
            raise PlatformError(
                f"cannot {doing} on {self.socket}: {error.explanation or error}", status=error.status_code or 0
            ) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise PlatformError(f"cannot {doing} on {self.socket}: {error}") from error

    # --- the engine itself ---

    def is_answering(self) -> bool:
        """Whether the engine answers at all."""
        try:
            return bool(self.api.ping())
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError):
            return False

    def info(self) -> Json:
        """``GET /info``."""
        with self._errors("read the engine's info"):
            info: Json = self.api.info()
            return info

    # --- env volumes: read and written through containers that are never started ---

    def named_volumes(self, name: str) -> list[Json]:
        """Volumes whose name contains ``name``."""
        with self._errors("list volumes"):
            return list(self.api.volumes(filters={"name": name})["Volumes"] or [])

    def create_named_volume(self, name: str, labels: dict[str, str]) -> None:
        """A local volume; one of that name that exists stays as it is."""
        with self._errors(f"create volume {name}"):
            self.api.create_volume(name, driver="local", labels=labels)

    def remove_named_volume(self, name: str) -> None:
        """Remove a volume; one that isn't there is fine."""
        with self._errors(f"remove volume {name}"):
            try:
                self.api.remove_volume(name)
            except docker.errors.NotFound:
                return

    def all_containers(self) -> list[Json]:
        """Containers in every state, with their labels and mounts."""
        with self._errors("list containers"):
            return list(self.api.containers(all=True))

    def image_config(self, reference: str) -> Json | None:
        """The image's ``Config``, or None when the engine doesn't have the image."""
        with self._errors(f"inspect image {reference}"):
            try:
                return dict(self.api.inspect_image(reference).get("Config") or {})
            except docker.errors.ImageNotFound:
                return None

    def pull_with_config(self, reference: str, registry_config: str | None) -> None:
        """Pull an image. ``registry_config``: a folder with the Docker CLI's config.json, where the credentials are."""
        with self._errors(f"pull image {reference}"):
            registry, _name = docker.auth.resolve_repository_name(reference)
            credentials = None
            if registry_config:
                config = docker.auth.load_config(config_path=f"{registry_config}/config.json")
                credentials = docker.auth.resolve_authconfig(config, registry)
            self.api.pull(reference, auth_config=credentials or {})

    @contextmanager
    def helper_container(
        self, image: str | None, labels: dict[str, str], *, volume: str | None = None, target: str | None = None
    ) -> Iterator[str]:
        """A created, never started container: its id; removed at the end, with its image where that is ours.

        ``image``: a reference, or None for an empty image, imported for the purpose. ``volume``: mounted at ``target``.
        """
        mounts = [docker.types.Mount(target, volume, type="volume", no_copy=True)] if volume else []
        empty = None
        container = None
        try:
            with self._errors("create a helper container"):
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
            with self._errors("remove a helper container"):
                if container:
                    self.api.remove_container(container, v=True, force=True)
                if empty:
                    with suppress(docker.errors.APIError):  # another call's helper may have the same empty image
                        self.api.remove_image(empty)

    def remove_container_and_volumes(self, container: str) -> None:
        """Remove a container and its anonymous volumes; one that isn't there is fine."""
        with self._errors(f"remove container {container}"):
            try:
                self.api.remove_container(container, v=True, force=True)
            except docker.errors.NotFound:
                return

    def read_archive(self, container: str, path: str) -> Iterator[bytes] | None:
        """A tar of a path in a container as a stream, or None when there is no such path."""
        with self._errors(f"read {path} of a helper container"):
            try:
                stream: Iterator[bytes] = self.api.get_archive(container, path)[0]
            except docker.errors.NotFound:
                return None
            return stream

    def write_archive(self, container: str, path: str, archive: bytes) -> None:
        """Unpack a tar into a folder of a container."""
        with self._errors(f"write to {path} of a helper container"):
            self.api.put_archive(container, path, archive)

    def swarm_nodes(self) -> list[Json]:
        """``GET /nodes``; a manager's engine only."""
        with self._errors("list the swarm's nodes"):
            return list(self.api.nodes())

    def swarm_services(self) -> list[Json]:
        """``GET /services``; a manager's engine only."""
        with self._errors("list the swarm's services"):
            return list(self.api.services())

    def change_node_labels(self, node: str, *, add: dict[str, str], remove: Iterable[str]) -> None:
        """Set and remove labels of a node (its id), leaving its other labels and settings alone; a manager's engine only."""
        with self._errors("label a node"):
            for attempt in range(5):
                seen = self.api.inspect_node(node)
                spec = dict(seen["Spec"])
                labels = {key: value for key, value in (spec.get("Labels") or {}).items() if key not in set(remove)}
                spec["Labels"] = {**labels, **add}
                try:
                    self.api.update_node(node, seen["Version"]["Index"], spec)
                except docker.errors.APIError as error:
                    # Somebody else changed the node meanwhile: look again.
                    if attempt == 4 or "out of sequence" not in str(error.explanation):
                        raise
                else:
                    return
