# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only file that touches Docker: one engine, reached by its unix socket through the Docker SDK for Python.

Methods speak the Engine API's own shapes (the dicts of its JSON). Every failure leaves as ``PlatformError``.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
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

    # --- membership of a swarm ---

    def _post(self, doing: str, path: str, body: Json, **query: str) -> None:
        """``POST`` what the SDK's own calls leave out parts of."""
        with self._errors(doing):
            url = f"{self.api.base_url}/v{self.api.api_version}{path}"
            response = self.api.post(url, json=body, params=query, timeout=self.api.timeout)
        if response.status_code >= 400:
            try:
                message = response.json()["message"]
            except (ValueError, LookupError, TypeError):
                message = response.text
            raise PlatformError(f"cannot {doing} on {self.socket}: {message}", status=response.status_code)

    def swarm(self) -> Json:
        """``GET /swarm``: settings, version and, under ``JoinTokens``, secrets."""
        with self._errors("read the swarm"):
            swarm: Json = self.api.inspect_swarm()
            return swarm

    def swarm_unlock_key(self) -> str:
        """The key that a locked manager needs; empty without autolock. A secret."""
        with self._errors("read the swarm's unlock key"):
            return str(self.api.get_unlock_key().get("UnlockKey") or "")

    def swarm_init(self, body: Json) -> None:
        """``POST /swarm/init``."""
        self._post("start a swarm", "/swarm/init", {"ListenAddr": "0.0.0.0:2377", **body})

    def swarm_join(self, body: Json) -> None:
        """``POST /swarm/join``. The token in ``body`` never shows in an error."""
        token = body["JoinToken"]
        try:
            self._post("join the swarm", "/swarm/join", {"ListenAddr": "0.0.0.0:2377", **body})
        except PlatformError as error:
            raise PlatformError(error.message.replace(token, "<the token>"), **error.details) from None

    def swarm_leave(self) -> None:
        """Leave, also as a manager; no error when it is in no swarm."""
        with self._errors("leave the swarm"):
            self.api.leave_swarm(force=True)

    def swarm_unlock(self, key: str) -> None:
        """``POST /swarm/unlock``."""
        try:
            self._post("unlock the swarm", "/swarm/unlock", {"UnlockKey": key})
        except PlatformError as error:
            raise PlatformError(error.message.replace(key, "<the key>"), **error.details) from None

    def swarm_update(self, change: Callable[[Json], Json], **rotate: bool) -> None:
        """``POST /swarm/update`` with ``change(spec)``; ``rotate``: rotateWorkerToken, rotateManagerToken."""
        query = {key: "true" for key, value in rotate.items() if value}

        def write() -> None:
            swarm = self.swarm()
            version = str(swarm["Version"]["Index"])
            self._post("update the swarm", "/swarm/update", change(swarm["Spec"]), version=version, **query)

        self._again_when_out_of_sequence(write)

    def swarm_node_list(self) -> list[Json]:
        """``GET /nodes`` (a manager with a leader only)."""
        with self._errors("list the swarm's nodes"):
            nodes: list[Json] = self.api.nodes()
            return nodes

    def swarm_node(self, node_id: str) -> Json | None:
        """``GET /nodes/<id>``; None when there is none."""
        with self._errors("read a swarm node"):
            try:
                node: Json = self.api.inspect_node(node_id)
            except docker.errors.NotFound:
                return None
            return node

    def swarm_node_update(self, node_id: str, change: Callable[[Json], Json]) -> None:
        """``POST /nodes/<id>/update`` with ``change(spec)``, read and written again when someone else was faster."""

        def write() -> None:
            node = self.swarm_node(node_id)
            if node is None:
                raise PlatformError(f"there is no swarm node {node_id} (asked {self.socket})")
            version = str(node["Version"]["Index"])
            self._post("update a swarm node", f"/nodes/{node_id}/update", change(node["Spec"]), version=version)

        self._again_when_out_of_sequence(write)

    def _again_when_out_of_sequence(self, write: Callable[[], None], attempts: int = 5) -> None:
        for attempt in range(1, attempts + 1):
            try:
                return write()
            except PlatformError as error:
                if "out of sequence" not in error.message or attempt == attempts:
                    raise
                time.sleep(0.05 * attempt)
        return None

    def swarm_node_remove(self, node_id: str) -> None:
        """Take a node out of the list, also one that isn't down; no error when there is none."""
        with self._errors("remove a swarm node"):
            try:
                self.api.remove_node(node_id, force=True)
            except docker.errors.NotFound:
                return

    def swarm_node_busy_tasks(self, node_id: str) -> list[str]:
        """Names (or IDs) of containers that tasks still hold on a node."""
        with self._errors("list a node's tasks"):
            tasks: list[Json] = self.api.tasks(filters={"node": node_id})  # type: ignore[no-untyped-call]
        at_rest = {"complete", "shutdown", "failed", "rejected", "remove", "orphaned"}
        return [task["ID"] for task in tasks if task["Status"]["State"] not in at_rest]
