# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Watch a stack until every service has converged, one has failed, or the deadline has passed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import (
    CONVERGED,
    ENDED,
    ROLLED_BACK,
    STUCK,
    Node,
    Service,
    Task,
)
from ansible_collections.fungap.swarm.plugins.module_utils.stack.rollout import (
    DONE,
    FAILED,
    WAITING,
    ServiceState,
    assess,
    is_hopeless,
    settle_seconds,
)

Report = Callable[[Sequence[ServiceState]], None]
Reconcile = Callable[[Service], None]
Doubt = Callable[[Service, Sequence[Task]], tuple[str, bool]]
Clock = Callable[[], float]


@dataclass(frozen=True)
class Look:
    """One look at a stack. ``services``: by name within the stack."""

    services: Mapping[str, Service]
    tasks: Sequence[Task]
    nodes: Sequence[Node]


@dataclass(frozen=True)
class Outcome:
    """``verdict``: converged, rolled_back (swarm saw it fail) or stuck.

    ``targets``: service name -> template that was rolled out. ``hopeless``: services whose tasks died again and again,
    so that nothing was waited for any longer.
    """

    verdict: str
    states: Sequence[ServiceState]
    look: Look
    targets: Mapping[str, Mapping[str, Any]]
    seconds: float
    hopeless: frozenset[str] = frozenset()


def watch(
    look: Callable[[], Look],
    before: Mapping[str, Service],
    *,
    deadline_seconds: Callable[[Look], float],
    reconcile: Reconcile,
    report: Report | None = None,
    doubt: Doubt | None = None,
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Wait for a rollout that was just started.

    ``before``: the services as they were ahead of it. ``deadline_seconds``: from the first look to the time allowed.
    ``reconcile`` makes swarm compare a service with its tasks again, which takes the second task of a slot away.
    ``report`` gets the states at every look. ``doubt``: why a service that runs can't be reached, and whether it is not
    to be waited for any longer. A look that fails (a manager that restarts) is tried again until the deadline.
    """
    start, pause = clock(), 0.1

    def persistent_look(seconds: float) -> Look:
        while True:
            try:
                return look()
            except PlatformError:
                if clock() - start >= seconds:
                    raise
                sleep(1)

    now = persistent_look(60)
    allowed = deadline_seconds(now)
    services = _Services(before, reconcile, doubt, clock)
    lives = _Lives(now.tasks, clock)
    while True:
        lives.see(now.tasks)
        states = services.judge(now)
        if report:
            report(states)
        seconds = clock() - start
        verdict, hopeless = _verdict(now, states, services, lives, is_out_of_time=seconds >= allowed)
        if verdict:
            return Outcome(verdict, states, now, services.targets, seconds, hopeless)
        sleep(min(pause, max(allowed - seconds, 0.01)))
        pause = min(pause * 1.5, 0.5)
        now = persistent_look(allowed or 60)


def _verdict(
    now: Look, states: Sequence[ServiceState], services: _Services, lives: _Lives, *, is_out_of_time: bool
) -> tuple[str, frozenset[str]]:
    """(verdict, services that are hopeless); '': there is something to wait for."""
    rolling_back = any(service.update_state == "rollback_started" for service in now.services.values())
    if all(state.outcome == DONE for state in states):
        return CONVERGED, frozenset()
    if any(state.outcome == FAILED for state in states) and not rolling_back:
        return ROLLED_BACK, frozenset()
    # A service whose tasks die may wait for another one, as long as that one is still coming up.
    waiting = frozenset(state.service for state in states if state.outcome != DONE)
    own = lives.of_rollout(now.tasks)
    if not waiting & services.healthy and all(is_hopeless(now.services[name], own, lives.seconds) for name in waiting):
        return STUCK, waiting
    if is_out_of_time or (services.is_late and not rolling_back):
        return STUCK, frozenset()
    return "", frozenset()


class _Lives:
    """What the tasks of a rollout were seen to do. Swarm keeps few of each slot (task_history_limit)."""

    def __init__(self, first: Sequence[Task], clock: Clock) -> None:
        self._clock = clock
        # Of an earlier rollout, whose cause may be gone.
        self._dead_before = frozenset(task.id for task in first if task.desired != "running")
        self._ran_first: dict[str, float] = {}
        self._dead: dict[str, Task] = {}
        self.seconds: dict[str, float] = {}

    def see(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            if task.state == "running":
                self.seconds[task.id] = self._clock() - self._ran_first.setdefault(task.id, self._clock())
            if task.state in ENDED and task.id not in self._dead_before:
                self._dead[task.id] = task

    def of_rollout(self, tasks: Sequence[Task]) -> list[Task]:
        """Those of these tasks that are the rollout's own, and all of it that died."""
        others = {*self._dead_before, *self._dead}
        return [*(task for task in tasks if task.id not in others), *self._dead.values()]


class _Services:
    """What is known of the services from one look to the next.

    ``targets``: the templates that are rolled out. ``healthy``: services that ran with a health check at some look.
    ``is_late``: by the last look, one of them is not to be waited for any longer.
    """

    def __init__(self, before: Mapping[str, Service], reconcile: Reconcile, doubt: Doubt | None, clock: Clock) -> None:
        self._before = before
        self._reconcile = reconcile
        self._doubt = doubt
        self._clock = clock
        self._settled: dict[str, tuple[tuple[str, ...], float]] = {}
        self._reconciled: dict[str, tuple[str, ...]] = {}
        self.targets: dict[str, Mapping[str, Any]] = {}
        self.healthy: set[str] = set()
        self.is_late = False

    def judge(self, now: Look) -> list[ServiceState]:
        self.is_late = False
        return [self._judge(name, service, now) for name, service in sorted(now.services.items())]

    def _judge(self, name: str, service: Service, now: Look) -> ServiceState:
        old = self._before.get(name)
        if not service.update_state.startswith("rollback"):
            self.targets.setdefault(name, service.template)
        state = assess(service, now.tasks, now.nodes, stale_update=old.update_started if old else "")
        if state.outcome == DONE and self.targets.get(name, service.template) != service.template:
            state = replace(state, outcome=FAILED, detail="an earlier version runs again")
        if state.is_doubled and self._reconciled.get(name) != state.key:
            # A service that was changed meanwhile can't be written: the next look tells.
            with suppress(PlatformError):
                self._reconcile(service)
                self._reconciled[name] = state.key
        if state.running and service.has_health_check:
            self.healthy.add(name)
        state = _settle(state, settle_seconds(service, old), self._settled, self._clock())
        return state if state.outcome == FAILED else self._doubted(state, service, now.tasks)

    def _doubted(self, state: ServiceState, service: Service, tasks: Sequence[Task]) -> ServiceState:
        if not self._doubt:
            return state
        why, is_late = self._doubt(service, tasks)
        self.is_late = self.is_late or is_late
        return replace(state, outcome=WAITING, detail=why) if why else state


def _settle(
    state: ServiceState, seconds: float, settled: dict[str, tuple[tuple[str, ...], float]], now: float
) -> ServiceState:
    """Hold a service that looks converged back until it has looked the same for ``seconds``."""
    if state.outcome != DONE or not seconds:
        settled.pop(state.service, None)
        return state
    key, since = settled.get(state.service, ((), now))
    if key != state.key:
        since = now
    settled[state.service] = (state.key, since)
    if now - since >= seconds:
        return state
    return replace(state, outcome=WAITING, detail="running, watched for a while")
