# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at the swarm, decides, and acts: again and again."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

from swarm_exporter.cron import model
from swarm_exporter.cron.job import parse_runs, spec_of
from swarm_exporter.cron.model import Json, Run, Schedule, State
from swarm_exporter.cron.plan import acts, decide
from swarm_exporter.engine import Conflict, Engine, EngineError

# Between two looks, unless a slot comes earlier.
LOOK_SECONDS = 3.0
# Nothing is begun upon an older look: a process may have been stopped in between.
FRESH_SECONDS = 10.0
# Of a manager that has lost the others: it may take as long to say so.
PATIENCE_SECONDS = 10.0


class StaleError(Exception):
    """The look is too old to act upon."""


class Scheduler:
    """``service``: the name of the schedulers' own. ``login``: the registry's, as ``X-Registry-Auth`` has it."""

    def __init__(self, engine: Engine, service: str, login: str = "", clock: Callable[[], float] = time.time) -> None:
        self.engine = engine
        self.service = service
        self.login = login
        self.clock = clock
        self._node_id = ""

    def cycle(self) -> float:
        """Do what is due; for how many seconds there is nothing to do."""
        begun = time.monotonic()
        nodes = self._get("/nodes")
        if not acts(self._own_node(), nodes, self._get("/tasks", filters={"service": [self.service]})):
            return LOOK_SECONDS
        # States before runs: a run that a state knows is there, unless somebody took it away.
        configs = self._labelled("/configs", model.STATE_LABEL)
        states = {config["Spec"]["Labels"][model.OWNER_LABEL]: config for config in configs}
        services = {one["ID"]: one for one in self._labelled("/services", model.SCHEDULES_LABEL)}
        runs = parse_runs(self._labelled("/services", model.RUN_LABEL), self._get("/tasks"), nodes)
        schedules = list(model.parse_schedules(services.values()))
        soon = LOOK_SECONDS
        for schedule in schedules:
            own, config = runs.get(schedule.owner, []), states.get(schedule.owner)
            try:
                upcoming = self._serve(schedule, services[schedule.service], config, own, begun)
            except Exception as error:  # one schedule is no reason to lose the others
                print(f"{schedule.owner}: {type(error).__name__}: {error}", flush=True)
            else:
                soon = min(soon, upcoming - self.clock()) if upcoming else soon
        for owner in model.orphans(schedules, {*states, *runs}):
            self._forget(states.get(owner), runs.get(owner, []))
        return max(soon, 0.1)

    def _serve(self, schedule: Schedule, service: Json, config: Json | None, runs: list[Run], begun: float) -> int:
        """What is to be done for one schedule; its next slot. ``begun``: when the look was."""
        state = model.parse_state(config["Spec"]["Labels"][model.STATE_LABEL]) if config else None
        decision = decide(schedule, state, runs, self.clock())
        for slot in decision.start:
            self._start(schedule, slot, service, begun)
        if decision.state != state:
            self._remember(schedule, decision.state, config)
            for entry in decision.state.history:
                if not state or entry not in state.history:
                    print(f"{schedule.owner}: {entry.slot} {entry.result}: {entry.detail}", flush=True)
        for one in decision.remove:
            self._remove(f"/services/{one}")
        return decision.state.upcoming

    def _forget(self, config: Json | None, runs: list[Run]) -> None:
        """What nobody schedules any more. A run that is at work gets to its end."""
        for run in runs:
            if run.result:
                self._remove(f"/services/{run.service}")
        if config:
            self._remove(f"/configs/{config['ID']}")

    def _own_node(self) -> str:
        self._node_id = self._node_id or self._get("/info")["Swarm"]["NodeID"]
        return self._node_id

    def _get(self, path: str, **query: Any) -> Any:
        return self.engine.get(path, timeout_seconds=PATIENCE_SECONDS, **query)

    def _labelled(self, path: str, label: str) -> Any:
        return self._get(path, filters={"label": [label]})

    def _start(self, schedule: Schedule, slot: int, service: Json, looked: float) -> None:
        spec = spec_of(schedule, slot, service)
        if time.monotonic() - looked > FRESH_SECONDS:
            raise StaleError("the look took too long")
        try:
            self.engine.send("POST", "/services/create", spec, login=self.login, timeout_seconds=PATIENCE_SECONDS)
        except Conflict:
            return  # another one has begun it
        print(f"{schedule.owner}: began the run of {slot}: {schedule.said}", flush=True)

    def _remember(self, schedule: Schedule, state: State, config: Json | None) -> None:
        """By version: of two that decide at once, one is refused, looks again and finds what the other did."""
        labels = {model.OWNER_LABEL: schedule.owner, model.STATE_LABEL: state.dump()}
        if config is None:
            data = base64.b64encode(json.dumps({"schedule": schedule.owner}).encode()).decode()
            spec = {"Name": f"fungap.{schedule.app}.cron.{schedule.name}", "Labels": labels, "Data": data}
            self.engine.send("POST", "/configs/create", spec)
            return
        spec = {**config["Spec"], "Labels": {**config["Spec"]["Labels"], **labels}}
        self.engine.send("POST", f"/configs/{config['ID']}/update", spec, version=config["Version"]["Index"])

    def _remove(self, path: str) -> None:
        try:
            self.engine.send("DELETE", path)
        except EngineError as error:
            if " 404 " not in str(error):
                raise
