# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An engine's API, reached by its unix socket through the Docker SDK for Python. Layer: docker.

Every failure leaves as ``PlatformError``.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError

DOCKER_IMPORT_ERROR: str | None = None
try:
    import docker
    import docker.errors
    import requests.exceptions
except ImportError:
    DOCKER_IMPORT_ERROR = traceback.format_exc()

T = TypeVar("T")
Json = dict[str, Any]
# Somebody else has written the object since it was read (swarmkit, manager/state/store/memory.go, ErrSequenceConflict).
OUT_OF_SEQUENCE = "out of sequence"
# Docker 20.10, the oldest engine of the supported distributions. Newer ones may refuse it: each says what it speaks.
OLDEST_API = "1.41"


class Client:
    """One engine's API, which need not be up yet: it is asked for its version by the first request.

    ``socket``: path of its unix socket, as seen by the machine the module runs on. ``timeout_seconds``: for one
    request.
    """

    def __init__(self, socket: str, *, timeout_seconds: int = 60) -> None:
        if DOCKER_IMPORT_ERROR:
            raise PlatformError(
                "the Docker SDK for Python is missing for this interpreter: install python3-docker "
                "(role docker_engine does) or name another ansible_python_interpreter",
                exception=DOCKER_IMPORT_ERROR,
            )
        self.socket = socket
        self._timeout_seconds = timeout_seconds

    @cached_property
    def api(self) -> Any:
        """The SDK's client, in the version that the engine speaks."""
        with self.errors("connect"):
            # Not by the SDK's "auto": for GET /version an engine starts two programs, and /_ping says it as well.
            client = self._connect(OLDEST_API)
            answer = client.get(f"{client.base_url}/_ping", timeout=self._timeout_seconds)
            if not answer.ok:
                raise docker.errors.DockerException(answer.text.strip())
            return self._connect(answer.headers.get("Api-Version", OLDEST_API))

    def _connect(self, version: str) -> Any:
        return docker.APIClient(base_url=f"unix://{self.socket}", version=version, timeout=self._timeout_seconds)

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn what the SDK raises into ``PlatformError("cannot <doing> on <socket>: ...")``."""
        try:
            yield
        except docker.errors.APIError as error:
            raise PlatformError(
                f"cannot {doing} on {self.socket}: {error.explanation or error}", status=error.status_code or 0
            ) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise PlatformError(f"cannot {doing} on {self.socket}: {error}") from error

    def follow(self, stream: Iterable[Json], doing: str) -> list[Json]:
        """All of a stream of progress messages; an error in it is raised with the output's last lines."""
        messages: list[Json] = []
        for message in stream:
            # "error" is there for older clients alone, since API 1.4.
            if error := (message.get("errorDetail") or {}).get("message") or message.get("error"):
                output = "".join(earlier.get("stream", "") for earlier in messages).splitlines()
                raise PlatformError(
                    f"cannot {doing} on {self.socket}: {error}",
                    output=[line for line in output[-30:] if line],
                )
            messages.append(message)
        return messages

    def post(self, doing: str, path: str, body: Json, **query: str) -> None:
        """``POST`` what the SDK's own calls leave out parts of."""
        with self.errors(doing):
            url = f"{self.api.base_url}/v{self.api.api_version}{path}"
            response = self.api.post(url, json=body, params=query, timeout=self.api.timeout)
        if response.status_code >= 400:
            try:
                message = response.json()["message"]
            except (ValueError, LookupError, TypeError):
                message = response.text
            raise PlatformError(f"cannot {doing} on {self.socket}: {message}", status=response.status_code)


class Part:
    """One subject of an engine's API: the client's parts that its methods use."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.socket = client.socket
        self.errors = client.errors
        self.follow = client.follow
        self.post = client.post

    @property
    def api(self) -> Any:
        """The SDK's client."""
        return self._client.api


def label_filters(labels: Mapping[str, str] | Mapping[str, None]) -> list[str]:
    return [key if value is None else f"{key}={value}" for key, value in labels.items()]


def again_while(said: str, act: Callable[[], T], attempts: int = 5) -> T:
    """Try again where the engine says that it was a matter of chance."""
    for attempt in range(1, attempts):
        try:
            return act()
        except PlatformError as error:
            if said not in error.message:
                raise
            time.sleep(0.05 * attempt)
    return act()


def frames(stream: bytes) -> bytes:
    """The payload of a multiplexed log stream (8 bytes of header before each piece); a plain one as it is."""
    output, problem = output_and_problem(stream)
    return output if output or problem else stream


def output_and_problem(stream: bytes) -> tuple[bytes, bytes]:
    """Of a multiplexed log stream: what was written, and what the engine itself says of the rest (kind 3)."""
    pieces: dict[bool, bytes] = {False: b"", True: b""}
    while len(stream) >= 8 and stream[0] in range(4) and stream[1:4] == b"\0\0\0":
        end = 8 + int.from_bytes(stream[4:8], "big")
        pieces[stream[0] == 3] += stream[8:end]
        stream = stream[end:]
    return pieces[False], pieces[True]
