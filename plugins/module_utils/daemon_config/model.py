# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The engine's daemon.json, which is not ours alone, and what we remember of our own part in it."""

from __future__ import annotations

import hmac
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.config_files.model import PathState
from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.harmless import HIDDEN, is_name

Config = dict[str, Any]
KeyPath = tuple[str, ...]

ABOUT = (
    "What fungap.swarm (role docker_engine) has added to daemon.json. Without this file, all of that counts as yours. "
    "What is due is due only as long as the engine is the process due_engine (process ID, start, boot)."
)
# The flags of dockerd that are not called like their keys.
_FLAG_KEYS = {
    "host": "hosts",
    "label": "labels",
    "add-runtime": "runtimes",
    "insecure-registry": "insecure-registries",
    **{name: f"{name}s" for name in ("dns-opt", "exec-opt", "log-opt", "storage-opt", "default-ulimit")},
    **{name: f"{name}s" for name in ("registry-mirror", "authorization-plugin", "default-address-pool")},
    "graph": "data-root",
    "node-generic-resource": "node-generic-resources",
}
_SHORT_FLAGS = {
    "H": "hosts",
    "D": "debug",
    "G": "group",
    "l": "log-level",
    "s": "storage-driver",
    "b": "bridge",
    "g": "data-root",
}


@dataclass(frozen=True)
class Memory:
    """What earlier runs did to a daemon.json.

    ``wanted``: all that was wanted, ``added``: the part of it that was not there already, in the same shape.
    ``were_empty``: maps and lists that were there, empty, before we put something in. ``added_before``: our part of
    before a write that may not have ended. ``due``: what the engine ``due_engine`` has yet to do, ``reload``,
    ``restart`` or ''. ``known``: whether there was an earlier run.
    """

    wanted: Config = field(default_factory=dict)
    added: Config = field(default_factory=dict)
    were_empty: tuple[KeyPath, ...] = ()
    added_before: Config = field(default_factory=dict)
    due: str = ""
    due_engine: str = ""
    known: bool = True


@dataclass(frozen=True)
class Engine:
    """The engine that reads the file. ``identity``: of its process, '' when it can't be seen.

    ``flags``: keys that its command line gives, ``config_file``: the file that this names, or ''. ``foreign``: names of
    running containers that are not ours.
    """

    answering: bool = False
    identity: str = ""
    flags: frozenset[str] = frozenset()
    config_file: str = ""
    foreign: tuple[str, ...] = ()


def canonical(value: Any) -> str:
    """A value as text that two values share only if JSON means the same by them (``true`` is not ``1``)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def digest(wanted: Config, key: str) -> str:
    """A keyed digest of what is wanted, which says nothing to those who lack the key."""
    return hmac.new(key.encode(), canonical(wanted).encode(), "sha256").hexdigest()


def parse_daemon_config(path: str, state: PathState) -> Config:
    """The keys of a daemon.json; none where there is no file, or an empty one. Raises ``PlatformError``."""
    if state.kind == "absent":
        return {}
    if state.kind != "file":
        raise _refusal(path, "it is no regular file", "put the file itself there")
    if state.content is None:
        raise _refusal(path, "it is not UTF-8 text", "correct it, or move it away")
    text = state.content.removeprefix("\ufeff").strip()
    return _parse_object(path, text) if text else {}


def parse_memory(path: str, state: PathState) -> Memory:
    """What is remembered. Raises ``PlatformError`` for a file that we did not write like this."""
    if state.kind == "absent":
        return Memory(known=False)
    told = _parse_object(path, state.content or "")
    try:
        return Memory(
            wanted=_config(told["wanted"]),
            added=_config(told["added"]),
            were_empty=tuple(tuple(str(name) for name in one) for one in told.get("were_empty", ())),
            added_before=_config(told.get("added_before", {})),
            due=str(told.get("due", "")),
            due_engine=str(told.get("due_engine", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _refusal(path, "it is not what was written there", "put it back, or move it away") from error


def memory_text(memory: Memory) -> str:
    """The content of the file."""
    told: Config = {"about": ABOUT, "wanted": memory.wanted, "added": memory.added}
    more = {
        "were_empty": [list(one) for one in memory.were_empty],
        "added_before": memory.added_before,
        "due": memory.due,
        "due_engine": memory.due_engine,
    }
    told.update({name: value for name, value in more.items() if value})
    return config_text(told)


def config_text(config: Mapping[str, Any]) -> str:
    """A file's content, in the order of the keys."""
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def parse_flags(arguments: Sequence[str]) -> tuple[frozenset[str], str]:
    """The keys of daemon.json that dockerd's command line gives, and the configuration file that it names, or ''."""
    keys: set[str] = set()
    config_file = ""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=False):
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            if name == "config-file":
                config_file = value if equals else following
            else:
                keys.add(_FLAG_KEYS.get(name, name))
        elif argument.startswith("-") and argument[1:2] in _SHORT_FLAGS:
            keys.add(_SHORT_FLAGS[argument[1]])
    return frozenset(keys), config_file


def _config(value: Any) -> Config:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _parse_object(path: str, text: str) -> Config:
    try:
        value = json.loads(text, object_pairs_hook=_each_once, parse_constant=_no_number, parse_float=_finite)
    except ValueError as error:
        raise _refusal(path, f"it is not JSON ({error})", "correct it, or move it away") from error
    except RecursionError as error:
        raise _refusal(path, "it is nested too deeply", "correct it, or move it away") from error
    if not isinstance(value, dict):
        raise _refusal(path, "it is JSON, but no object", "write it as {...}, or move it away")
    return value


def _each_once(pairs: list[tuple[str, Any]]) -> Config:
    found: Config = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {repr(key) if is_name(key) else HIDDEN} is there twice")
        found[key] = value
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else float(_no_number(text))


def _refusal(path: str, why: str, cure: str) -> PlatformError:
    return PlatformError(f"{path} can't be read: {why}. Nothing was changed. {cure.capitalize()}.")
