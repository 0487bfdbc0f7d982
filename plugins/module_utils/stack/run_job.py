# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a job of the swarm to its end, once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import Compose, full_names_on
from ansible_collections.fungap.swarm.plugins.module_utils.stack.job import (
    DIGEST_LABEL,
    FAILED,
    RUNS,
    Job,
    JobState,
    assess,
    compose_of,
    service_of,
    stack_of_jobs,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import parse_node, parse_task

LOG_LINES = 20
LOG_BYTES = 4000
LOOK_SECONDS = 0.5


class JobUnsure(PlatformError):
    """Whether an earlier one is still at work can't be told: nothing was begun."""


class Jobs:
    """The jobs of one stack. ``registry_config``, ``resolve_image``: as for ``docker.stacks.Stacks.deploy``."""

    def __init__(self, engine: Engine, stack: str, *, registry_config: str | None, resolve_image: str) -> None:
        self.engine = engine
        self.stack = stack
        self.registry_config = registry_config
        self.resolve_image = resolve_image

    def run(self, job: Job, compose: Compose, number: int, seen: Callable[[JobState], None]) -> JobState:
        """Have it done once for that number; how it ended. ``seen`` gets each look at it.

        Where a run was killed, its job is there, and is awaited or believed. One that failed is none: whoever comes
        again wants it done.
        """
        service = self._start(job, compose, number)
        start, state = time.monotonic(), JobState(RUNS, "begun")
        while state.state == RUNS:
            if time.monotonic() - start >= job.deadline_seconds:
                late = f"not at its end after {job.deadline_seconds:g} s: {state.detail}"
                return replace(state, state=FAILED, detail=late)
            time.sleep(LOOK_SECONDS)
            with suppress(PlatformError):  # a manager that restarts
                state = self._look(service)
            seen(state)
        return state

    def _start(self, job: Job, compose: Compose, number: int) -> str:
        """Its service's ID; of the one that an earlier run has left where that is the same."""
        name = f"{stack_of_jobs(self.stack)}_{service_of(job, number)}"
        left = next((one for one in self._services() if one["Spec"]["Name"] == name), None)
        if left is not None:
            state = self._look(left["ID"])
            is_same = (left["Spec"].get("Labels") or {}).get(DIGEST_LABEL) == job.digest
            if is_same and state.state != FAILED:
                return str(left["ID"])
            if state.state == RUNS:
                raise JobUnsure(
                    f"{name}, which a run that was killed has begun with another image, command or environment, "
                    f"has not ended ({state.detail}). Wait for its end, or end it: docker service rm {name}"
                )
            self.engine.services.remove(left["ID"])
        networks = [network["Name"] for network in self.engine.networks.of_swarm()]
        file = compose_of(job, compose, number, networks)
        self.engine.stacks.deploy(
            stack_of_jobs(self.stack),
            json.dumps(file),
            resolve_image=self.resolve_image,
            registry_config=self.registry_config,
            full_names_on=full_names_on(file),
            prune=False,
        )
        return next(str(one["ID"]) for one in self._services() if one["Spec"]["Name"] == name)

    def _services(self) -> list[dict[str, Any]]:
        return self.engine.services.of_stack(stack_of_jobs(self.stack))

    def _look(self, service: str) -> JobState:
        tasks = [parse_task(task) for task in self.engine.services.tasks_of_stack(stack_of_jobs(self.stack))]
        nodes = [parse_node(node) for node in self.engine.swarm.nodes()]
        return assess([task for task in tasks if task.service_id == service], nodes)

    def log(self, state: JobState, *, lines: int) -> list[str]:
        """What it has printed last."""
        if not state.task or not state.task.container_id:
            return []
        try:
            return self.engine.services.task_log(state.task.id, lines=lines).splitlines()
        except PlatformError as error:
            return [f"(the log can't be read: {error.message})"]

    def failure(self, job: Job, state: JobState) -> str:
        """What it failed by, with the last it printed."""
        log = [f"  log: {line}" for line in self.log(state, lines=LOG_LINES)]
        return "\n".join([f"{job.said}: {state.detail}", *log])[:LOG_BYTES]

    def remove(self, *begin: str) -> None:
        """Take those away whose service's name within their stack begins so; all without one. Their tasks end."""
        for service in self._services():
            name = service["Spec"]["Name"].removeprefix(f"{stack_of_jobs(self.stack)}_")
            if not begin or name.startswith(begin):
                with suppress(PlatformError):
                    self.engine.services.remove(service["ID"])
