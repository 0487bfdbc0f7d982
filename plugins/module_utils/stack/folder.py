# Copyright: The fungap.swarm authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a docker host keeps of a stack: a folder with its compose file, which root alone may read, and its lock."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.fungap.swarm.plugins.module_utils.core.errors import PlatformError
from ansible_collections.fungap.swarm.plugins.module_utils.core.runner import Plan
from ansible_collections.fungap.swarm.plugins.module_utils.memory.model import FILE as MEMORY_FILE
from ansible_collections.fungap.swarm.plugins.module_utils.stack.model import COMPOSE_FILE, compose_path
from ansible_collections.fungap.swarm.plugins.module_utils.stack.plan import RemoveFile

TEMPORARY = ".compose-"


class StackFolder:
    """What a docker host keeps of a stack, without the swarm: where another docker host's manager was asked."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self.path = compose_path(params["path"], params["name"])

    def plan(self) -> Plan:
        folder = os.path.dirname(self.path)
        return Plan(actions=[RemoveFile(self.path)] if os.path.isdir(folder) and _names_and_ours(folder)[1] else [])

    def apply(self, plan: Plan) -> Mapping[str, Any]:  # noqa: ARG002  there is one thing to do
        remove_stack_folder(os.path.dirname(self.path))
        return {}


def lock_path(folder: str, stack: str) -> str:
    """The file whose lock a run holds while it changes a stack."""
    return os.path.join(folder, f".{stack}.lock")


def read_private(path: str) -> str | None:
    """A file's text; None when it is missing, or when others may read it (then it is to be written anew)."""
    try:
        if os.stat(path).st_mode & 0o077:
            return ""
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(f"cannot read {path}: {error}") from error


def check_stack_folder(folder: str) -> None:
    """Refuse a folder in which others keep their things: a stack's has files of ours that root alone may read."""
    if os.path.islink(folder):
        raise PlatformError(f"{folder} is a symbolic link: the stack's files need a folder of their own there")
    names, ours = _names_and_ours(folder)
    if names and not ours:
        raise PlatformError(
            f"{folder} has {', '.join(names[:3])}, and no {COMPOSE_FILE} that root alone may read: nothing shows that "
            "it is the stack's. Name another folder for the stacks (app_stacks_dir), or move this one away"
        )


def _names_and_ours(folder: str) -> tuple[list[str], list[str]]:
    """What lies in a stack's folder, and those files of it that show that it is a stack's; nothing in a link's."""
    if os.path.islink(folder):
        return [], []
    try:
        names = sorted(os.listdir(folder))
        modes = {name: os.lstat(f"{folder}/{name}").st_mode for name in names if _is_stack_file(name)}
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise PlatformError(f"cannot read {folder}: {error.strerror or error}") from error
    return names, [name for name, mode in modes.items() if stat.S_ISREG(mode) and not mode & 0o077]


def _is_stack_file(name: str) -> bool:
    return name in (COMPOSE_FILE, MEMORY_FILE) or name.startswith(TEMPORARY)


def remove_stack_folder(folder: str) -> None:
    """Remove what was written for a stack; a folder in which an operator left something stays with that."""
    with suppress(OSError):
        for name in filter(_is_stack_file, os.listdir(folder)):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def write_private(path: str, text: str) -> None:
    """Write a file that only its owner may read, in a folder of the same kind, all at once."""
    folder = os.path.dirname(path)
    try:
        os.makedirs(os.path.dirname(folder), mode=0o755, exist_ok=True)
        with suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=TEMPORARY)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise PlatformError(f"cannot write {path}: {error}") from error
