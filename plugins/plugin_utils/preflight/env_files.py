# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Env files: where they lie, what they hold, who may read them, and what their mount would hide."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.env_volume.model import MODE, parse_env
from ansible_collections.fungap.swarm.plugins.module_utils.folder.model import why_no_folder
from ansible_collections.fungap.swarm.plugins.plugin_utils.health import EnvFile
from ansible_collections.fungap.swarm.plugins.plugin_utils.kinds.texts import why_no_mode, why_no_owner
from ansible_collections.fungap.swarm.plugins.plugin_utils.preflight.inputs import (
    ALL_HOSTS,
    PreflightInput,
    seen_file,
    why_unread,
)
from ansible_collections.fungap.swarm.plugins.plugin_utils.problem import Harmless, Problem, show, show_key
from ansible_collections.fungap.swarm.plugins.plugin_utils.verbs import ENV

SECRET_BYTES_MAX = 500_000


def check_env_files(inputs: PreflightInput) -> Iterator[Problem]:
    for name, app in inputs.inventory.apps.items():
        at, target = f"apps.{show_key(name)}", app["env_target"]
        if app["env_file"]:
            file = seen_file(inputs, app["env_file"])
            if file and file.error:
                problem = why_unread(file, inputs.inventory.inventory_dir, app["env_file"])
                yield Problem(
                    ALL_HOSTS, f"{at}.env_file", app["env_file"], problem, "put it there, readable, or correct the path"
                )
            elif file:
                # There is such a file.
                yield from _check_env_content(at, {**app, "env_file": Harmless(app["env_file"])}, file.content)
        if target:
            problem = why_no_target(target)
            if problem:
                cure = "a folder of its own, as /usr/src/app/env"
                yield Problem(ALL_HOSTS, f"{at}.env_target", target, problem, cure)


def check_env_access(at: str, app: Mapping[str, Any]) -> Iterator[Problem]:
    """What is known before the start; of an image that drops root by itself, the health check tells."""
    owner, mode, user = str(app["env_owner"]), str(app["env_mode"]), str(app["service"].get("user") or "")
    for name, value in (("env_target", app["env_target"]), ("env_owner", owner), ("env_mode", mode)):
        if value and not app["env_file"]:
            cure = f"name the env_file, or take {name} away"
            yield Problem(ALL_HOSTS, f"{at}.{name}", value, "is set without env_file", cure, ENV)
    runs_as = user.partition(":")[0]
    if not owner or not runs_as.isdigit() or int(runs_as) == 0 or why_no_owner(owner) or (mode and why_no_mode(mode)):
        return
    readers = EnvFile("", owner, mode or MODE).readers()
    if readers and int(runs_as) != int(readers[0] or -1) and not readers[1]:
        problem = f"nobody but it may read the file, and service.user is {show(user)}"
        cure = f"'{runs_as}', or an env_mode that lets it read"
        yield Problem(ALL_HOSTS, f"{at}.env_owner", owner, problem, cure, ENV)


def _check_env_content(at: str, app: Mapping[str, Any], content: bytes) -> Iterator[Problem]:
    try:
        parse_env(content.decode())
    except UnicodeDecodeError:
        yield Problem(ALL_HOSTS, f"{at}.env_file", app["env_file"], "is not UTF-8 text", "save it as UTF-8")
    except PlatformError as error:
        cure = "lines of NAME=value, comments with #, empty lines"
        yield Problem(ALL_HOSTS, f"{at}.env_file", app["env_file"], f"is malformed: {error.message}", cure)
    if app["env_delivery"] == "secret" and not content:
        cure = "write a line into it, or env_delivery: volume"
        yield Problem(ALL_HOSTS, f"{at}.env_file", app["env_file"], "is empty, which no secret may be", cure)
    if app["env_delivery"] == "secret" and len(content) > SECRET_BYTES_MAX:
        cure = "env_delivery: volume"
        yield Problem(ALL_HOSTS, f"{at}.env_file", app["env_file"], "is over 500 kB, too big for a secret", cure)


# Where an image has what it is made of; an app's own folder lies elsewhere, or deeper.
IMAGE_FOLDERS = (
    *("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root"),
    *("/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/include", "/usr/lib", "/usr/lib64"),
    *("/usr/libexec", "/usr/local", "/usr/local/bin", "/usr/local/lib", "/usr/local/sbin", "/usr/sbin", "/usr/share"),
    *("/etc/group", "/etc/hostname", "/etc/hosts", "/etc/passwd", "/etc/resolv.conf", "/etc/shadow"),
    *("/usr/src", "/var", "/var/cache", "/var/lib", "/var/log", "/var/run", "/var/tmp", "/etc/ssl", "/etc/ssl/certs"),
)

IMAGE_TREES = ("/bin", "/boot", "/dev", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr/bin", "/usr/sbin")


def why_no_target(target: str) -> str:
    """What is wrong with a folder of a container on which something is to be mounted; empty where nothing is."""
    if not target.startswith("/"):
        return "is not an absolute path"
    if target.strip("/") == "":
        return "would hide the whole image"
    if ".." in target.split("/") or re.search(r"[\s:,]", target):
        return "must have no .., space, colon or comma"
    if why := why_no_folder(target):
        return why
    path = posixpath.normpath(target)
    if path in IMAGE_FOLDERS or any(path.startswith(f"{tree}/") for tree in IMAGE_TREES):
        return "would hide what the image has there"
    return ""
