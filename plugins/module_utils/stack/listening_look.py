# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks from outside whether a replica takes connections: for what no health check of ours asks."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.stack.listening import listeners, why_unreachable
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import Service, Task, done_places


def container_tables(container_id: str, proc: str = "/proc") -> list[str] | None:
    """The kernel's TCP tables as a container of this machine sees them; None where it has no process here.

    The container may be one of an engine in a container: its processes are this machine's all the same.
    """
    for cgroup in glob.iglob(f"{proc}/[0-9]*/cgroup"):
        # A process may end at any moment.
        with suppress(OSError):
            with open(cgroup, encoding="utf-8") as file:
                if container_id not in file.read():
                    continue
            tables = []
            for name in ("tcp", "tcp6"):
                with (
                    suppress(FileNotFoundError),
                    open(f"{cgroup.removesuffix('cgroup')}net/{name}", encoding="utf-8") as file,
                ):
                    tables.append(file.read())
            return tables
    return None


class Doubt:
    """Which services run and can't be reached. ``ports``: service -> ``port`` and, in seconds, how long that may take.

    A replica of another machine is believed.
    """

    def __init__(
        self,
        ports: Mapping[str, Mapping[str, Any]],
        *,
        look: Callable[[str], Iterable[str] | None] = container_tables,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ports, self._look, self._clock = ports, look, clock
        self._reached: set[str] = set()
        self._since: dict[str, float] = {}

    def __call__(self, service: Service, tasks: Iterable[Task]) -> tuple[str, bool]:
        """What is wrong with the service's running tasks, empty for nothing; and whether it was given its time."""
        asked, tasks = self._ports.get(service.name), list(tasks)
        if asked and done_places(service.template, [task for task in tasks if task.service_id == service.id]):
            return "the app ended with exit code 0, and is not started again", True
        for task in tasks:
            if not asked or task.id in self._reached or not _runs(task, service):
                continue
            tables = self._look(task.container_id)
            why = "" if tables is None else why_unreachable(int(asked["port"]), listeners(tables))
            if why:
                since = self._since.setdefault(task.id, self._clock())
                return why, self._clock() - since >= float(asked["within_seconds"])
            self._reached.add(task.id)
        return "", False


def _runs(task: Task, service: Service) -> bool:
    """Whether the task is one of the service's current version that runs."""
    of_service = task.service_id == service.id and task.template == service.template
    return of_service and task.desired == task.state == "running" and bool(task.container_id)
