# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rollout has come to: services and tasks as they are -> a state per service. Pure.

Two rules come from how swarm works. A service that is updated says so in its UpdateStatus, from the first task to
the end of the monitoring period; a new one has none and is judged by its tasks alone. A task belongs to the current
version when it was made from the service's current template.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    ENDED,
    Node,
    Service,
    Task,
    done_places,
)

WAITING = "waiting"
DONE = "converged"
FAILED = "failed"

_ROLLED_BACK = ("rollback_completed", "rollback_paused")
# Swarm had no more use for a container that was just being started ("starting container failed: context canceled",
# Docker 26.1, where a successor was started as the rollback began).
CUT_SHORT = "context canceled"
_STOPPED = ("shutdown", "remove")
# So many times each task of a new service has to have died before it is said that it always will.
_DEATHS = 3
# What lies between two looks, and so how much longer a task may have run than was seen.
_UNSEEN_SECONDS = 1.0
# Exit codes of a container that swarm stops: of its own, or by the stop signal (SIGTERM).
_ENDS_OF_A_STOP = (0, 143)


@dataclass(frozen=True)
class ServiceState:
    """How far one service is. ``key`` is equal for two looks between which nothing happened.

    ``is_doubled``: swarm is done, and left several tasks of the current version in one slot (see ``assess``).
    """

    service: str
    outcome: str
    running: int
    wanted: int
    detail: str
    key: tuple[str, ...] = ()
    is_doubled: bool = False

    def __str__(self) -> str:
        return (
            f"service {self.service}: {self.detail}, {self.running} of {self.wanted} tasks of its current version run"
        )


def assess(service: Service, tasks: Iterable[Task], nodes: Sequence[Node], *, stale_update: str = "") -> ServiceState:
    """Judge one service by one look.

    ``stale_update``: when an update started that was there before this rollout; its status says nothing.

    If tasks die again and again, swarm restarts a task that dies during an update with the new version, although the
    update replaces it, too: its slot has two tasks. At the end of the update, swarm stops one of them, or neither. It
    keeps the one with the lower id, even if that one is still starting and the other one runs: fewer run than before.
    If both stay, they stay until something changes.
    """
    own = [task for task in tasks if task.service_id == service.id]
    current = [task for task in own if task.template == service.template]
    if service.mode.endswith("-job"):
        return _assess_job(service, current, nodes)
    seen = _look(service, own, current, nodes)
    update = "" if stale_update and service.update_started == stale_update else service.update_state
    key = (update, *sorted(task.id for task in seen.running))
    state = ServiceState(service.name, WAITING, len(seen.running) + seen.done, seen.wanted, "", key)
    # Where all is done, an update was paused because a task ended, as it was meant to.
    is_paused = update == "paused" and not (seen.done and seen.is_enough)
    if is_paused or update in _ROLLED_BACK:
        return replace(state, outcome=FAILED, detail=service.update_message or update)
    if update in ("updating", "rollback_started"):
        return replace(state, detail=update.replace("_", " "))
    if seen.is_enough:
        return replace(state, outcome=DONE, detail="converged" if seen.running or not seen.done else "done")
    return replace(state, detail=seen.waits_for, is_doubled=seen.is_doubled)


def _assess_job(service: Service, current: Sequence[Task], nodes: Sequence[Node]) -> ServiceState:
    wanted = service.total_completions if service.mode == "replicated-job" else len(_eligible(service, nodes))
    ended = [task for task in current if task.state == "complete" and task.job_iteration == service.job_iteration]
    outcome = DONE if len(ended) >= wanted else WAITING
    return ServiceState(service.name, outcome, len(ended), wanted, "tasks of the job complete")


@dataclass(frozen=True)
class _Seen:
    """A service's tasks and places: its slots, or the nodes that a global one must have a task on.

    ``running``: tasks of the current version. ``superfluous``: others that are to run. ``wanted``: how many places
    there are. ``done``: in how many a task ended as it was meant to. ``are_taken``: each of the others has its task.
    """

    running: Sequence[Task]
    superfluous: Sequence[Task]
    wanted: int
    done: int
    are_taken: bool

    @property
    def is_enough(self) -> bool:
        return self.are_taken and not self.superfluous

    @property
    def is_doubled(self) -> bool:
        return not self.superfluous and len({task.slot for task in self.running}) == self.wanted < len(self.running)

    @property
    def waits_for(self) -> str:
        if self.superfluous:
            return ", ".join(sorted({task.state for task in self.superfluous}))
        return "too many" if len(self.running) > self.wanted else "no task yet"


def _look(service: Service, own: Sequence[Task], current: Sequence[Task], nodes: Sequence[Node]) -> _Seen:
    running = [task for task in current if task.desired == "running" and task.state == "running"]
    superfluous = [task for task in own if task.desired == "running" and task not in running]
    done = done_places(service.template, own)
    if service.replicas is not None:
        are_taken = len(running) + len(done) == service.replicas
        return _Seen(running, superfluous, service.replicas, len(done), are_taken)
    eligible = _eligible(service, nodes)
    done_nodes = {node for node in eligible if (0, node) in done}
    are_taken = eligible <= {task.node_id for task in running} | done_nodes
    return _Seen(running, superfluous, len(eligible), len(done_nodes), are_taken)


def is_hopeless(service: Service, tasks: Iterable[Task], lives: Mapping[str, float]) -> bool:
    """Whether every task of a service died several times, always of the same, and none runs that may be any better.

    Only of a service that is not being updated: what an update comes to is swarm's to say. Fewer deaths are enough
    where the restart policy allows no more. Whether a task was ever healthy is not seen in one look. Without a health
    check, a task that has run no longer than those that died, nor for the monitoring period, will die as they did.

    ``lives``: for how many seconds each task was seen to run, by its id.
    """
    if service.update_state not in ("", "completed") or service.mode.endswith("-job"):
        return False
    current = [task for task in tasks if task.service_id == service.id and task.template == service.template]
    done = done_places(service.template, current)
    own = [task for task in current if task.place not in done]
    deaths = _deaths(own)
    ended = [task for died in deaths.values() for task in died]
    if _outlives(service, own, ended, lives):
        return False
    wanted = len({task.node_id for task in own}) if service.replicas is None else service.replicas - len(done)
    return (
        0 < wanted <= len(deaths)
        and len({task.cause for task in ended}) == 1
        and all(len(died) >= _enough_deaths(service, died[0]) for died in deaths.values())
    )


def _deaths(tasks: Iterable[Task]) -> dict[tuple[int, str], list[Task]]:
    """The tasks that ended by themselves, by their places."""
    deaths: dict[tuple[int, str], list[Task]] = {}
    for task in tasks:
        if task.state in ENDED and task.state not in _STOPPED:
            deaths.setdefault(task.place, []).append(task)
    return deaths


def _outlives(service: Service, tasks: Iterable[Task], ended: Iterable[Task], lives: Mapping[str, float]) -> bool:
    """Whether a task runs that may be better than those that died: any with a health check, else by its time."""
    longest = max((lives.get(task.id, 0) for task in ended), default=0) + _UNSEEN_SECONDS
    enough = -1 if service.has_health_check else min(longest, service.monitor_seconds)
    return any(task.state == "running" and lives.get(task.id, 0) > enough for task in tasks)


def is_one_shot(service: Service) -> bool:
    """Whether no task is started again, however it ended."""
    return (service.spec["TaskTemplate"].get("RestartPolicy") or {}).get("Condition") == "none"


def _enough_deaths(service: Service, task: Task) -> int:
    """After how many deaths a slot's next task is not worth waiting for."""
    policy = service.spec["TaskTemplate"].get("RestartPolicy") or {}
    condition = policy.get("Condition") or "any"
    if condition == "none" or (condition == "on-failure" and task.state == "complete"):
        return 1
    return min(_DEATHS, policy["MaxAttempts"] + 1) if policy.get("MaxAttempts") else _DEATHS


def settle_seconds(service: Service, before: Service | None) -> float:
    """How long a service must look converged before it is believed.

    A new service without a health check is watched for its monitoring period: swarm watches updates only. A change of
    placement alone may or may not move tasks, and swarm takes a moment to begin.
    """
    if service.mode.endswith("-job"):
        return 0
    if before is None:
        return 0 if service.has_health_check else service.monitor_seconds
    placement = [one.spec["TaskTemplate"].get("Placement") for one in (before, service)]
    return 2 if before.template == service.template and placement[0] != placement[1] else 0


def default_deadline(specs: Iterable[Mapping[str, Any]], counts: Mapping[str, int], *, nodes: int = 1) -> float:
    """Time a rollout may take: 60 s, and for every batch of tasks start, monitoring period and delay.

    ``specs``: services' specs as the engine returns them; ``counts``: replicas by the service's full name, ``nodes``:
    how many tasks a global service has.
    """
    longest = 0.0
    for spec in specs:
        container = spec["TaskTemplate"].get("ContainerSpec") or {}
        update = spec.get("UpdateConfig") or {}
        health = container.get("Healthcheck") or {}
        start = health.get("StartPeriod") or 0
        if health.get("Test") and health["Test"] != ["NONE"]:
            start += (health.get("Interval") or 30e9) * (health.get("Retries") or 3)
        if update.get("Order", "stop-first") == "stop-first":
            start += container.get("StopGracePeriod") or 10e9
        each = (start + (update.get("Monitor") or 5e9) + (update.get("Delay") or 0)) / 1e9
        tasks = counts.get(spec["Name"], nodes)
        parallel = update.get("Parallelism") or tasks or 1
        longest = max(longest, each * math.ceil(tasks / parallel))
    return longest + 60


def failing_tasks(
    service: Service,
    target: Mapping[str, Any] | None,
    tasks: Iterable[Task],
    since: frozenset[str] = frozenset(),
    limit: int = 4,
) -> list[Task]:
    """The tasks that explain why a service did not converge: the newest of each slot or node, worst first.

    ``target``: the template that was rolled out; None: any that is not the service's current one. ``since``: ids of the
    tasks that were there before.
    """
    suspects: dict[tuple[int, str], Task] = {}
    for task in sorted(tasks, key=lambda task: task.updated):
        ours = task.template == target if target is not None else task.template != service.template
        if task.service_id != service.id or not ours or task.state == "running" or task.id in since:
            continue
        done = task.state == "complete" and service.mode.endswith("-job")
        if (done or task.state in _STOPPED) and not task.error and (task.exit_code or 0) in _ENDS_OF_A_STOP:
            continue
        place = task.place
        # What a task of the slot died of says more than its successor, which swarm stopped or has not started yet.
        if place in suspects and _weight(task) < _weight(suspects[place]):
            continue
        suspects[place] = task
    return sorted(suspects.values(), key=lambda task: (-_weight(task), task.slot))[:limit]


def _weight(task: Task) -> int:
    """How much a task says of a failure: one that died by itself the most, then one that swarm stopped."""
    if CUT_SHORT in task.error:
        return 1
    if task.error or (task.state in ENDED and task.state not in _STOPPED):
        return 2
    return 1 if task.state in _STOPPED else 0


def _eligible(service: Service, nodes: Sequence[Node]) -> set[str]:
    """Ids of the nodes that a global service must have a task on."""
    constraints = (service.spec["TaskTemplate"].get("Placement") or {}).get("Constraints") or []
    return {node.id for node in nodes if node.ready and node.active and satisfies(node, constraints)}


def satisfies(node: Node, constraints: Sequence[str]) -> bool:
    """Whether a node fits placement constraints such as ``node.labels.zone == a``."""
    for constraint in constraints:
        match = re.fullmatch(r"\s*([^\s=!]+)\s*(==|!=)\s*(.*?)\s*", constraint)
        if match is None:
            return False
        key, operator, value = match.groups()
        actual = node.facts.get(key, "")
        # swarm compares without regard to case, except for ids
        equal = actual == value if key == "node.id" else actual.lower() == value.lower()
        if equal != (operator == "=="):
            return False
    return True
