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
