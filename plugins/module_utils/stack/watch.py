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
    reconcile: Callable[[Service], None],
    report: Report | None = None,
    doubt: Callable[[Service, Sequence[Task]], tuple[str, bool]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Wait for a rollout that was just started.

    ``before``: the services as they were ahead of it. ``deadline_seconds``: from the first look to the time allowed.
    ``reconcile`` makes swarm compare a service with its tasks again, which takes the second task of a slot away.
    ``report`` gets the states at every look. ``doubt``: why a service that runs can't be reached, and whether it is not
    to be waited for any longer. A look that fails (a manager that restarts) is tried again until the deadline.
    """
    start, pause = clock(), 0.1
    allowed: float | None = None
    targets: dict[str, Mapping[str, Any]] = {}
    settled: dict[str, tuple[tuple[str, ...], float]] = {}
    reconciled: dict[str, tuple[str, ...]] = {}
    healthy: set[str] = set()
    dead_before: frozenset[str] | None = None
    ran_first: dict[str, float] = {}
    lives: dict[str, float] = {}
    # Swarm keeps few of each slot (task_history_limit).
    dead: dict[str, Task] = {}
    while True:
        try:
            now = look()
        except PlatformError:
            if clock() - start >= (allowed or 60):
                raise
            sleep(1)
            continue
        if allowed is None:
            allowed = deadline_seconds(now)
        if dead_before is None:
            # Of an earlier rollout, whose cause may be gone.
            dead_before = frozenset(task.id for task in now.tasks if task.desired != "running")
        for task in now.tasks:
            if task.state == "running":
                lives[task.id] = clock() - ran_first.setdefault(task.id, clock())
            if task.state in ENDED and task.id not in dead_before:
                dead[task.id] = task
        states = []
        is_over = False
        for name, service in sorted(now.services.items()):
            old = before.get(name)
            if not service.update_state.startswith("rollback"):
                targets.setdefault(name, service.template)
            state = assess(service, now.tasks, now.nodes, stale_update=old.update_started if old else "")
            if state.outcome == DONE and targets.get(name, service.template) != service.template:
                state = replace(state, outcome=FAILED, detail="an earlier version runs again")
            if state.is_doubled and reconciled.get(name) != state.key:
                # A service that was changed meanwhile can't be written: the next look tells.
                with suppress(PlatformError):
                    reconcile(service)
                    reconciled[name] = state.key
            if state.running and service.has_health_check:
                healthy.add(name)
            state = _settle(state, settle_seconds(service, old), settled, clock())
            if doubt and state.outcome != FAILED:
                why, is_late = doubt(service, now.tasks)
                is_over = is_over or is_late
                state = replace(state, outcome=WAITING, detail=why) if why else state
            states.append(state)
        if report:
            report(states)
        seconds = clock() - start
        rolling_back = any(service.update_state == "rollback_started" for service in now.services.values())
        if all(state.outcome == DONE for state in states):
            return Outcome(CONVERGED, states, now, targets, seconds)
        if any(state.outcome == FAILED for state in states) and not rolling_back:
            return Outcome(ROLLED_BACK, states, now, targets, seconds)
        # A service whose tasks die may wait for another one, as long as that one is still coming up.
        waiting = {state.service for state in states if state.outcome != DONE}
        own = [*(task for task in now.tasks if task.id not in {*dead_before, *dead}), *dead.values()]
        if not waiting & healthy and all(is_hopeless(now.services[name], own, lives) for name in waiting):
            return Outcome(STUCK, states, now, targets, seconds, frozenset(waiting))
        if seconds >= allowed or (is_over and not rolling_back):
            return Outcome(STUCK, states, now, targets, seconds)
        sleep(min(pause, max(allowed - seconds, 0.01)))
        pause = min(pause * 1.5, 0.5)


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
