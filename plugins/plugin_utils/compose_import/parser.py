# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docker's own parser of compose files, on the controller. It sees neither the shell's environment nor a ``.env``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.plugin_utils.compose_import.variables import StandIns, stand_ins
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import show_key

Json = dict[str, Any]
PROGRAM = "docker-compose"
# Where Docker looks for its plugins: https://github.com/docker/cli/blob/master/cli-plugins/manager/manager_unix.go
PLUGIN_FOLDERS = (
    *("~/.docker/cli-plugins", "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins"),
    *("/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins"),
)
OLDEST = (2, 20)
INSTALL = "install Docker's package docker-compose-plugin or Debian 13's docker-compose, on the controller"
SECONDS = 60
# Of the model as it is written, and of the one that the entry is made of.
WRITTEN = ("--no-interpolate", "--no-normalize", "--no-consistency")
FILLED_IN: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parsed:
    """``model``: with stand-ins. ``env_files``: by service, what its env files give. ``unread``: those not there."""

    model: Json
    variables: StandIns
    env_files: Mapping[str, Mapping[str, str]]
    unread: Mapping[str, list[str]]
    name: str


def find_parser() -> str:
    """The plugin of the docker CLI, or the program of its own."""
    folders = [os.path.expanduser(one) for one in PLUGIN_FOLDERS]
    found = [os.path.join(one, PROGRAM) for one in folders] + [shutil.which(PROGRAM) or ""]
    tried = []
    for program in found:
        if program and os.access(program, os.X_OK):
            version = _version(program)
            if version >= OLDEST:
                return program
            tried.append(f"{program} ({'.'.join(map(str, version)) or 'of no version'})")
    wanted = ".".join(map(str, OLDEST))
    old = f"; found is {', '.join(tried)}" if tried else ""
    raise PlatformError(f"there is no docker compose {wanted} or newer, which reads compose files{old}: {INSTALL}")


def _version(program: str) -> tuple[int, ...]:
    try:
        # Version 1 is a program in Python, which needs a path.
        command, path = [program, "version", "--short"], {"PATH": os.defpath}
        done = subprocess.run(command, env=path, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"([0-9]+)\.([0-9]+)", done.stdout)
    return (int(match.group(1)), int(match.group(2))) if match else ()


def parse(program: str, files: Sequence[str], given: Mapping[str, str]) -> Parsed:
    """``given``: values of variables. No content of an env file leaves the result but by ``env_files``."""
    raw = _config(program, files, os.devnull, WRITTEN)
    if not isinstance(raw.get("services"), dict) or not raw["services"]:
        raise PlatformError(f"{files[0]} has no services")
    variables = stand_ins(raw, given)
    folder = os.path.dirname(os.path.abspath(files[0]))
    named, unread = _env_files(raw, folder)
    with tempfile.TemporaryDirectory() as own:
        values = os.path.join(own, "values")
        lines = [f"{name}='{value}'\n" for name, value in variables.values.items()]
        _write(values, "".join(lines))
        without = _without_env_files(os.path.join(own, "none.yml"), named)
        model = _config(program, [*files, *without], values, FILLED_IN)
        readable = [one for one in named if one not in unread]
        with_them = {}
        if readable:
            others = _without_env_files(os.path.join(own, "some.yml"), list(unread))
            with_them = _config(program, [*files, *others], values, FILLED_IN)
    return Parsed(model, variables, _given_by(readable, model, with_them), unread, str(raw.get("name") or ""))


def _env_files(raw: Json, folder: str) -> tuple[list[str], dict[str, list[str]]]:
    """The services that name one, and what of it is not there."""
    named, unread = [], {}
    for name, service in raw["services"].items():
        paths = [one if isinstance(one, str) else str(one.get("path")) for one in _list(service.get("env_file"))]
        if paths:
            named.append(name)
        if missing := [one for one in paths if not os.path.isfile(os.path.join(folder, os.path.expanduser(one)))]:
            unread[name] = missing
    return named, unread


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def _without_env_files(path: str, services: Sequence[str]) -> list[str]:
    """A further compose file that takes env files away."""
    if not services:
        return []
    lines = [f"  {json.dumps(name)}: {{env_file: !reset null}}\n" for name in services]
    _write(path, "services:\n" + "".join(lines))
    return [path]


def _write(path: str, text: str) -> None:
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)


def _given_by(services: Sequence[str], model: Json, with_them: Json) -> dict[str, dict[str, str]]:
    """What the environment has with env files and has not without them."""
    found: dict[str, dict[str, str]] = {}
    for name in services:
        here, there = (one["services"][name].get("environment") or {} for one in (model, with_them))
        found[name] = {key: str(value or "") for key, value in there.items() if key not in here}
    return found


def _config(program: str, files: Sequence[str], values: str, switches: Sequence[str]) -> Json:
    named = [word for file in files for word in ("-f", file)]
    folder = os.path.dirname(os.path.abspath(files[0]))
    command = [program, *named, "--project-directory", folder, "--env-file", values, "--profile", "*"]
    command += ["config", "--format", "json", "--no-path-resolution", *switches]
    try:
        # An empty environment: what a shell has is nobody else's.
        # Paths stay as they are written, so env files are looked for where the program is.
        done = subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise PlatformError(f"docker compose did not read {files[0]} within {SECONDS} s") from error
    if done.returncode:
        raise PlatformError(f"docker compose refuses {files[0]}: {_told(done.stderr)}")
    try:
        model: Json = json.loads(done.stdout)
    except ValueError as error:
        raise PlatformError(f"docker compose has not answered with JSON for {files[0]}: is it too old?") from error
    return model


def _told(errors: str) -> str:
    """Its last word. What it quotes may be a secret."""
    lines = [line for line in errors.splitlines() if line.strip() and "level=warning" not in line]
    text = " ".join(lines)[-600:] or "it says nothing"
    return re.sub(r'"([^"]*)"|`([^`]*)`', lambda match: f'"{show_key(match.group(1) or match.group(2) or "")}"', text)
