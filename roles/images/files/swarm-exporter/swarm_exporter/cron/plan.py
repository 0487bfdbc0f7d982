# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done for a schedule now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from swarm_exporter.cron.model import FAILED, MISSED, SKIPPED, Entry, Json, Run, Schedule, State
from swarm_exporter.cron.times import slots, upcoming

# A slot that nobody has begun within this time is missed: later, nobody expects it any more.
LATE_SECONDS = 60
# The services of what has ended are kept for so many runs, for their logs, and for so long: a scheduler that slept
# between its look and its write must find the name taken.
KEPT_RUNS = 3
KEPT_SECONDS = 600


@dataclass(frozen=True)
class Decision:
    """``start``: slots to run now. ``state``: what is known then. ``remove``: services that nobody needs, by their IDs.

    In this order. Whoever dies in between leaves a run that the next one finds by its name.
    """

    start: tuple[int, ...]
    state: State
    remove: tuple[str, ...]


def decide(schedule: Schedule, state: State | None, runs: Sequence[Run], now: float) -> Decision:
    """``state``: None where the schedule is new. ``runs``: those that there are."""
    moment = int(now)
    if state is None:
        state = State(schedule.timing, moment)
    elif state.timing != schedule.timing:
        state = replace(state, timing=schedule.timing, through=moment)
    by_slot = {run.slot: run for run in runs}
    state, late = _settle(schedule, state, by_slot, now)
    state, start = _due(schedule, state, by_slot, moment)
    state = replace(state, upcoming=upcoming(schedule.expression, schedule.timezone, state.through))
    return Decision(start, state, (*late, *_surplus(state, runs, moment)))


def _settle(schedule: Schedule, state: State, runs: Mapping[int, Run], now: float) -> tuple[State, tuple[str, ...]]:
    """Count what has ended; and which services to take away, since they have not in time."""
    late: list[str] = []
    for slot in state.open:
        run = runs.get(slot)
        if run is None:
            entry = Entry(slot, FAILED, "its service was taken away before it ended", schedule.said)
            state = state.told(entry, int(now))
        elif run.result:
            seconds = round(max(run.ended - run.created, 0), 1)
            state = state.told(Entry(slot, run.result, run.detail, schedule.said, seconds), int(run.ended or now))
        elif now - run.created >= schedule.deadline_seconds:
            detail = f"not at its end after {schedule.deadline_seconds:g} s: {run.detail}"
            entry = Entry(slot, FAILED, detail, schedule.said, round(now - run.created, 1))
            state = state.told(entry, int(now))
            late.append(run.service)
    return state, tuple(late)


def _due(schedule: Schedule, state: State, runs: Mapping[int, Run], moment: int) -> tuple[State, tuple[int, ...]]:
    """Decide each slot whose time has come."""
    start: list[int] = []
    missed: list[int] = []
    coming = slots(schedule.expression, schedule.timezone, state.through)
    for slot in takewhile(lambda slot: slot <= moment, coming):
        state = replace(state, through=slot)
        if slot in runs:  # whoever has begun it did not get to say so
            state = replace(state, open=(*state.open, slot))
        elif moment - slot > LATE_SECONDS:
            missed.append(slot)
        elif state.open and schedule.overlap == "forbid":
            detail = "an earlier run had not ended"
            state = state.told(Entry(slot, SKIPPED, detail, schedule.said), moment)
        else:
            state = replace(state, open=(*state.open, slot))
            start.append(slot)
    if missed:
        more = f", nor were {len(missed) - 1} before it" if len(missed) > 1 else ""
        entry = Entry(missed[-1], MISSED, f"not begun within {LATE_SECONDS} s{more}", schedule.said)
        state = state.told(entry, moment, len(missed))
    return state, tuple(start)


def _surplus(state: State, runs: Sequence[Run], moment: int) -> Iterator[str]:
    """What is decided and not open: all but the newest."""
    ended = sorted((run for run in runs if run.slot not in state.open and run.slot <= state.through), key=_slot)
    for run in ended[:-KEPT_RUNS]:
        if moment - run.slot > KEPT_SECONDS:
            yield run.service


def _slot(run: Run) -> int:
    return run.slot


def acts(node_id: str, nodes: Sequence[Json], tasks: Sequence[Json]) -> bool:
    """Whether the scheduler of this node is the one that acts: the leader's, or the first where the leader has none.

    Two that both think so do no harm: it saves work alone. ``tasks``: of the schedulers.
    """
    ready = {
        node["ID"]: bool((node.get("ManagerStatus") or {}).get("Leader"))
        for node in nodes
        if (node.get("Status") or {}).get("State") == "ready"
    }
    there = {task.get("NodeID") for task in tasks if (task.get("Status") or {}).get("State") == "running"} & set(ready)
    first = min(there, key=lambda one: (not ready[str(one)], str(one)), default=node_id)
    return first == node_id
