# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine's daemon.json on the machine that this runs on, with what we remember of it beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import ConfigFile, Ownership, PathState
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.lock import FOLDER, acquire_lock
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.model import (
    Config,
    Engine,
    Memory,
    config_text,
    digest,
    memory_text,
    parse_daemon_config,
    parse_flags,
    parse_memory,
)
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.plan import (
    DaemonPlan,
    describe,
    plan_daemon_config,
    restart_warning,
    wanted_config,
)
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.shown import shown_key, without_values
from ansible_collections.fungap.swarm.plugins.module_utils.host import files
from ansible_collections.fungap.swarm.plugins.module_utils.host.look import Host, foreign_containers, reload_engine

PATH = "/etc/docker/daemon.json"
LOCK_FILE = f"{FOLDER}/daemon-config.lock"
WAIT_SECONDS = 60
RELOAD_SECONDS = 30
_MEMORY_OWNERSHIP = Ownership(0o600)


@dataclass(frozen=True)
class Place:
    """Where a daemon.json lies, and beside it the operator's original and what we remember."""

    path: str

    @property
    def original(self) -> str:
        return f"{self.path}.original"

    @property
    def memory(self) -> str:
        return os.path.join(os.path.dirname(self.path), "fungap-swarm.json")


def look_at_engine(host: Host, socket: str, platform: str, *, swarm_is_ours: bool) -> Engine:
    """The engine that reads the file."""
    identity, arguments = host.daemon()
    flags, config_file = parse_flags(arguments)
    running = host.running(socket)
    foreign = foreign_containers(running or (), platform, swarm_is_ours=swarm_is_ours)
    return Engine(running is not None, identity, flags, config_file, tuple(foreign))


def settled_digest(host: Host, key: str, path: str = PATH) -> str:
    """A digest of what was wanted last, where all of it is so, and the engine has read it; else ''."""
    place = Place(path)
    try:
        memory = parse_memory(place.memory, files.read_state(place.memory))
        if not memory.known:
            return ""
        state = files.read_state(place.path)
        found = parse_daemon_config(place.path, state)
        identity, arguments = host.daemon()
        engine = Engine(True, identity, *parse_flags(arguments))
        plan = plan_daemon_config(place.path, found, state.content, memory, memory.wanted, engine)
    except PlatformError:
        return ""
    return "" if plan.keys or plan.effect or plan.remember else digest(memory.wanted, key)


class DaemonConfig:
    """Merges our keys into a daemon.json, and has the engine read it where that takes no restart."""

    def __init__(
        self,
        params: Mapping[str, Any],
        *,
        host: Host | None = None,
        reload: Callable[[str, int, float], None] = reload_engine,
    ) -> None:
        self.place = Place(str(params["path"]))
        self.socket = str(params["docker_socket"])
        self.wanted = wanted_config(params["defaults"], params["daemon"])
        self.validate = str(params["validate"])
        self.platform = str(params["platform"])
        self.swarm_is_ours = bool(params["swarm_is_ours"])
        self.restart_confirmed = bool(params["restart_confirmed"])
        self._host = host or Host()
        self._reload = reload

    def plan(self) -> Plan:
        self._found = found = self._look()
        plan = found.plan
        before, after = describe(found.config, plan.config) if plan.config is not None else ({}, {})
        warnings = []
        if plan.effect == "restart" and found.engine.foreign:
            warnings.append(restart_warning(plan.keys, found.engine.foreign))
        return Plan(
            self._actions(found),
            {self.place.path: before} if before else "",
            {self.place.path: after} if after else "",
            {"restart": plan.effect == "restart"},
            warnings,
        )

    def lock(self, _plan: Plan) -> AbstractContextManager[object]:
        return acquire_lock(LOCK_FILE, f"a run that changes {self.place.path}", wait_seconds=WAIT_SECONDS)

    def apply(self, plan: Plan) -> Mapping[str, Any]:  # noqa: ARG002  what it was made from says more
        """Whenever a run is killed, the next one tells ours from theirs, and knows what the engine has yet to do."""
        found, now = self._found, self._found.plan
        directory = os.path.dirname(self.place.path)
        if not os.path.isdir(directory):
            files.make_directory(directory, Ownership(0o755))
        if now.config is not None:
            ownership = _ownership(found.state)
            staged = self._stage(now.config, ownership)
            if now.keep_original:
                _write(self.place.original, found.state.content or "", ownership)
            self._remember(now.memory_meanwhile)
            files.install(staged, self.place.path)
        if now.config is not None or now.remember:
            self._remember(now.memory)
        if now.effect == "reload":
            self._reload(self.socket, int(found.engine.identity.split()[0]), RELOAD_SECONDS)
            self._remember(replace(now.memory, due="", due_engine=""))
        return {"restart": now.effect == "restart"}

    def _stage(self, config: Config, ownership: Ownership) -> str:
        try:
            return files.stage(ConfigFile(self.place.path, config_text(config), ownership, self.validate or None))
        except PlatformError as error:
            raise PlatformError(without_values(error.message, config)) from None

    def _remember(self, memory: Memory) -> None:
        _write(self.place.memory, memory_text(memory), _MEMORY_OWNERSHIP)

    def _look(self) -> _Found:
        state = files.read_state(self.place.path)
        config = parse_daemon_config(self.place.path, state)
        memory = parse_memory(self.place.memory, files.read_state(self.place.memory))
        engine = look_at_engine(self._host, self.socket, self.platform, swarm_is_ours=self.swarm_is_ours)
        plan = plan_daemon_config(
            self.place.path,
            config,
            state.content,
            memory,
            self.wanted,
            engine,
            original_kept=files.read_state(self.place.original).kind != "absent",
            restart_confirmed=self.restart_confirmed,
        )
        return _Found(state, config, engine, plan)

    def _actions(self, found: _Found) -> list[str]:
        plan, path, actions = found.plan, self.place.path, []
        if plan.keep_original:
            actions.append(f"keep {path} as {self.place.original}")
        if plan.config is not None:
            written = [shown_key(key) for key in plan.keys if key in plan.config]
            actions += [f"write {', '.join(written)} into {path}"] if written else []
            gone = [shown_key(key) for key in plan.keys if key not in plan.config]
            actions += [f"remove {', '.join(gone)} from {path}"] if gone else []
        elif plan.remember:
            actions.append(f"remember in {self.place.memory} what of {path} is ours")
        if plan.effect == "reload":
            actions.append("have the engine read it")
        return actions


@dataclass(frozen=True)
class _Found:
    """What was seen, and what follows."""

    state: PathState
    config: Config
    engine: Engine
    plan: DaemonPlan


def _ownership(state: PathState) -> Ownership:
    """Theirs, where the file is there."""
    return Ownership(0o644) if state.kind == "absent" else Ownership(state.mode, state.owner_id, state.group_id)


def _write(path: str, content: str, ownership: Ownership) -> None:
    files.install(files.stage(ConfigFile(path, content, ownership)), path)
