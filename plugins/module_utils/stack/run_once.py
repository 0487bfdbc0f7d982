# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The operation behind ``stack_run``: a command runs once, with what a service of a stack runs with."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core import runner
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.progress import Progress
from ansible_collections.fungap.swarm.plugins.module_utils.core.signals import signals_as_exceptions
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine, answering_manager
from ansible_collections.fungap.swarm.plugins.module_utils.stack.job import DONE, RUN, JobState, a_job
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    RUN_LABEL,
    STACK_LABEL,
    parse_runs,
    parse_stack,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.run_job import Jobs

# What is passed on of its output, and how many runs are remembered.
LINES = 5000
KEPT = 20


class StackRun:
    """One command. ``params``: the module's."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.params = params
        self.stack: str = params["stack"]
        self.progress = Progress(params["progress"])

    def plan(self) -> runner.Plan:
        self.engine = answering_manager(self.params["manager_sockets"], timeout_seconds=60, otherwise="")
        records = self.engine.swarm.items("config", f"{STACK_LABEL}={self.stack}")
        seen = parse_stack(self.stack, configs=records, secrets=(), services=(), networks=(), file_text=None)
        if seen.in_force is None:
            raise PlatformError(f"stack {self.stack} has no revision that runs: deploy it first")
        self.in_force = seen.in_force
        services, service = sorted(self.in_force.compose["services"]), self.params["service"]
        if service not in services:
            raise PlatformError(f"stack {self.stack} has no service {service}; there are: {', '.join(services)}")
        self.job = a_job(
            self.stack,
            self.in_force.compose,
            RUN,
            service=service,
            # Docker would replace from its environment what a compose file names by $.
            command=[word.replace("$", "$$") for word in words_of(self.params["command"])],
            deadline_seconds=self.params["deadline_seconds"],
        )
        return runner.Plan(actions=[self.job], result={"stack": self.stack, "revision": self.in_force.number})

    def apply(self, plan: runner.Plan) -> Mapping[str, Any]:  # noqa: ARG002  # it has the one action
        jobs = Jobs(self.engine, self.stack, registry_config=self.params["registry_config"], resolve_image="never")
        start, number = time.time(), time.time_ns() // 1_000_000

        def tell(state: JobState) -> None:
            self.progress.tell("\n".join([state.detail, *jobs.log(state, lines=LINES)]))

        try:
            with signals_as_exceptions():
                state = jobs.run(self.job, self.in_force.compose, number, tell)
                lines = jobs.log(state, lines=LINES)
        finally:
            jobs.remove(f"{RUN}-{number}")
        code = state.task.exit_code if state.task else None
        result = {
            "exit_code": code if code or state.state != DONE else 0,
            "lines": lines,
            "seconds": round(time.time() - start, 1),
            "detail": state.detail,
        }
        # Who ran what and when, and how it ended; nothing of what it printed.
        content = {
            "who": self.params["who"] or "",
            "why": self.params["why"] or "",
            "what": self.job.said,
            "revision": self.in_force.number,
            "seconds": result["seconds"],
            "detail": result["detail"],
        }
        remember(self.engine, self.stack, start, content)
        if state.state != DONE:
            raise PlatformError(f"{self.job.said}: {state.detail}", **result)
        return result


def remember(engine: Engine, stack: str, start: float, content: Mapping[str, Any]) -> None:
    """Keep in the swarm what ran, or who went where: the last 20 of a stack. ``start``: Unix time."""
    began = datetime.fromtimestamp(start, timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    name = f"fungap.{stack}.run.{int(start * 1000)}"
    engine.swarm.create_item("config", name, json.dumps({"when": began, **content}), {RUN_LABEL: stack})
    for old in parse_runs(engine.swarm.items("config", f"{RUN_LABEL}={stack}"))[KEPT:]:
        with suppress(PlatformError):
            engine.swarm.remove_item("config", old["id"])


def words_of(command: Any) -> list[str]:
    """A command's words. ``command``: a list of them, or one text, whose quotes are heeded as a shell does."""
    # What it says may be anything, and is not shown.
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError as error:
        raise PlatformError(f"command: {str(error).lower()}") from error
    if not isinstance(words, list) or not all(isinstance(word, (str, int, float)) for word in words):
        raise PlatformError("command: is neither a text nor a list of words")
    words = [str(word) for word in words]
    if not words or not words[0].strip():
        raise PlatformError("command: is empty; give a program and its arguments")
    return words
