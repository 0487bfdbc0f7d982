# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The only file that touches Docker: one engine, reached by its unix socket through the Docker SDK for Python.

Methods speak the Engine API's own shapes (the dicts of its JSON). Every failure leaves as ``PlatformError``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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

    # --- stacks ---

    def services_of(self, stack: str) -> list[Json]:
        """``GET /services`` of one stack."""
        with self._errors("list services"):
            services: list[Json] = self.api.services(filters={"label": f"com.docker.stack.namespace={stack}"})
            return services

    def tasks_of(self, stack: str) -> list[Json]:
        """``GET /tasks`` of one stack, ended ones too as long as swarm remembers them."""
        with self._errors("list tasks"):
            tasks: list[Json] = self.api.tasks(filters={"label": f"com.docker.stack.namespace={stack}"})
            return tasks

    def swarm_nodes(self) -> list[Json]:
        """``GET /nodes``."""
        with self._errors("list nodes"):
            nodes: list[Json] = self.api.nodes()
            return nodes

    def swarm_networks(self) -> list[Json]:
        """``GET /networks`` of the swarm's scope."""
        with self._errors("list networks"):
            networks: list[Json] = self.api.networks(filters={"scope": "swarm"})
            return networks

    def swarm_items(self, kind: str, label: str) -> list[Json]:
        """``GET /configs`` or ``GET /secrets`` with a label. ``kind``: ``config`` or ``secret``."""
        with self._errors(f"list {kind}s"):
            read = self.api.configs if kind == "config" else self.api.secrets
            items: list[Json] = read(filters={"label": label})
            return items

    def create_swarm_item(self, kind: str, name: str, content: str, labels: dict[str, str]) -> None:
        """Create a config or a secret."""
        with self._errors(f"create {kind} {name}"):
            create = self.api.create_config if kind == "config" else self.api.create_secret
            create(name, content.encode(), labels)

    def remove_swarm_item(self, kind: str, item_id: str) -> None:
        """Remove a config or a secret; one that is gone is fine."""
        with self._errors(f"remove {kind} {item_id}"), suppress(docker.errors.NotFound):
            (self.api.remove_config if kind == "config" else self.api.remove_secret)(item_id)

    def remove_service(self, service_id: str) -> None:
        """Remove a service; one that is gone is fine."""
        with self._errors(f"remove service {service_id}"), suppress(docker.errors.NotFound):
            self.api.remove_service(service_id)

    def remove_network(self, network_id: str) -> bool:
        """Remove a network; False while something still uses it."""
        with self._errors(f"remove network {network_id}"):
            try:
                self.api.remove_network(network_id)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if "in use" in str(error) or "active endpoints" in str(error):
                    return False
                raise
        return True

    def set_service_label(self, service_id: str, key: str, value: str) -> None:
        """Change one label of a service, not of its tasks."""
        with self._errors(f"label service {service_id}"):
            service = self.api.inspect_service(service_id)
            spec = service["Spec"]
            spec["Labels"] = {**(spec.get("Labels") or {}), key: value}
            params = {"version": service["Version"]["Index"], "registryAuthFrom": "spec"}
            url = self.api._url("/services/{0}/update", service_id)
            self.api._result(self.api._post_json(url, data=spec, params=params), json=True)

    def task_log(self, task_id: str, *, lines: int, timeout_seconds: float = 5) -> str:
        """The last lines of a task's output, from whichever node it ran on; empty when they can't be had."""
        params = {"stdout": True, "stderr": True, "tail": str(lines), "follow": False}
        try:
            url = self.api._url("/tasks/{0}/logs", task_id)
            response = self.api.get(url, params=params, timeout=timeout_seconds)
            response.raise_for_status()
            return _frames(response.content).decode(errors="replace")
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError):
            return ""

    def health_log(self, container_id: str) -> str:
        """What the last failing health checks of a container of this engine printed; empty when there is nothing."""
        try:
            health = self.api.inspect_container(container_id)["State"].get("Health") or {}
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError):
            return ""
        failed = [entry for entry in health.get("Log") or [] if entry.get("ExitCode")]
        return "\n".join(f"exit code {entry['ExitCode']}: {str(entry.get('Output')).strip()}" for entry in failed[-2:])

    def deploy_stack(
        self, stack: str, compose: str, *, resolve_image: str, registry_config: str | None, timeout_seconds: float = 300
    ) -> str:
        """``docker stack deploy --prune`` of a compose file's text; returns what the CLI printed.

        ``registry_config``: a folder of the CLI's configuration that holds the registry's credentials.
        """
        options = ["--prune", "--resolve-image", resolve_image]
        if registry_config:
            options.append("--with-registry-auth")
        if "--detach" in self._cli(["stack", "deploy", "--help"], timeout_seconds=30)[1]:
            options.append("--detach=true")
        arguments = ["stack", "deploy", "--compose-file", "-", *options, stack]
        code, output = self._cli(
            arguments, stdin=compose, registry_config=registry_config, timeout_seconds=timeout_seconds
        )
        if code:
            raise PlatformError(f"docker stack deploy of {stack} on {self.socket} failed: {output.strip()}")
        return output

    def compose_problems(self, stack: str, compose: str) -> list[str]:
        """What ``docker stack deploy`` would refuse in a compose file, or silently ignore.

        The CLI reads the whole file before it speaks to an engine: it is run against one that isn't there.
        """
        code, output = self._cli(
            ["stack", "deploy", "--compose-file", "-", stack], stdin=compose, host="unix:///nonexistent/docker.sock"
        )
        problems = [line.strip() for line in output.splitlines() if line.strip()]
        known = ("Cannot connect to the Docker daemon", "Since --detach=false", "In a future release")
        problems = [line for line in problems if not line.startswith(known) and "connect: no such file" not in line]
        if code == 0:
            raise PlatformError("docker stack deploy succeeded without an engine: its check can't be relied on")
        return problems

    def _cli(
        self,
        arguments: list[str],
        *,
        stdin: str = "",
        host: str | None = None,
        registry_config: str | None = None,
        timeout_seconds: float = 60,
    ) -> tuple[int, str]:
        """Run the docker CLI with an environment of its own; exit code and output (stderr and stdout)."""
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/bin", "/usr/bin", "/bin"])
        docker_cli = shutil.which("docker", path=path)
        if docker_cli is None:
            raise PlatformError(
                "the docker command line client is missing on this machine: install docker.io or docker-cli"
            )
        try:
            done = subprocess.run(
                [docker_cli, "--host", host or f"unix://{self.socket}", *arguments],
                input=stdin,
                env={"PATH": path, "DOCKER_CONFIG": registry_config or "/nonexistent"},
                cwd="/",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise PlatformError(
                f"docker {' '.join(arguments[:2])} on {self.socket} gave no answer in {timeout_seconds} s"
            ) from error
        except OSError as error:
            raise PlatformError(f"cannot run {docker_cli}: {error}") from error
        return done.returncode, done.stdout


def _frames(stream: bytes) -> bytes:
    """The payload of a multiplexed log stream (8 bytes of header before each piece); a plain one as it is."""
    payload, rest = b"", stream
    while len(rest) >= 8 and rest[0] in (0, 1, 2) and rest[1:4] == b"\0\0\0":
        size = int.from_bytes(rest[4:8], "big")
        payload, rest = payload + rest[8 : 8 + size], rest[8 + size :]
    return payload or rest
