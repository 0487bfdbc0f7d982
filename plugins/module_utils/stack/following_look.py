# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a service whose state others take up what those have told it that they serve."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TypeAlias

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.docker.engine import Engine
from ansible_collections.fungap.swarm.plugins.module_utils.stack.compose import Compose, follows
from ansible_collections.fungap.swarm.plugins.module_utils.stack.following import Told, doubt_of, parse_told
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import Service, Task

SERVICE_LABEL = "com.docker.swarm.service.name"
# First which version that container has.
_SHOW = (
    "sh",
    "-c",
    'echo "version $FOLLOWED_VERSION"; cd /tmp/tasks; for task in $(ls); do echo "task $task"; cat "$task"; done',
)
# A program in a container costs a tenth of a second of CPU.
_PAUSE_SECONDS = 0.5
Look: TypeAlias = "Callable[[str], Iterable[str] | None]"


def told_on(engine: Engine, service: str) -> list[str] | None:
    """What each of the service's containers on this engine was told; None where none of them runs."""
    containers = [
        one["Id"] for one in engine.containers.with_labels({SERVICE_LABEL: service}) if one.get("State") == "running"
    ]
    texts = []
    for container in containers:
        # It may have ended by now.
        with suppress(PlatformError):
            code, output = engine.containers.exec(container, _SHOW)
            texts += [output] if code == 0 else []
    return texts if containers else None


class Following:
    """Why a service's tasks don't serve what the compose file says. Where nobody here was told, it is believed."""

    def __init__(
        self, stack: str, compose: Compose, look: Look, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stack, self._follows, self._look, self._clock = stack, follows(compose), look, clock
        self.services = frozenset(self._follows)
        # Of the last look.
        self.told: Mapping[str, Told] = {}
        self._texts: Iterable[str] | None = None
        self._asked = float("-inf")

    def __call__(self, service: Service, tasks: Iterable[Task]) -> tuple[str, bool]:
        if service.name not in self._follows:
            return "", False
        own = [task for task in tasks if task.service_id == service.id and task.desired == "running"]
        running = [task.id for task in own if task.state == "running" and task.template == service.template]
        if not running or len(running) < len(own):
            # The rollout's own state says what is waited for.
            return "", False
        leader, version = self._follows[service.name]
        if self._clock() - self._asked >= _PAUSE_SECONDS:
            self._texts, self._asked = self._look(f"{self._stack}_{leader}"), self._clock()
        if self._texts is None:
            return "", False
        mine = [text for text in self._texts if text.startswith(f"version {version}\n")]
        told = {task: one for text in mine for task, one in parse_told(text).items()}
        self.told = {task: told[task] for task in running if task in told}
        return doubt_of(version, running, told)
