# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Services of a swarm and their tasks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.client import (
    OUT_OF_SEQUENCE,
    Json,
    Part,
    again_while,
    output_and_problem,
)

with suppress(ImportError):  # the client says so
    import docker

# Of one answer with a task's log. Swarm waits by itself for nodes that it takes for present.
LOG_SECONDS = 10


class Services(Part):
    """Services of a swarm and their tasks."""

    def all(self) -> list[Json]:
        """``GET /services``; a manager's engine only."""
        with self.errors("list the swarm's services"):
            return list(self.api.services())

    def of_stack(self, stack: str) -> list[Json]:
        """``GET /services`` of one stack."""
        with self.errors("list services"):
            services: list[Json] = self.api.services(filters={"label": f"com.docker.stack.namespace={stack}"})
            return services

    def tasks(self) -> list[Json]:
        """``GET /tasks``, ended ones too as long as swarm remembers them."""
        with self.errors("list the swarm's tasks"):
            tasks: list[Json] = self.api.tasks()
            return tasks

    def tasks_of_stack(self, stack: str) -> list[Json]:
        """``GET /tasks`` of one stack, ended ones too as long as swarm remembers them."""
        with self.errors("list tasks"):
            tasks: list[Json] = self.api.tasks(filters={"label": f"com.docker.stack.namespace={stack}"})
            return tasks

    def set_label(self, service_id: str, key: str, value: str) -> None:
        """Change one label of a service, not of its tasks."""
        self._write(f"label service {service_id}", service_id, {key: value})

    def rewrite(self, service_id: str) -> None:
        """Write a service as it is, upon which swarm compares it with its tasks; none that is as wanted is replaced."""
        self._write(f"write service {service_id}", service_id, {})

    def _write(self, doing: str, service_id: str, labels: Mapping[str, str]) -> None:
        """Add labels. Swarm writes a service, too, while it updates it: then the service is read and written again."""

        def write() -> None:
            api: Any = self.api
            with self.errors(doing):
                service = api.inspect_service(service_id)
                spec = service["Spec"]
                spec["Labels"] = {**(spec.get("Labels") or {}), **labels}
                params = {"version": service["Version"]["Index"], "registryAuthFrom": "spec"}
                url = api._url("/services/{0}/update", service_id)
                api._result(api._post_json(url, data=spec, params=params), json=True)

        again_while(OUT_OF_SEQUENCE, write)

    def remove(self, service_id: str) -> None:
        """Remove a service; one that is gone is fine."""
        with self.errors(f"remove service {service_id}"), suppress(docker.errors.NotFound):
            self.api.remove_service(service_id)

    def logs(self, service: str, *, since: int, tail: int | None) -> Iterator[str]:
        """``GET /services/<id>/logs``, with timestamps and details. ``since``: Unix time.

        ``tail``: lines of a task; None: all.
        """
        lines = "all" if tail is None else str(tail)
        with self.errors(f"read the logs of service {service}"):
            frames = self.api.service_logs(
                service,
                details=True,
                stdout=True,
                stderr=True,
                timestamps=True,
                since=since,
                tail=lines,
            )
            for frame in frames:
                yield from frame.decode(errors="replace").splitlines()

    def task_log(self, task_id: str, *, lines: int, wait_seconds: float = 10) -> str:
        """The last lines of a task's output, from whichever node it ran on.

        A node that has lost its manager is "not available" until it has found one again: for so long it is waited for.
        """
        params = {"stdout": True, "stderr": True, "tail": str(lines), "follow": False}
        api: Any = self.api
        end = time.monotonic() + wait_seconds
        while True:
            with self.errors(f"read the log of task {task_id}"):
                response = api.get(api._url("/tasks/{0}/logs", task_id), params=params, timeout=LOG_SECONDS)
                response.raise_for_status()
            output, problem = output_and_problem(response.content)
            if output or not problem:
                return output.decode(errors="replace")
            if time.monotonic() >= end:
                raise PlatformError(problem.decode(errors="replace").strip())
            time.sleep(0.5)
