# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only file that touches Docker: one engine, reached by its unix socket through the Docker SDK for Python.

Methods speak the Engine API's own shapes (the dicts of its JSON). Every failure leaves as ``PlatformError``.
"""

from __future__ import annotations

import io
import tarfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.errors import PlatformError

DOCKER_IMPORT_ERROR: str | None = None
try:
    import docker
    import docker.errors
    import requests.exceptions
except ImportError:
    DOCKER_IMPORT_ERROR = traceback.format_exc()

Json = dict[str, Any]

# Docker 20.10, the oldest engine of the supported distributions.
OLDEST_API = "1.41"

# The label of every image of the catalog.
RECIPE_LABEL = "io.fungap.recipe"


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

    ``socket``: path of its unix socket, as seen by the machine the module runs on. ``timeout_seconds``: for one
    request. ``connect`` false: the engine may not be up yet; the API's version is then not negotiated.
    """

    def __init__(self, socket: str, *, timeout_seconds: int = 60, connect: bool = True) -> None:
        if DOCKER_IMPORT_ERROR:
            raise PlatformError(
                "the Docker SDK for Python is missing for this interpreter: install python3-docker "
                "(role docker_engine does) or name another ansible_python_interpreter",
                exception=DOCKER_IMPORT_ERROR,
            )
        self.socket = socket
        with self._errors("connect to"):
            version = "auto" if connect else OLDEST_API
            self.api = docker.APIClient(base_url=f"unix://{socket}", version=version, timeout=timeout_seconds)

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

    # --- networks, volumes and containers of a docker host ---

    def image_id(self, image: str) -> str | None:
        """ID of an image, None when the engine does not have it."""
        try:
            return str(self.api.inspect_image(image)["Id"])
        except docker.errors.ImageNotFound:
            return None

    def network(self, name: str) -> Json | None:
        """``GET /networks/<name>``, None when there is none of that name."""
        with self._errors(f"look at network {name}"):
            found = [network for network in self.api.networks(names=[name]) if network["Name"] == name]
            return found[0] if found else None

    def create_bridge(self, name: str, subnet: str, mtu: int, labels: Mapping[str, str]) -> None:
        """Create a bridge network with a fixed subnet (CIDR) and MTU (bytes)."""
        with self._errors(f"create network {name}"):
            self.api.create_network(
                name,
                driver="bridge",
                options={"com.docker.network.driver.mtu": str(mtu)},
                ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=subnet)]),
                labels=dict(labels),
                check_duplicate=True,
            )

    def create_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Create a local volume; one of that name that is there is left as it is."""
        with self._errors(f"create volume {name}"):
            self.api.create_volume(name, driver="local", labels=dict(labels))

    def containers(self, labels: Mapping[str, str]) -> list[Json]:
        """``GET /containers/json`` of all containers, stopped ones too, that carry ``labels``."""
        with self._errors("list containers"):
            found: list[Json] = self.api.containers(
                all=True, filters={"label": [f"{key}={value}" for key, value in labels.items()]}
            )
            return found

    def create_container(self, name: str, body: Json, files: Mapping[str, tuple[int, str]]) -> None:
        """``POST /containers/create`` with ``body`` as it is, then copy ``files`` in (path -> mode, content).

        The SDK's own builders refuse MaskedPaths and ReadonlyPaths, so the body goes past them.
        """
        with self._errors(f"create container {name}"):
            self.api.create_container_from_config(body, name=name)
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as tar:
                for path, (mode, content) in sorted(files.items()):
                    entry = tarfile.TarInfo(path.lstrip("/"))
                    entry.mode, entry.size = mode, len(content.encode())
                    tar.addfile(entry, io.BytesIO(content.encode()))
            self.api.put_archive(name, "/", archive.getvalue())

    def start_container(self, name: str) -> None:
        """Start a container; one that runs is left as it is."""
        with self._errors(f"start container {name}"):
            self.api.start(name)

    def remove_container(self, name: str, stop_seconds: int) -> None:
        """Stop a container, giving it ``stop_seconds``, and remove it; its named volumes stay."""
        with self._errors(f"remove container {name}"):
            self.api.timeout, before = stop_seconds + 30, self.api.timeout
            try:
                self.api.stop(name, timeout=stop_seconds)
                self.api.remove_container(name)
            finally:
                self.api.timeout = before

    def container_log(self, name: str, lines: int = 15) -> str:
        """The last ``lines`` lines that a container wrote."""
        with self._errors(f"read the log of {name}"):
            return bytes(self.api.logs(name, tail=lines)).decode(errors="replace")

    def network_names(self, labels: Mapping[str, str]) -> list[str]:
        """Names of the networks that carry ``labels``."""
        with self._errors("list networks"):
            filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
            return [network["Name"] for network in self.api.networks(filters=filters)]

    def volume_names(self, labels: Mapping[str, str]) -> list[str]:
        """Names of the volumes that carry ``labels``."""
        with self._errors("list volumes"):
            filters = {"label": [f"{key}={value}" for key, value in labels.items()]}
            return [volume["Name"] for volume in self.api.volumes(filters=filters)["Volumes"] or []]

    def catalog_images(self) -> list[str]:
        """Tags of the images that carry a recipe of the catalog."""
        with self._errors("list images"):
            images = self.api.images(filters={"label": [RECIPE_LABEL]})
            return [tag for image in images for tag in image["RepoTags"] or []]

    def remove(self, kind: str, name: str) -> None:
        """Remove a ``network``, ``volume`` or ``image`` by name."""
        with self._errors(f"remove {kind} {name}"):
            if kind == "network":
                self.api.remove_network(name)
            elif kind == "volume":
                self.api.remove_volume(name)
            elif kind == "image":
                self.api.remove_image(name)

    # --- a swarm as a whole ---

    def swarm_objects(self) -> dict[str, list[Json]]:
        """``nodes``, ``services`` and ``tasks`` of the swarm that this engine manages."""
        with self._errors("list the swarm's nodes, services and tasks"):
            return {"nodes": self.api.nodes(), "services": self.api.services(), "tasks": self.api.tasks()}
