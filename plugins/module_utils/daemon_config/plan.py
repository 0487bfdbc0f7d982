# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of a daemon.json that others have keys in, too: ours are merged into it, theirs stay.

Maps are merged key by key, at every depth. The lists of ``UNITED`` are united: theirs first, and what of ours is
missing behind it. Any other value, a list too, is one value: where theirs is another one, that is a conflict.
What was there already is theirs, even if we want the same; so is what somebody has changed since we wrote it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.model import (
    Config,
    Engine,
    KeyPath,
    Memory,
    canonical,
    config_text,
)
from ansible_collections.fungap.swarm.plugins.module_utils.daemon_config.shown import SECRET_NAME, Shown, shown_key

UNITED = ("allow-nondistributable-artifacts", "hosts", "insecure-registries", "registry-mirrors")
# By Docker's documentation (dockerd, "Configuration reload behavior"), while they are set.
RELOADABLE = (
    *("allow-nondistributable-artifacts", "authorization-plugins", "debug", "default-runtime", "features"),
    *("insecure-registries", "labels", "live-restore", "max-concurrent-downloads", "max-concurrent-uploads"),
    *("max-download-attempts", "registry-mirrors", "runtimes", "shutdown-timeout"),
)
# What sets a key, where it is not docker_engine_daemon.
VARIABLES = {
    "default-address-pools": "docker_engine_address_pools",
    "metrics-addr": "docker_engine_metrics_address",
    "mtu": "docker_engine_mtu",
}


@dataclass(frozen=True)
class Conflict:
    """A key that is wanted with another value than theirs. ``by_flag``: dockerd's command line gives it."""

    path: KeyPath
    theirs: Any
    ours: Any
    by_flag: bool = False

    def __str__(self) -> str:
        key, name = shown_key(self.path[0]), ".".join(map(shown_key, self.path))
        leave = f"leave it alone with docker_engine_daemon: {{{key}: null}}"
        if self.by_flag:
            return f"{name} is given on dockerd's command line: {leave}, or take the flag out of dockerd's service"
        variable = VARIABLES.get(self.path[0], f"docker_engine_daemon.{name}")
        shown, secret = Shown(), next(filter(SECRET_NAME.search, self.path), "")
        theirs, ours = (canonical(shown.value(one, secret)) for one in (self.theirs, self.ours))
        return f"{name} is {theirs}, and {ours} is wanted: set {variable} to what is there, {leave}, or remove the line"


@dataclass(frozen=True)
class Merged:
    """A daemon.json to be. ``theirs``, ``ours``: of what is there; the rest as in ``Memory``."""

    config: Config
    theirs: Config
    ours: Config
    added: Config
    were_empty: tuple[KeyPath, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True)
class DaemonPlan:
    """What becomes of the file, of what we remember, and of the engine.

    ``config``: None leaves the file as it is. ``keep_original``: the file that is there is kept beside it first.
    ``memory``: what is to be remembered in the end, ``memory_meanwhile`` until the file is written. ``keys``: what
    changes. ``effect``: what the engine has to do, ``reload``, ``restart`` or ''.
    """

    config: Config | None
    keep_original: bool
    memory: Memory
    memory_meanwhile: Memory
    remember: bool
    keys: tuple[str, ...]
    effect: str


def wanted_config(own: Mapping[str, Any], given: Mapping[str, Any]) -> Config:
    """The role's own keys and the operator's, which win; one without a value is left to the machine.

    The role's own options of a log driver go with its own log driver only. Keys are sorted, at every depth.
    """
    wanted = {**own, **given}
    if "log-opts" not in given and wanted.get("log-driver") != own.get("log-driver"):
        wanted["log-opts"] = None
    config: Config = json.loads(canonical({key: value for key, value in wanted.items() if value is not None}))
    return config


def merge(found: Config, memory: Memory, wanted: Config) -> Merged:
    """``found`` with our keys as they are wanted now, and without those of ours that no longer are."""
    theirs = _without(found, memory.added, memory.were_empty)
    theirs = _without(theirs, memory.added_before, memory.were_empty)
    were_empty: list[KeyPath] = []
    conflicts: list[Conflict] = []
    config, added = _combine(theirs, wanted, (), were_empty, conflicts)
    ours = _without(found, theirs, ())
    return Merged(_in_order_of(found, config), theirs, ours, added, tuple(were_empty), tuple(conflicts))


def plan_daemon_config(
    path: str,
    found: Config,
    content: str | None,
    memory: Memory,
    wanted: Config,
    engine: Engine,
    *,
    original_kept: bool = False,
    restart_confirmed: bool = False,
) -> DaemonPlan:
    """What is to be done. ``content``: the file's text, None without a file. Raises ``PlatformError``."""
    if content is not None and not memory.known and content == config_text(wanted):
        memory = replace(memory, added=wanted)  # what an older version of the role has written
    merged = merge(found, memory, wanted)
    _refuse(path, [*merged.conflicts, *_flagged(merged.added, found, engine.flags)], engine)
    keys = _differing(found, merged.config)
    effect = _effect(keys, merged.config, memory, engine)
    if effect == "restart" and engine.foreign and not restart_confirmed:
        raise PlatformError(_restart_refusal(keys, engine.foreign))
    memory_now = Memory(
        wanted=wanted,
        added=merged.added,
        were_empty=merged.were_empty,
        due=effect or memory.due,
        due_engine=engine.identity if effect else memory.due_engine,
    )
    return DaemonPlan(
        config=merged.config if keys else None,
        keep_original=bool(keys and content is not None and not original_kept and (merged.theirs or not memory.added)),
        memory=memory_now,
        memory_meanwhile=replace(memory_now, added_before=merged.ours),
        remember=not memory.known or _settled(memory) != _settled(memory_now),
        keys=keys,
        effect=effect,
    )


def describe(found: Config, config: Config) -> tuple[Config, Config]:
    """Before and after, of what changes only, and without what may be a login. Both differ wherever the file does."""
    shown = Shown()
    return shown.value(_apart(found, config)), shown.value(_apart(config, found))


def restart_warning(keys: Collection[str], foreign: Collection[str]) -> str:
    """What a confirmed restart does to others."""
    return (
        f"the engine is restarted{_because(keys)}; containers that are not the platform's stop with it, and start "
        f"again only if their own restart policy says so: {', '.join(foreign)}"
    )


def _without(found: Config, ours: Config, were_empty: Collection[KeyPath], path: KeyPath = ()) -> Config:
    """What of ``found`` is not ours."""
    left: Config = {}
    for key, value in found.items():
        at: KeyPath = (*path, key)
        mine: Any = ours.get(key)
        if key not in ours:
            left[key] = value
        elif isinstance(value, dict) and isinstance(mine, dict):
            rest: Any = _without(value, mine, were_empty, at)
            if rest or at in were_empty:
                left[key] = rest
        elif _are_united(at, value, mine):
            rest = [one for one in value if not _is_in(one, mine)]
            if rest or at in were_empty:
                left[key] = rest
        elif not _same(value, mine):
            left[key] = value
    return left


def _combine(
    theirs: Config, wanted: Config, path: KeyPath, were_empty: list[KeyPath], conflicts: list[Conflict]
) -> tuple[Config, Config]:
    """Both together, and what of it is added to theirs."""
    both, added = dict(theirs), {}
    for key, value in wanted.items():
        at: KeyPath = (*path, key)
        there: Any = theirs.get(key)
        more: Any
        if key not in theirs:
            both[key] = added[key] = value
            continue
        if isinstance(there, dict) and isinstance(value, dict):
            both[key], more = _combine(there, value, at, were_empty, conflicts)
        elif _are_united(at, there, value):
            more = [one for number, one in enumerate(value) if not _is_in(one, [*there, *value[:number]])]
            both[key] = [*there, *more]
        else:
            if not _same(there, value):
                conflicts.append(Conflict(at, there, value))
            continue
        if more:
            added[key] = more
            if not there:
                were_empty.append(at)
    return both, added


def _in_order_of(found: Any, config: Any, path: KeyPath = ()) -> Any:
    """``config`` with its keys, and what is united, in the order in which they are there."""
    if isinstance(found, dict) and isinstance(config, dict):
        names = [*(key for key in found if key in config), *(key for key in config if key not in found)]
        return {key: _in_order_of(found.get(key), config[key], (*path, key)) for key in names}
    if _are_united(path, found, config):
        return [*(one for one in found if _is_in(one, config)), *(one for one in config if not _is_in(one, found))]
    return config


def _are_united(path: KeyPath, *values: Any) -> bool:
    return len(path) == 1 and path[0] in UNITED and all(isinstance(value, list) for value in values)


def _same(one: Any, other: Any) -> bool:
    return canonical(one) == canonical(other)


def _is_in(one: Any, values: Collection[Any]) -> bool:
    return any(_same(one, other) for other in values)


def _differing(found: Config, config: Config) -> tuple[str, ...]:
    return tuple(
        key
        for key in {**found, **config}
        if key not in found or key not in config or not _same(found[key], config[key])
    )


def _apart(one: Config, other: Config) -> Config:
    """What of the one is not in the other."""
    apart: Config = {}
    for key, value in one.items():
        there = other.get(key)
        if isinstance(value, dict) and isinstance(there, dict) and not _same(value, there):
            apart[key] = _apart(value, there)
        elif key not in other or not _same(value, there):
            apart[key] = value
    return apart


def _flagged(added: Config, found: Config, flags: Collection[str]) -> list[Conflict]:
    """dockerd does not start with a key both in its file and on its command line."""
    return [Conflict((key,), None, added[key], by_flag=True) for key in added if key in flags and key not in found]


def _refuse(path: str, conflicts: Collection[Conflict], engine: Engine) -> None:
    if engine.config_file and engine.config_file != path:
        raise PlatformError(
            f"dockerd reads {engine.config_file} (--config-file on its command line), not {path}. Nothing was changed. "
            "Take the flag out of dockerd's service, and put that file's content there"
        )
    if conflicts:
        told = "\n".join(f"  {conflict}" for conflict in conflicts)
        raise PlatformError(f"{path} is not ours alone, and says otherwise. Nothing was changed.\n{told}")


def _effect(keys: Collection[str], config: Config, memory: Memory, engine: Engine) -> str:
    if not engine.answering:
        return ""
    due = memory.due if memory.due_engine and memory.due_engine == engine.identity else ""
    if not keys:
        return due
    reloadable = engine.identity and due != "restart" and all(key in RELOADABLE and key in config for key in keys)
    return "reload" if reloadable else "restart"


def _settled(memory: Memory) -> tuple[Any, ...]:
    """What is worth to be written down: not what an engine of the past had to do."""
    return (
        canonical(memory.wanted),
        canonical(memory.added),
        canonical(memory.added_before),
        tuple(sorted(memory.were_empty)),
    )


def _restart_refusal(keys: Collection[str], foreign: Collection[str]) -> str:
    return (
        f"the engine has to be restarted{_because(keys)}, and would stop containers that are not the platform's: "
        f"{', '.join(foreign)}. Nothing was changed. To confirm, run again with "
        f"-e docker_engine_restart_confirmed=true{'' if keys else ', or restart it yourself'}"
    )


def _because(keys: Collection[str]) -> str:
    names = ", ".join(map(shown_key, keys))
    return f" for {names} of its daemon.json" if keys else " (an earlier run was ended before it did)"
